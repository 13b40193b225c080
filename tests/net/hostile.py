"""Servers on loopback that say exactly what a test tells them to, and a way out to them."""

import asyncio
import socket
import ssl
import struct
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.model import DIRECT, Way
from bridge.net.addresses import Network
from bridge.net.guard import Egress
from bridge.net.resolver import Resolver

LOOPBACK = IPv4Network("127.0.0.0/8")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Heard:
    """What a raw server was asked, and how many connections to it are open."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.open = 0
        self.opened = 0
        self._changed = asyncio.Condition()

    async def until_open(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.open == count)

    async def change(self, by: int) -> None:
        async with self._changed:
            self.open += by
            self.opened += max(by, 0)
            self._changed.notify_all()


@asynccontextmanager
async def raw_server(
    talk: Talk, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, Heard]]:
    """Port and record of a server that has `talk` with every connection.

    It ends when every client has hung up: a leaked connection is a test that times out.
    """
    heard = Heard()
    talks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.change(+1)
        with suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        await heard.change(-1)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(one(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        async with asyncio.timeout(15):
            await asyncio.gather(*talks)


async def request(reader: asyncio.StreamReader) -> bytes:
    """One whole request as it came over the wire."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


def says(answer: bytes, then: Talk | None = None) -> Talk:
    """Reads a request, writes `answer`, does what is to be done `then`, and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(answer)
        await writer.drain()
        if then is not None:
            await then(reader, writer)

    return talk


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing more, until the client hangs up."""
    await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes with an RST in place of an orderly end."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def endless(piece: bytes) -> Talk:
    """Writes `piece` again and again, as fast as it is taken, until the client hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(piece)
            await writer.drain()

    return talk


def wants_certificate(tls: ssl.SSLContext) -> Talk:
    """Speaks TLS as far as its alert that the client has shown no certificate."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = tls.wrap_bio(heard, said, server_side=True)
        while True:
            try:
                server.do_handshake()
            except ssl.SSLWantReadError:
                writer.write(said.read())
                heard.write(await reader.read(65_536))
            except ssl.SSLError:
                break
        writer.write(said.read())
        await reader.read()  # not closed before all is read, or a reset overtakes the alert

    tls.verify_mode = ssl.CERT_REQUIRED
    return talk


class NameServer(asyncio.DatagramProtocol):
    """A DNS server on UDP.

    `names` has the addresses of each name; None: it is not answered until `answer_late`.
    Other names do not exist. `asked` has every question for an IPv4 address, in order.
    """

    def __init__(self, names: Mapping[str, Sequence[str] | None], ttl_s: int) -> None:
        self.names, self.ttl_s = dict(names), ttl_s
        self.asked: list[str] = []
        self._more = asyncio.Event()
        self._unanswered: list[tuple[bytes, Any]] = []

    async def until_asked(self, count: int) -> None:
        while len(self.asked) < count:
            self._more.clear()
            await self._more.wait()

    def answer_late(self) -> None:
        """Answer what is still open, as `names` is now."""
        late, self._unanswered = self._unanswered, []
        for question, asker in late:
            self._answer(question, asker)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.address = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, question: bytes, asker: tuple[str | Any, int]) -> None:
        name, kind, _ = _question(question)
        if kind == A:
            self.asked.append(name)
            self._more.set()
        self._answer(question, asker)

    def _answer(self, question: bytes, asker: Any) -> None:
        name, kind, end = _question(question)
        addresses = self.names.get(name, ())
        if addresses is None:
            self._unanswered.append((question, asker))
            return
        found = [one for one in map(ip_address, addresses) if TYPES[one.version] == kind]
        code = 0x8180 if name in self.names else 0x8183
        head = question[:2] + struct.pack("!HHHHH", code, 1, len(found), 0, 0)
        records = [
            struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl_s, len(one.packed)) + one.packed
            for one in found
        ]
        self.transport.sendto(head + question[12:end] + b"".join(records), asker)


A, AAAA = 1, 28
TYPES = {4: A, 6: AAAA}


def _question(packet: bytes) -> tuple[str, int, int]:
    """Name and type of the first question, and where it ends."""
    labels, at = [], 12
    while size := packet[at]:
        labels.append(packet[at + 1 : at + 1 + size].decode().lower())
        at += 1 + size
    return ".".join(labels), int.from_bytes(packet[at + 1 : at + 3], "big"), at + 5


@asynccontextmanager
async def name_server(
    names: Mapping[str, Sequence[str] | None], ttl_s: int = 60
) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(names, ttl_s), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()


@asynccontextmanager
async def way_out(
    names: Mapping[str, Sequence[str] | None] | None = None,
    *,
    allow_hosts: Collection[str] = (),
    allow_networks: Sequence[Network] = (LOOPBACK,),
    limit: int = 100,
    ca_file: str | None = None,
    way: Way = DIRECT,
    keep_alive_s: float = 5,
) -> AsyncIterator[Egress]:
    """An Egress whose names are `names`; it must leave no task behind."""
    before = asyncio.all_tasks()
    async with name_server(names or {}) as server:
        resolver = Resolver(
            now=asyncio.get_running_loop().time, nameservers=[server.address], timeout_s=1
        )
        async with Egress(
            resolver=resolver,
            allow_hosts=allow_hosts,
            allow_networks=allow_networks,
            limit=limit,
            user_agent="poll-bridge/test (self-hosted)",
            way=Way(authorities=pem(ca_file)) if ca_file else way,
            keep_alive_s=keep_alive_s,
        ) as egress:
            yield egress
        await resolver.close()
    # A fixture ends in another task than it began in.
    others = asyncio.all_tasks() - before - {asyncio.current_task()}
    left = [task for task in others if not serves(task)]
    assert not left


def pem(path: str) -> str:
    return Path(path).read_text()


def serves(task: asyncio.Task[Any]) -> bool:
    """Whether it is a server's task: servers hear of the end only after the client."""
    return any(word in repr(task) for word in ("raw_server", "_accept_connection"))


def certificate(folder: Path, name: str, *, days: int = 1) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context for `name`, and the file of the authority that vouches for it.

    With negative `days` the certificate has expired.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = folder / "authority.pem"
    authority.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret = folder / "key.pem"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority, secret)
    return context, str(authority)
