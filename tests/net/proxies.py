"""A proxy on loopback that opens tunnels, all of them to the places a test gives it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.net.hostile import raw_server, request

AUTH = b"proxy-authorization: basic bwu6cebzcq=="  # me:p@sq, in small letters


@dataclass
class Proxied:
    """`asked` has the target of each CONNECT, `heads` what came with it."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def proxy(
    leads: Mapping[str, int],
    *,
    tls: ssl.SSLContext | None = None,
    credentials: bool = False,
    says: bytes | None = None,
) -> AsyncIterator[Proxied]:
    """`leads` has the local port that stands for each target. Others get 502; all get
    `says` instead of a tunnel, if that is given.
    """
    proxied = Proxied()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await request(reader)
        target = head.split(b" ")[1].decode()
        proxied.asked.append(target)
        proxied.heads.append(head)
        if credentials and AUTH not in head.lower():
            writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        elif says is not None or target not in leads:
            writer.write(says or b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await joined(reader, writer, leads[target])
            return
        await writer.drain()

    async with raw_server(talk, tls) as (port, _):
        proxied.port = port
        yield proxied


async def joined(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.TaskGroup() as group:
        group.create_task(passed(reader, inner_writer), name="raw_server")
        group.create_task(passed(inner_reader, writer), name="raw_server")


async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()
