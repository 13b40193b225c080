"""Sessions that can only reach addresses we may talk to.

Every name is vetted when it is resolved, the whole lot refused if one of its addresses is
forbidden, and every socket is vetted again when it is opened: the HTTP client asks no
resolver about IP literals, and a name may change its answer between two questions.
"""

import socket
import ssl
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bridge.model import DIRECT, Way
from bridge.net.addresses import Network, forbidden
from bridge.net.authorities import trusting
from bridge.net.body import ACCEPT_ENCODING
from bridge.net.connector import Tunnelled, Untold
from bridge.net.resolver import Resolver
from bridge.net.sockets import opener
from bridge.net.tunnel import Proxy
from bridge.receivers.callback import literal_address

# More addresses than this of one name are vetted but not tried: each costs a socket.
ADDRESSES_TRIED = 8
# Just under the five seconds after which common servers close an idle connection, so that
# a request is rarely sent into a closing one.
KEEP_ALIVE_S = 4.5
# A connection that is not there by then is given up a little before the whole request is,
# so that we know nothing was sent.
CONNECT_SHARE = 0.9
MAX_FIELD_BYTES = 16_384
MAX_FIELDS = 100


class AddressForbidden(OSError):
    """`address` is not public and nobody listed it.

    An OSError, because that is what aiohttp expects of resolvers and sockets.
    """

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is not a public address")
        self.address = address


class Egress:
    """The way out: two sessions for each way, closed as an async context manager.

    `allow_hosts` are names or IP addresses reached whatever their address is; all others
    must be public or in `allow_networks`. `limit` is how many connections each session
    may have at once. `way` is how all are reached for whom no other is said: what is
    inside by either list never goes through its proxy. The resolver stays the caller's
    to close.
    """

    def __init__(
        self,
        *,
        resolver: Resolver,
        allow_hosts: Collection[str],
        allow_networks: Sequence[Network],
        limit: int,
        user_agent: str,
        way: Way = DIRECT,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._resolver = resolver
        self._inside_hosts = set(map(_same_spelling, allow_hosts))
        self._allowed = tuple(allow_networks)
        self._limit = limit
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": ACCEPT_ENCODING}
        self._keep_alive_s = keep_alive_s
        self._way = way
        self._tls: dict[str | None, ssl.SSLContext] = {}
        self._sessions: dict[tuple[Way, bool], aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        for inside in (False, True):  # now, and not in the time of somebody's request
            self._at(self._way, inside)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    def allow(self, hosts: Collection[str]) -> None:
        """From now on these are the hosts that are reached whatever their address is."""
        self._inside_hosts.clear()
        self._inside_hosts.update(map(_same_spelling, hosts))

    def session_for(self, host: str, way: Way = DIRECT) -> aiohttp.ClientSession:
        """The session that may talk to `host`. Never let it follow a redirect.

        Those of a way that a reload took away stay, idle, to the end: few, and whoever has
        a request there is not cut off.
        """
        way = self._way if way is DIRECT else way
        return self._at(way, _same_spelling(host) in self._inside_hosts)

    def _at(self, way: Way, inside: bool) -> aiohttp.ClientSession:
        found = self._sessions.get((way, inside))
        if found is None:
            found = self._session(self._connector(way, inside))
            self._sessions[way, inside] = found
        return found

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        way: Way = DIRECT,
    ) -> aiohttp.ClientResponse:
        """Send one request, byte for byte as given, and return when the headers are there.

        The caller sets the deadline, of which `timeout_s` tells the length, and closes the
        response. aiohttp repeats a GET once if the connection turns out to be closed; a
        POST is never repeated. Raises one of `failure.FAILURES`.
        """
        target = URL(url, encoded=True)
        return await self.session_for(target.raw_host or "", way).request(
            method,
            target,
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                connect=timeout_s * CONNECT_SHARE, ceil_threshold=timeout_s
            ),
        )

    async def vet(self, host: str) -> None:
        """Raise AddressForbidden or DnsFailure if a request to `host` would, as of now."""
        literal = literal_address(host)
        addresses = (literal,) if literal else await self._resolver.resolve(host)
        if _same_spelling(host) not in self._inside_hosts:
            _refuse_forbidden(addresses, self._allowed)

    def _connector(self, way: Way, inside: bool) -> aiohttp.TCPConnector:
        guard = (
            Inside(self._resolver, self._inside_hosts)
            if inside
            else Guarded(self._resolver, self._allowed)
        )
        tls = self._tls.get(way.authorities) or trusting(way.authorities)
        self._tls[way.authorities] = tls  # reading all authorities takes a while
        common: dict[str, Any] = {
            "use_dns_cache": False,
            "ssl": tls,
            "limit": self._limit,
            "keepalive_timeout": self._keep_alive_s,
            "socket_factory": opener(guard.vet),
        }
        if way.proxy is None or (inside and not way.by_name):
            return aiohttp.TCPConnector(resolver=guard, **common)
        opened = opener(lambda _address: None)
        proxy = Proxy(way.proxy, resolver=self._resolver, tls=tls, opened=opened)
        if way.by_name:
            return Tunnelled(
                proxy,
                vet=lambda _host: None,
                direct=lambda _host: False,
                resolver=Untold(),
                **common,
            )
        return Tunnelled(proxy, vet=guard.vet, direct=forbidden, resolver=guard, **common)

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
        )


class Guarded(AbstractResolver):
    """Names and addresses from outside."""

    def __init__(self, resolver: Resolver, allowed: Sequence[Network]) -> None:
        self._resolver, self._allowed = resolver, allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolver.resolve(host)
        _refuse_forbidden(addresses, self._allowed)
        return _results(host, addresses, port, family)

    def vet(self, address: str) -> None:
        _refuse_forbidden((address,), self._allowed)

    async def close(self) -> None:
        """The resolver is shared."""


class Inside(AbstractResolver):
    """Only the hosts the operator listed, wherever they are."""

    def __init__(self, resolver: Resolver, hosts: Collection[str]) -> None:
        self._resolver, self._hosts = resolver, hosts
        self._found: dict[str, tuple[str, ...]] = {}  # of each listed name, as last told

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        name = _same_spelling(host)
        if name not in self._hosts:
            raise AddressForbidden(host)
        addresses = await self._resolver.resolve(name)
        self._found[name] = addresses
        return _results(host, addresses, port, family)

    def vet(self, address: str) -> None:
        found = {one for name in self._hosts for one in self._found.get(name, ())}
        if address not in found and _same_spelling(address) not in self._hosts:
            raise AddressForbidden(address)

    async def close(self) -> None:
        """The resolver is shared."""


def _same_spelling(host: str) -> str:
    return literal_address(host) or host.rstrip(".").lower()


def _refuse_forbidden(addresses: Iterable[str], allowed: Sequence[Network]) -> None:
    for address in addresses:
        if forbidden(address, allowed):
            raise AddressForbidden(address)


def _results(
    host: str, addresses: Sequence[str], port: int, family: socket.AddressFamily
) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host, host=address, port=port, family=family, proto=0, flags=0
        )
        for address in addresses[:ADDRESSES_TRIED]
    ]
