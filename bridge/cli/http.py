"""Asks a running bridge over its HTTP API; what it refuses becomes a readable failure."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

from bridge import __version__
from bridge.cli.exits import CommandFailed, Exit
from bridge.net.body import ACCEPT_ENCODING, read_into
from bridge.net.failure import FAILURES, failure

ANSWER_S = 15.0  # for one answer, from DNS to its last byte
MOST_BYTES = 64 * 1024 * 1024
AGAIN_LATER = (408, 425, 429)  # and all 5xx


class Reply(NamedTuple):
    """An answer that is no refusal, and its status."""

    status: int
    body: Any


class Api:
    """One bridge. Every method raises CommandFailed if it refuses or does not answer."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self._url, self._api_key = url.rstrip("/"), api_key

    async def __aenter__(self) -> Self:
        headers = {
            "User-Agent": f"poll-bridge/{__version__} (cli)",
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        self._session = aiohttp.ClientSession(
            headers=headers, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, wait_s: float = 0
    ) -> Reply:
        """`wait_s` is how long the bridge may hold the answer back on our own wish."""
        return await self._ask("GET", path, query, wait_s=wait_s)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0,
    ) -> Reply:
        return await self._ask("POST", path, query, body, headers, wait_s=wait_s)

    async def delete(self, path: str) -> Reply:
        return await self._ask("DELETE", path, None, wait_s=0)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        wait_s: float,
    ) -> Reply:
        kept = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_S + wait_s),
                self._session.request(
                    method,
                    self._url + path,
                    params=query,
                    json=body,
                    headers=headers,
                    allow_redirects=False,  # the key is for this bridge alone
                ) as response,
            ):
                cut = await read_into(kept, response, MOST_BYTES)
        except FAILURES as error:
            raise CommandFailed(
                f"{self._url} does not answer: {failure(error)[1]}",
                "Does the bridge run there? --url or BRIDGE_URL says where.",
                code=Exit.UNAVAILABLE,
            ) from error
        return reply(self._url, response.status, None if cut else bytes(kept))


def reply(url: str, status: int, body: bytes | None) -> Reply:
    """What came back, if it is an answer of a bridge; `body` None: too large."""
    try:
        value = json.loads(body or b"")
    except (ValueError, RecursionError):
        value = None
    if status == 204 or (200 <= status < 300 and value is not None):
        return Reply(status, value)
    later = status in AGAIN_LATER or status >= 500
    code = Exit.UNAVAILABLE if later else Exit.FAILED
    if isinstance(value, dict) and isinstance(value.get("code"), str):
        raise CommandFailed(*problem(status, value), code=code)
    raise CommandFailed(
        f"{url} answers {status}, but not as poll-bridge does; check --url", code=code
    )


def problem(status: int, told: Mapping[str, Any]) -> Iterator[str]:
    """RFC 9457 on lines.

    >>> list(problem(401, {"code": "unauthorized", "detail": "this key is not known"}))
    ['401 unauthorized: this key is not known']
    """
    yield f"{status} {told['code']}: {told.get('detail') or told.get('title')}"
    faults = told.get("errors")
    several = [each for each in faults if isinstance(each, dict)] if faults else []
    if len(several) > 1:  # a single one is the detail
        yield from (f"  {each.get('field')}: {each.get('message')}" for each in several)
