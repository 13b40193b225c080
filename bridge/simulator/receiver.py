"""Simulated receivers behind a real HTTP server on loopback: they keep what they get."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web

from bridge.clock import Clock
from bridge.simulator.loopback import Loopback
from bridge.simulator.proof import fault_of
from bridge.simulator.reactions import Before, Reaction, accepted, reaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, and what became of it."""

    at: float
    method: str
    path: str
    query: str = field(repr=False)  # as sent, not decoded
    headers: Mapping[str, str] = field(repr=False)  # lower-case names
    body: bytes = field(repr=False)
    webhook_id: str  # "" if it had none
    fault: str | None  # why it proves not to be from the sender; None: it does, or unasked
    status: int  # what it was answered with

    @property
    def accepted(self) -> bool:
        return accepted(self.status)


class ReceiverSimulator:
    """Answers by path (see `reactions`) or by script, and records every request.

    With `secrets`, each request's signature is verified: by the `standardwebhooks` package
    if it is installed and `independent`, else by our own verifier at the clock's time.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        secrets: Sequence[str] = (),
        independent: bool = True,
        port: int = 0,
    ) -> None:
        self.url = ""  # known once it listens
        self.requests: list[Received] = []
        self.received: dict[str, list[Received]] = {}  # by webhook-id
        self._clock, self._secrets, self._independent = clock, tuple(secrets), independent
        self._scripts: dict[str, list[Reaction]] = {}
        self._had: Counter[tuple[str, str | None]] = Counter()
        self._news, self._closing = asyncio.Event(), asyncio.Event()
        self._server = Loopback(self._serve, port=port)

    async def __aenter__(self) -> Self:
        self.url = await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._server.stop()

    def script(self, path: str, reactions: Iterable[Reaction | int]) -> None:
        """Answer the requests on `path` with these in order; the last one stays."""
        self._scripts[path] = [
            Reaction(status=each) if isinstance(each, int) else each for each in reactions
        ]

    async def wait_for(self, count: int, timeout_s: float) -> None:
        """Return once `count` requests have come in all. Raises TimeoutError."""
        await self.wait_until(lambda: len(self.requests) >= count, timeout_s)

    async def wait_until(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Return once `done`, asked after each request. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not done():
                self._news.clear()
                await self._news.wait()

    async def news(self, timeout_s: float) -> None:
        """Return at the next request, or when the time has passed."""
        self._news.clear()
        await self._clock.wait(self._news, timeout_s)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        body = await request.content.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhook_id = headers.get("webhook-id", "")
        answer = self._answer(request.method, path, webhook_id)
        received = Received(
            at=self._clock.now(),
            method=request.method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            webhook_id=webhook_id,
            # A GET has no body: its signature covers the query as sent.
            fault=self._fault(body if request.method != "GET" else query.encode(), headers),
            status=answer.status,
        )
        self.requests.append(received)
        self.received.setdefault(webhook_id, []).append(received)
        self._news.set()
        if answer.delay_s:
            await self._clock.wait(self._closing, answer.delay_s)
        if answer.lost and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _answer(self, method: str, path: str, webhook_id: str) -> Reaction:
        before = Before(
            method=method,
            same_id=self._had[path, webhook_id],
            same_path=self._had[path, None],
        )
        self._had[path, webhook_id] += 1
        self._had[path, None] += 1
        script = self._scripts.get(path)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        return reaction(path, before)

    def _fault(self, signed: bytes, headers: Mapping[str, str]) -> str | None:
        now = None if self._independent else self._clock.wall()
        return fault_of(signed, headers, self._secrets, now=now)
