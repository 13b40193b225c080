"""Connections of the HTTP client that lead through a proxy's tunnel."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from bridge.net.tunnel import Proxy

# Of the time for a whole connection: until the proxy itself has been reached. What comes
# after that waits for the receiver, too.
PROXY_SHARE = 0.5


class Tunnelled(aiohttp.TCPConnector):
    """Connects through `proxy`, but to what is inside (`direct`) without it.

    `_wrap_create_connection` is protected in aiohttp, and what its connectors for other
    kinds of proxy override as well: names, pools, limits and deadlines stay its own.
    """

    def __init__(
        self,
        proxy: Proxy,
        *,
        vet: Callable[[str], None],
        direct: Callable[[str], bool],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._proxy, self._vet, self._direct = proxy, vet, direct

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[AddrInfoType],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, Any]:
        # Not every proxy has IPv6, and an address that failed costs a round.
        addr_infos.sort(key=lambda each: each[0] == socket.AF_INET6)
        host, port = addr_infos[0][4][:2]
        if self._direct(host):
            return await super()._wrap_create_connection(
                *args,
                addr_infos=addr_infos,
                req=req,
                timeout=timeout,
                client_error=client_error,
                **kwargs,
            )
        within_s = timeout.connect * PROXY_SHARE if timeout.connect else None
        try:
            self._vet(host)
            transport = await self._proxy.tunnel(host, port, within_s=within_s)
            return await through(
                transport, args[0], kwargs["ssl"], kwargs["server_hostname"]
            )
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                raise
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error


class Untold(AbstractResolver):
    """Leaves names as they are, for a proxy that is told them."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=host, port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def through(
    transport: asyncio.Transport,
    factory: Callable[[], asyncio.Protocol],
    tls: ssl.SSLContext | None,
    name: str | None,
) -> tuple[asyncio.Transport, asyncio.Protocol]:
    """Hand the tunnel to the HTTP client, with TLS to `name` inside it if wanted."""
    protocol = factory()
    if tls is None:
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return transport, protocol
    try:
        inner = await asyncio.get_running_loop().start_tls(
            transport, protocol, tls, server_hostname=name
        )
    except TypeError as error:
        # asyncio of Python 3.11, when a handshake inside TLS fails; uvloop does not.
        transport.abort()
        raise cause_of(error) from None
    except BaseException:
        transport.abort()
        raise
    if inner is None:  # closed meanwhile
        raise ConnectionResetError
    protocol.connection_made(inner)
    return inner, protocol


def cause_of(error: TypeError) -> OSError:
    found = error.__context__
    return found if isinstance(found, ssl.SSLError) else ConnectionAbortedError()
