"""Simulated providers behind a real HTTP server on loopback."""

import asyncio
from typing import Self

from aiohttp import web

from bridge.clock import Clock
from bridge.model import Answer
from bridge.simulator import refusals
from bridge.simulator.answers import HUGE_BYTES, answer
from bridge.simulator.content import content, file
from bridge.simulator.loopback import Loopback
from bridge.simulator.mount import REMEMBERED, Mount
from bridge.simulator.parts import Site
from bridge.simulator.routes import Question, Wanted, question
from bridge.simulator.script import Step, Task
from bridge.simulator.words import Dialect

HANG_S = 3600.0
CHUNK = b" " * 65_536


class ProviderSimulator:
    """Any number of mounts on one port, each a provider with its base URL, dialect and key.

    The mount "" is there from the start and wants no key.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        dialect: Dialect = Dialect.FLAT_COMPLETED,
        port: int = 0,
        remembered: int = REMEMBERED,
    ) -> None:
        self.mounts: dict[str, Mount] = {"": Mount(dialect, remembered=remembered)}
        self.url = ""  # known once it listens
        self._clock, self._remembered = clock, remembered
        self._server = Loopback(self._serve, port=port)
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.url = await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._server.stop()

    def mount(self, prefix: str, dialect: Dialect, *, key: str | None = None) -> str:
        """Add a provider under `prefix` ("/amux") and return its base URL."""
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ValueError(f"{prefix!r} is not like '/amux'")
        self.mounts[prefix] = Mount(dialect, key=key, remembered=self._remembered)
        return self.url + prefix

    def add(self, task_id: str, task: Task, *, prefix: str | None = None) -> None:
        """Script a task of one mount, or of all there are."""
        for name, mount in self.mounts.items():
            if prefix in (None, name):
                mount.add(task_id, task)

    def set_fault(
        self, prefix: str, fault: Step | None, *, for_s: float | None = None
    ) -> None:
        """Make a whole mount fail for a while, for ever, or (None) no longer."""
        until = None if for_s is None else self._clock.now() + for_s
        self.mounts[prefix].set_fault(fault, until=until)

    @property
    def requests(self) -> int:
        return sum(mount.requests for mount in self.mounts.values())

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = question(request.raw_path, self.mounts)
        reading = request.method in ("GET", "HEAD")
        if asked is not None and reading:
            return await self._told(request, asked)
        path = request.raw_path.partition("?")[0]
        if path.startswith("/files/") and reading:
            return await self._send(request, file(path))
        return await self._send(request, self._stray(request.method, path))

    async def _told(self, request: web.BaseRequest, asked: Question) -> web.StreamResponse:
        mount = self.mounts[asked.prefix]
        dialect = asked.dialect or mount.dialect
        site = Site(base_url=self.url + asked.prefix, files_url=f"{self.url}/files")
        mount.enter()
        try:
            world = mount.world(
                asked.task_id,
                self._clock.now(),
                authorization=request.headers.get("authorization"),
                keyed=dialect is not Dialect.SANDBOX,
            )
            if world.step.delay_s:
                await self._clock.wait(self._closing, world.step.delay_s)
            if asked.wanted is Wanted.STATUS:
                return await self._send(request, answer(dialect, world, site))
            return await self._send(request, content(world, site, asked.wanted))
        finally:
            mount.leave()

    def _stray(self, method: str, path: str) -> Answer:
        """A path of no API: new-api shows its web page, except below /v1."""
        prefix = max((name for name in self.mounts if path.startswith(name)), key=len)
        dialect = self.mounts[prefix].dialect
        if dialect is Dialect.ARK or path.startswith(f"{prefix}/v1/"):
            return refusals.wrong_path(dialect, method, path)
        return refusals.dashboard()

    async def _send(self, request: web.BaseRequest, found: Answer) -> web.StreamResponse:
        if found.http_status is None:
            await self._clock.wait(self._closing, HANG_S)
            return web.Response(status=504)
        if found.too_large:
            return await _pour(request, found)
        return web.Response(
            status=found.http_status, headers=found.headers, body=found.body
        )


async def _pour(request: web.BaseRequest, found: Answer) -> web.StreamResponse:
    """An endless-looking answer, in chunks, so that it costs the simulator nothing."""
    response = web.StreamResponse(status=found.http_status or 200, headers=found.headers)
    await response.prepare(request)
    for _ in range(HUGE_BYTES // len(CHUNK)):
        await response.write(CHUNK)
    await response.write_eof()
    return response
