"""Asks one bridge over HTTP, and asks again where that can do no harm."""

import asyncio
import json
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from bridge import __version__, sse
from bridge.client.answers import Reply, reply
from bridge.client.errors import NotABridge, StreamEnded, Unreachable
from bridge.client.patience import Patience
from bridge.errors import ClientError

if TYPE_CHECKING:
    import aiohttp

ENDED = "stream.ended"
REFUSAL_BYTES = 65_536
ANSWER_S = 15.0  # for one answer, from DNS to its last byte
SILENT_S = 45.0  # a stream has a sign of life every 15 s
MOST_BYTES = 64 * 1024 * 1024
LASTING_S = 10.0  # a stream that has held so long did not break at once

Change = Callable[[ClientError | None], None]


def unheeded(_change: ClientError | None) -> None:
    """Nobody is told."""


class Connection:
    """One bridge. Every question raises ClientError if it refuses or does not answer.

    A question that fails in passing is asked again until `retry_for_s` are over, if asking
    twice does no more than asking once.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        retry_for_s: float = 0.0,
        agent: str = "client",
        dice: Callable[[], float] = random.random,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not the URL of a bridge: {url!r}; write http://host:port")
        self.url, self._api_key, self._agent = url.rstrip("/"), api_key, agent
        self._retry_for_s = retry_for_s
        self._dice, self._now, self._sleep = dice, now, sleep
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        wait_s: float = 0,
        within_s: float = math.inf,
    ) -> Reply:
        """`wait_s` is how long the bridge may hold the answer back on our own wish."""
        return await self.ask("GET", path, query=query, wait_s=wait_s, within_s=within_s)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0,
        again: bool = False,
        within_s: float = math.inf,
    ) -> Reply:
        """`again`: a second one like it does nothing more."""
        return await self.ask(
            "POST",
            path,
            query=query,
            body=body,
            headers=headers,
            wait_s=wait_s,
            again=again,
            within_s=within_s,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0,
        again: bool = True,
        within_s: float = math.inf,
    ) -> Reply:
        """One question, until it is answered or cannot be. It is asked again for as long as
        `retry_for_s` after it first failed, and not after `within_s`.
        """
        patience = self._patience(end=self._now() + within_s)
        while True:
            try:
                return await self._once(
                    method, path, wait_s, params=query, json=body, headers=headers
                )
            except ClientError as error:
                if not again:
                    raise
                rest_s = patience.rest_s(error)
            await self._sleep(rest_s)

    def _patience(self, end: float = math.inf) -> Patience:
        return Patience(self._retry_for_s, now=self._now, dice=self._dice, end=end)

    async def _once(self, method: str, path: str, wait_s: float, **request: Any) -> Reply:
        from bridge.net.body import read_into

        kept = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_S + wait_s),
                self._session().request(
                    method,
                    self.url + path,
                    allow_redirects=False,  # the key is for this bridge alone
                    **request,
                ) as response,
            ):
                cut = await read_into(kept, response, MOST_BYTES)
        except failures() as error:
            raise unreachable(self.url, error) from error
        told = None if cut else bytes(kept)
        return reply(self.url, response.status, told, response.headers)

    async def messages(
        self, path: str, on_change: Change = unheeded
    ) -> AsyncIterator[sse.Message]:
        """Those of a stream of server-sent events, for ever: connects again when it is
        lost. Nothing tells what came in between. `on_change` is called with None once it
        is open, and with the error when it is lost and will be opened again.

        Raises StreamEnded if the bridge is done. A stream that breaks as soon as it is
        open counts as one that did not open.
        """
        patience = self._patience()
        while True:
            opened_at = math.inf
            try:
                response = await self._stream(path)
                opened_at = self._now()
                on_change(None)
                async for message in self._read(response):
                    patience.renew()
                    yield message
            except ClientError as error:
                if self._now() - opened_at >= LASTING_S:
                    patience.renew()
                rest_s = patience.rest_s(error)
                on_change(error)
            await self._sleep(rest_s)

    async def _stream(self, path: str) -> "aiohttp.ClientResponse":
        plain = {"Accept": sse.MEDIA_TYPE, "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await self._session().get(
                    self.url + path, headers=plain, allow_redirects=False
                )
                if response.status == 200 and response.content_type == sse.MEDIA_TYPE:
                    return response
                async with response:
                    told = await response.content.read(REFUSAL_BYTES)
        except failures() as error:
            raise unreachable(self.url, error) from error
        reply(self.url, response.status, told, response.headers)
        raise NotABridge(self.url, response.status)

    async def _read(self, response: "aiohttp.ClientResponse") -> AsyncIterator[sse.Message]:
        """To its end, which is an error."""
        reader, piece = sse.Reader(), b" "
        async with response:
            while piece:
                try:
                    async with asyncio.timeout(SILENT_S):
                        piece = await response.content.readany()
                except failures() as error:
                    raise unreachable(self.url, error) from error
                try:
                    messages = list(reader.feed(piece))
                except ValueError:
                    raise NotABridge(self.url, response.status) from None
                for message in messages:
                    if message.event == ENDED:
                        raise self._end(message)
                    yield message
        raise Unreachable(self.url, "the stream broke off")

    def _end(self, message: sse.Message) -> ClientError:
        """Why the bridge ends the stream, by its own word."""
        try:
            told = json.loads(message.data)
            return StreamEnded(str(told["reason"]), str(told["detail"]))
        except (ValueError, LookupError, TypeError):
            return NotABridge(self.url, 200)

    def _session(self) -> "aiohttp.ClientSession":
        """Opened by the first question, in whose loop it then is."""
        if self._opened is None:
            import aiohttp

            from bridge.net.body import ACCEPT_ENCODING

            headers = {
                "User-Agent": f"poll-bridge/{__version__} ({self._agent})",
                "Accept-Encoding": ACCEPT_ENCODING,
            }
            if self._api_key is not None:
                headers["Authorization"] = f"Bearer {self._api_key}"
            self._opened = aiohttp.ClientSession(
                headers=headers,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # ours are around each question
            )
        return self._opened


def failures() -> tuple[type[Exception], ...]:
    """What a question may end in; looked up only once one has."""
    from bridge.net.failure import FAILURES

    return FAILURES


def unreachable(url: str, error: Exception) -> Unreachable:
    from bridge.net.failure import failure

    return Unreachable(url, failure(error)[1])
