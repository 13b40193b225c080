"""Simulated providers behind a real HTTP server on loopback."""

import asyncio
import base64
from typing import Self
from urllib.parse import unquote

from aiohttp import web

from bridge.clock import Clock
from bridge.model import Answer, Status
from bridge.simulator import refusals
from bridge.simulator.answers import HUGE_BYTES, answer
from bridge.simulator.loopback import Loopback
from bridge.simulator.mount import Mount
from bridge.simulator.parts import Site
from bridge.simulator.script import Fault, Step, Task, World
from bridge.simulator.words import Dialect, status_word

HANG_S = 3600.0
CHUNK = b" " * 65_536

VIDEO = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x08mdat"
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)

# The paths a mount answers, and the dialect of each; None: the mount's own.
PATHS: tuple[tuple[str, Dialect | None], ...] = (
    ("/sandbox/tasks/", Dialect.SANDBOX),
    ("/v1/video/generations/", None),
    ("/v1/videos/", Dialect.OPENAI_VIDEO),
    ("/llm/v1/contents/generations/tasks/", Dialect.ARK),
    ("/api/v3/contents/generations/tasks/", Dialect.ARK),
)


class ProviderSimulator:
    """Any number of mounts on one port, each a provider with its base URL, dialect and key.

    The mount "" is there from the start and wants no key.
    """

    def __init__(
        self, clock: Clock, *, dialect: Dialect = Dialect.FLAT_COMPLETED, port: int = 0
    ) -> None:
        self.mounts: dict[str, Mount] = {"": Mount(dialect)}
        self.url = ""  # known once it listens
        self._clock = clock
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
        self.mounts[prefix] = Mount(dialect, key=key)
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
        path = request.raw_path.partition("?")[0]
        if path.startswith("/files/"):
            return file(path)
        for route, dialect in PATHS:
            prefix, found, rest = path.rpartition(route)
            if found and prefix in self.mounts and rest:
                return await self._task(request, prefix, dialect, rest)
        return await self._send(request, self._stray(request.method, path))

    async def _task(
        self, request: web.BaseRequest, prefix: str, path_dialect: Dialect | None, rest: str
    ) -> web.StreamResponse:
        mount = self.mounts[prefix]
        dialect = path_dialect or mount.dialect
        segment, slash, tail = rest.partition("/")
        task_id = unquote(segment)
        content = tail == "content" and dialect is Dialect.OPENAI_VIDEO
        if request.method not in ("GET", "HEAD") or (slash and not content):
            path = request.path
            return await self._send(
                request, refusals.wrong_path(dialect, request.method, path)
            )
        mount.enter()
        try:
            world = mount.world(
                task_id,
                self._clock.now(),
                authorization=request.headers.get("authorization"),
                keyed=dialect is not Dialect.SANDBOX,
            )
            if world.step.delay_s:
                await self._clock.wait(self._closing, world.step.delay_s)
            site = Site(base_url=self.url + prefix, files_url=f"{self.url}/files")
            found = _content(world, site) if content else answer(dialect, world, site)
            return await self._send(request, found)
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


def file(path: str) -> web.Response:
    """A tiny but real file, by its name's ending."""
    image = path.endswith(".png")
    kind = "image/png" if image else "video/mp4"
    return web.Response(body=IMAGE if image else VIDEO, content_type=kind)


def _content(world: World, site: Site) -> Answer:
    """`/v1/videos/{id}/content`: the bytes, once there are any."""
    dialect, step = Dialect.OPENAI_VIDEO, world.step
    if step.fault is Fault.NOT_FOUND:
        return refusals.no_content(world.task_id, None)
    if step.fault is not None:
        return answer(dialect, world, site)
    if step.status is Status.SUCCEEDED:
        return Answer(http_status=200, headers={"content-type": "video/mp4"}, body=VIDEO)
    word = status_word(Dialect.ENVELOPE, step.status)
    return refusals.no_content(world.task_id, word)


async def _pour(request: web.BaseRequest, found: Answer) -> web.StreamResponse:
    """An endless-looking answer, in chunks, so that it costs the simulator nothing."""
    response = web.StreamResponse(status=found.http_status or 200, headers=found.headers)
    await response.prepare(request)
    for _ in range(HUGE_BYTES // len(CHUNK)):
        await response.write(CHUNK)
    await response.write_eof()
    return response
