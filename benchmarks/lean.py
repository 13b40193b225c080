"""Servers and clients that cost little, so that they are not what is measured.

They speak as much HTTP as the other side needs: requests and answers with a
Content-Length, one at a time, on connections that stay open.
"""

import asyncio
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import urlsplit

END = b"\r\n\r\n"

# From the head and the body of a request to the whole answer. None: it is never answered.
Answers = Callable[[bytes, bytes], bytes | None]


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (status, len(body), body)
    )


def request(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    parts = urlsplit(url)
    sent = {"Host": parts.netloc, **headers, "Content-Length": str(len(body))}
    lines = [f"{method} {parts.path} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items())]
    return "\r\n".join(lines).encode() + END + body


def whole(received: bytearray) -> tuple[bytes, bytes] | None:
    """Head and body of the one message in there, or None if some of it is missing."""
    ends = received.find(END)
    if ends < 0:
        return None
    head, begins = bytes(received[:ends]), ends + len(END)
    if len(received) < begins + length(head):
        return None
    return head, bytes(received[begins:])


def length(head: bytes) -> int:
    """
    >>> length(b"POST / HTTP/1.1\\r\\nContent-Length: 12\\r\\nHost: a"), length(b"GET /")
    (12, 0)
    """
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


class Messages(asyncio.Protocol):
    """One connection, on either side, on which one message at a time arrives."""

    def __init__(self) -> None:
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if message := whole(self._received):
            self._received.clear()
            self.arrived(*message)

    def arrived(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class Served(Messages):
    """A server's side of one connection."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    def arrived(self, head: bytes, body: bytes) -> None:
        if answered := self._answers(head, body):
            self.transport.write(answered)


class Caller(Messages):
    """A client's side of one connection."""

    _answered: asyncio.Future[bytes] | None = None

    @property
    def closed(self) -> bool:
        return self.transport.is_closing()

    async def ask(self, sent: bytes) -> bytes:
        """The head of the answer."""
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(sent)
        return await self._answered

    def arrived(self, head: bytes, body: bytes) -> None:
        assert self._answered, f"nobody asked for these {len(body)} bytes"
        if not self._answered.done():
            self._answered.set_result(head)
        self._answered = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(error or ConnectionResetError("closed"))


async def call(url: str) -> Caller:
    """A connection to where `url` is."""
    host, _, port = urlsplit(url).netloc.rpartition(":")
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(Caller, host, int(port))
    return caller


async def serve(parent: Connection, answers: Answers) -> None:
    """Serve for ever, on a port that `parent` is told."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = await loop.create_server(lambda: Served(answers), sock=listening)
    parent.send(listening.getsockname()[1])
    await server.serve_forever()
