"""A webhook that has arrived, sent on to a receiver on this machine."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bridge.cli.exits import UsageFault
from bridge.cli.reaching import loopback
from bridge.config.fields import web_url
from bridge.net.body import read_into
from bridge.net.failure import FAILURES, failure

FORWARD_S = 15.0  # for the whole answer; the bridge waits for 20 s
MOST_BYTES = 65_536  # of an answer; the bridge reads no more either
NO_ANSWER = 502
# Of one connection (RFC 9110, 7.6.1), or written anew for the next.
OWN = {
    "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
PASSED_BACK = ("content-type", "retry-after")  # what the bridge goes by


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """What came of it: a status, or in words why there is none."""

    http_status: int | None = None
    failure: str | None = None
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    duration_s: float

    @property
    def status(self) -> int:
        return self.http_status or NO_ANSWER


class Forwarder:
    """Sends the same body under the same headers, so that the signature holds there too."""

    def __init__(self, url: str, *, timeout_s: float = FORWARD_S) -> None:
        self.url, self._timeout_s = url, timeout_s

    def check_port(self, port: int) -> None:
        """Raises UsageFault if it would send everything to itself, without end."""
        place = urlsplit(self.url)
        if loopback(self.url) and (place.port or 80) == port:
            raise UsageFault(f"--forward: port {port} is where this command listens")

    async def send(
        self, method: str, headers: Mapping[str, str], query: str, body: bytes
    ) -> Forwarded:
        """A query is put behind that of the URL: of a GET it is what was signed."""
        joint = "&" if "?" in self.url else "?"
        url = f"{self.url}{joint}{query}" if query else self.url
        sent = {name: each for name, each in headers.items() if name not in OWN}
        began = time.monotonic()
        try:
            told = await self._asked(method, url, sent, body)
        except FAILURES as error:
            told = {"failure": failure(error)[1]}
        return Forwarded(**told, duration_s=time.monotonic() - began)

    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, Any]:
        kept = bytearray()
        async with (
            asyncio.timeout(self._timeout_s),
            aiohttp.ClientSession(
                auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                skip_auto_headers=(
                    "User-Agent",
                    "Accept",
                    "Accept-Encoding",
                    "Content-Type",
                ),
            ) as response,
        ):
            await read_into(kept, response, MOST_BYTES)
        back = {
            name: response.headers[name] for name in PASSED_BACK if name in response.headers
        }
        return {"http_status": response.status, "body": bytes(kept), "headers": back}


def forwarder_for(given: str, port: int) -> Forwarder:
    """For a URL; without a scheme it is http. `port`: where we listen. Raises UsageFault.

    >>> forwarder_for("localhost:3000/hooks", 9000).url
    'http://localhost:3000/hooks'
    """
    url = given if "://" in given else f"http://{given}"
    try:
        forwarder = Forwarder(web_url(url, query=True))
    except ValueError as error:
        raise UsageFault(f"--forward: {error}") from None
    forwarder.check_port(port)
    return forwarder
