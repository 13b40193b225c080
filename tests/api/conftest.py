"""The API, served over real HTTP on loopback, with a real store behind it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import orjson
import pytest
import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from bridge.api.app import create_app
from bridge.api.deps import Deps
from bridge.api.protocol import Protocol
from bridge.bell import Bell
from bridge.cadence import PollPolicy
from bridge.config import Config
from bridge.health import Health
from bridge.live import Live
from bridge.providers.catalogue import page_of, preset
from bridge.providers.provider import Provider
from bridge.store import Store
from tests.api.described import hold
from tests.conftest import FakeClock

SHOP, OTHER, OPS = "shop-key-0123456789", "other-key-987654321", "operator-key-5555-666"
SHOP_SECRET = "whsec_c2hvcC1zZWNyZXQtb2YtbW9yZS10aGFuLTI0LWJ5dGVz"
OTHER_SECRET = "whsec_gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8="
CONFIGURED_KEY = "configured-key-of-amux"
CALLBACK = "https://app.example.com/hooks/secret-path"

CONFIG: dict[str, Any] = {
    "encryption_keys": ["an-encryption-key-of-more-than-32-characters"],
    "clients": {
        "shop": {
            "api_keys": [SHOP],
            "signing_secrets": [SHOP_SECRET],
            "providers": ["amux", "sandbox"],
            "limits": {"requests": "1000/s"},
        },
        "other": {
            "api_keys": [OTHER, "others-second-key-1"],
            "signing_secrets": [OTHER_SECRET],
            "callback_url": "https://other.example.com/default",
        },
        "ops": {
            "api_keys": [OPS],
            "signing_secrets": [SHOP_SECRET],
            "role": "operator",
            "providers": ["amux"],
        },
    },
}
REGION = {
    "params": {"region": {"pattern": "[a-z]{2}", "default": "us"}},
    "request": {"query": {"region": "{region}"}},
}


def config_with(**changes: Any) -> Config:
    """CONFIG, with settings of the client `shop` replaced."""
    shop = {**CONFIG["clients"]["shop"], **changes}
    return Config.model_validate({**CONFIG, "clients": {**CONFIG["clients"], "shop": shop}})


def providers() -> dict[str, Provider]:
    plain = Provider(
        name="amux",
        preset="amux",
        page=preset("amux"),
        base_url="https://amux.example",
        key=CONFIGURED_KEY,
        policy=PollPolicy(),
        rate=None,
    )
    regional = page_of("amux", REGION)
    return {
        "amux": plain,
        "regional": replace(plain, name="regional", page=regional, key=None),
        "sandbox": replace(plain, name="sandbox", page=preset("sandbox"), key=None),
        "ungranted": replace(plain, name="ungranted", key="somebody-elses-key"),
    }


class Names:
    """Stands for DNS and the address rules: what a look at each host comes to."""

    def __init__(self) -> None:
        self.trouble: dict[str, Exception] = {}
        self.silent: set[str] = set()

    async def vet(self, host: str) -> None:
        if host in self.silent:
            await asyncio.Event().wait()
        if host in self.trouble:
            raise self.trouble[host]


class NotedClock(FakeClock):
    """Tells when somebody has begun to wait, so that no test needs to guess."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        self.asked.set()
        await super().wait(event, timeout_s)


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """Of a problem; that it is one is checked along."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        code: str = self.json["code"]
        return code

    @property
    def said(self) -> dict[str, Any]:
        """All of a problem that does not say which request it answers."""
        return {name: value for name, value in self.json.items() if name != "request_id"}

    @property
    def faults(self) -> dict[str, str]:
        return {each["field"]: each["message"] for each in self.json["errors"]}


@dataclass
class Api:
    """What a test holds: the parts behind the API, and a client before it."""

    deps: Deps
    clock: NotedClock
    names: Names
    url: str
    http: aiohttp.ClientSession
    woken: list[str] = field(default_factory=list)

    async def __call__(
        self, method: str, path: str, *, key: str | None = SHOP, **options: Any
    ) -> Answer:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        headers |= options.pop("headers", {})
        async with self.http.request(
            method, self.url + path, headers=headers, allow_redirects=False, **options
        ) as response:
            body = await response.read()
            hold(method, path, response.status, response.content_type, body)
            return Answer(response.status, response.headers, body)

    async def subscribe(self, *, key: str = SHOP, **fields: Any) -> Answer:
        """Something that is fine as it is, with `fields` changed."""
        body = {"provider": "amux", "task_id": "task1", "callback_url": CALLBACK} | fields
        return await self("POST", "/subscribe", json=body, key=key)

    def changed(self, **changes: Any) -> AbstractAsyncContextManager["Api"]:
        """Another API before the same store."""
        deps = replace(self.deps, registry=CollectorRegistry(), **changes)
        return opened(deps, self.clock, self.names)

    async def passes(self, task: "asyncio.Task[Answer]", seconds: float) -> Answer:
        """The answer of a call that waits, while so much time goes by, step by step."""
        until = self.clock.now() + seconds
        while self.clock.now() < until and not task.done():
            await self.asleep(task)
            self.clock.asked.clear()
            self.clock.advance(1.0)
        return await task

    async def asleep(self, task: "asyncio.Task[Answer]") -> None:
        """Return when the call waits on the clock, or is answered."""
        asked = asyncio.create_task(self.clock.asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The app's address. A whole uvicorn server takes a tenth of a second to stop."""
    config = uvicorn.Config(app, http=Protocol, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Protocol(config, state, {}), "127.0.0.1", 0
    )
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=5)
        await server.wait_closed()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What is logged, at every level."""
    former = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    with capture_logs() as lines:
        yield lines
    structlog.configure(**former)


@pytest.fixture
def clock() -> NotedClock:
    return NotedClock()


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def deps(store: Store, clock: NotedClock, names: Names) -> Deps:
    """Ready to serve; wakes are of no interest until a test replaces them."""
    health = Health()
    health.set_ready("start")
    config, known, bell = config_with(), providers(), Bell()
    return Deps(
        store=store,
        clock=clock,
        config=lambda: config,
        providers=lambda: known,
        vet=names.vet,
        bell=bell,
        health=health,
        live=Live(store, clock=clock, bell=bell),
        wake_poller=lambda: None,
        wake_dispatcher=lambda: None,
        draining=lambda: False,
        first_s=lambda name, _model: known[name].policy.first_s,
    )


@asynccontextmanager
async def opened(deps: Deps, clock: NotedClock, names: Names) -> AsyncIterator[Api]:
    woken: list[str] = []
    deps = replace(
        deps,
        wake_poller=lambda: woken.append("poller"),
        wake_dispatcher=lambda: woken.append("dispatcher"),
    )
    async with served(create_app(deps)) as url, aiohttp.ClientSession() as http:
        yield Api(deps, clock, names, url, http, woken)


@pytest.fixture
async def api(deps: Deps, clock: NotedClock, names: Names) -> AsyncIterator[Api]:
    async with opened(deps, clock, names) as found:
        yield found
