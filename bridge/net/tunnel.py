"""The way through an operator's proxy: a tunnel (CONNECT, RFC 9110, 9.3.6) for each
connection, to plain HTTP too.

A proxy that is asked to forward a plain request looks its name up by itself, after we did,
and reads the whole URL. Through a tunnel the receiver's address is the one that was vetted
here, whatever its DNS says to the proxy, and its name stays in `Host` and in TLS.
"""

import asyncio
import base64
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohappyeyeballs import AddrInfoType, start_connection

from bridge.net.resolver import DnsFailure, Resolver
from bridge.receivers.callback import literal_address

DEFAULT_PORTS = {"http": 80, "https": 443}
EYEBALLS_S = 0.25  # between two addresses of the proxy
HEAD_BYTES = 16_384
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
# The proxy could not, or would not for us. It says 502 to 504 of a receiver that is down,
# too, which cannot be told apart from here.
FAULTS = (407, 502, 503, 504)

Open = Callable[[AddrInfoType], socket.socket]


class ProxyFault(aiohttp.ClientConnectionError):
    """The proxy cannot be reached, does not speak HTTP, or does not let us in."""


class TunnelRefused(OSError):
    """The proxy answered `status`, and made no connection to this address.

    An OSError, because aiohttp tries the next address after one.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy made no connection: it answered {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy is."""

    host: str
    port: int
    tls: bool
    credentials: str | None = field(repr=False)  # the value of Proxy-Authorization


def place(url: str) -> Place:
    """
    >>> place("https://me:p%40ss@proxy.test"), place("http://[::1]:3128").host
    (Place(host='proxy.test', port=443, tls=True), '::1')
    """
    parts = urlsplit(url)
    credentials = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Place(parts.hostname or "", port, parts.scheme == "https", credentials)


class Proxy:
    """An HTTP proxy. Its own address is the operator's choice and may be inside."""

    def __init__(
        self, url: str, *, resolver: Resolver, tls: ssl.SSLContext, opened: Open
    ) -> None:
        self._place, self._resolver = place(url), resolver
        self._tls, self._opened = tls if self._place.tls else None, opened

    async def tunnel(
        self, host: str, port: int, *, within_s: float | None
    ) -> asyncio.Transport:
        """A connection to `host`, of which nothing has been read. Raises ProxyFault or
        TunnelRefused. `within_s` bounds the way to the proxy; the caller has a deadline
        for the whole.
        """
        transport, answer = await self._reached(within_s)
        try:
            transport.write(self._connect(host, port))
            judge(await answer.head)
        except BaseException:
            transport.abort()
            raise
        return transport

    async def _reached(self, within_s: float | None) -> tuple[asyncio.Transport, "Answer"]:
        try:
            async with asyncio.timeout(within_s):
                return await self._connected()
        except ssl.SSLError as error:
            words = str(error.reason or "handshake failed").replace("_", " ").lower()
            raise ProxyFault(f"no TLS with the proxy: {words}") from error
        except (OSError, RuntimeError) as error:  # RuntimeError: uvloop, when sockets race
            raise ProxyFault(f"the proxy cannot be reached: {reason(error)}") from error

    async def _connected(self) -> tuple[asyncio.Transport, "Answer"]:
        host, port = self._place.host, self._place.port
        literal = literal_address(host)
        addresses = (literal,) if literal else await self._resolver.resolve(host)
        opened = await start_connection(
            [info(address, port) for address in addresses],
            happy_eyeballs_delay=EYEBALLS_S,
            socket_factory=self._opened,
        )
        try:
            transport, answer = await asyncio.get_running_loop().create_connection(
                Answer,
                sock=opened,
                ssl=self._tls,
                server_hostname=host if self._tls else None,
            )
        except BaseException:
            opened.close()
            raise
        return transport, answer

    def _connect(self, host: str, port: int) -> bytes:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._place.credentials:
            lines.append(f"Proxy-Authorization: {self._place.credentials}")
        return "\r\n".join((*lines, "", "")).encode("ascii")


class Answer(asyncio.Protocol):
    """Takes in what the proxy says, up to the end of its head."""

    def __init__(self) -> None:
        self.head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._read = bytearray()

    def data_received(self, data: bytes) -> None:
        self._read += data
        if b"\r\n\r\n" in self._read or len(self._read) > HEAD_BYTES:
            self._settle()

    def eof_received(self) -> None:
        self._settle()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._settle()

    def _settle(self) -> None:
        if not self.head.done():
            self.head.set_result(bytes(self._read))


def judge(head: bytes) -> None:
    """Raise what the proxy's answer to CONNECT means, unless the tunnel is there."""
    said = STATUS.match(head)
    if said is None:
        raise ProxyFault("the proxy hung up, or does not speak HTTP")
    status = int(said[1])
    if status == 407:  # of no other address it would say anything else
        raise ProxyFault("the proxy does not let us in: it answered 407")
    if not 200 <= status < 300:
        raise TunnelRefused(status)
    if not head.endswith(b"\r\n\r\n"):
        raise ProxyFault("the proxy says more than that the tunnel is there")


def info(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        where: Any = (address, port, 0, 0)
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def reason(error: Exception) -> str:
    """In the system's words, without addresses."""
    if isinstance(error, DnsFailure):
        return str(error)
    number = getattr(error, "errno", None)
    if isinstance(error, TimeoutError) and not number:
        return "no connection in time"
    return os.strerror(number).lower() if number else "no connection"
