"""A whole node without HTTP: real store, poller, dispatcher and upkeep, scripted outside.

What providers and receivers say is scripted at the level of HTTP answers, so that a test
can let anything happen, in any order, in standing time.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson

from bridge.bell import Bell
from bridge.config import Config
from bridge.dispatcher import Dispatcher
from bridge.health import Health
from bridge.metrics import Metrics
from bridge.model import (
    Answer,
    AttemptOutcome,
    Destination,
    PollRequest,
    Reply,
    Subscription,
    Wish,
)
from bridge.poller import Poller
from bridge.providers.configured import configured
from bridge.retry import Schedule
from bridge.signature import mint, verify
from bridge.store import Store, open_store
from bridge.upkeep import Upkeep
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, FakeClock

SECRETS = {"shop": mint(), "blog": mint()}
CONFIG = Config.model_validate(
    {
        "encryption_keys": [ENCRYPTION_KEY],
        "clients": {
            name: {"api_keys": [f"test-api-key-of-{name}"], "signing_secrets": [secret]}
            for name, secret in SECRETS.items()
        },
        "providers": {
            name: {
                "preset": name,
                "base_url": f"https://{name}.test",
                "api_key": f"sk-{name}",
            }
            for name in ("amux", "newapi", "rong")
        },
    }
)


OUTCOMES = {
    0: AttemptOutcome.RESET,
    200: AttemptOutcome.ACCEPTED,
    409: AttemptOutcome.CONFLICT,
    410: AttemptOutcome.GONE,
    429: AttemptOutcome.THROTTLED,
}


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Providers:
    """Answers each poll by `says`, and keeps what was asked."""

    says: Callable[[str], Answer]
    asked: list[str] = field(default_factory=list)

    async def ask(self, request: PollRequest) -> Answer:
        task_id = request.url.rpartition("/")[2]
        self.asked.append(task_id)
        return self.says(task_id)


@dataclass(frozen=True)
class Post:
    """One webhook as it arrived."""

    at: float
    url: str
    id: str
    event: Mapping[str, Any]
    status: int


@dataclass
class Receivers:
    """Answers each attempt by `says` (an HTTP status; 0: the connection breaks)."""

    clock: FakeClock
    says: Callable[[str], int]
    posts: list[Post] = field(default_factory=list)
    taken: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        client = destination.url.split("/")[3]
        event = verify(
            body or b"", headers, SECRETS[client], now=self.clock.wall()
        ) or orjson.loads(body or b"{}")
        status = self.says(url)
        self.posts.append(Post(self.clock.now(), url, headers["webhook-id"], event, status))
        if 200 <= status < 300:
            self.taken[event["data"]["subscription_id"]].append(headers["webhook-id"])
        return Reply(
            outcome=OUTCOMES.get(status, AttemptOutcome.REFUSED), http_status=status
        )


class World:
    """Open it with `up`, kill it with `down`, as often as you like: the file stays."""

    def __init__(self, folder: Path, clock: FakeClock, *, seed: int = 0) -> None:
        self.path, self.clock, self.seed = folder / "bridge.db", clock, seed
        self.providers = Providers(pending)
        self.receivers = Receivers(clock, lambda _: 200)
        self.repaired = 0
        self._stack = AsyncExitStack()

    async def up(self) -> "World":
        url, vault = f"sqlite:///{self.path}", Vault([ENCRYPTION_KEY])
        self.store, _ = await self._stack.enter_async_context(open_store(url, vault))
        await self.store.begin(now=self.clock.now())
        self.build()
        return self

    async def down(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def build(self) -> None:
        known, metrics, health, bell = configured(CONFIG), Metrics(), Health(), Bell()
        self.metrics = metrics
        self.dispatcher = Dispatcher(
            self.store,
            self.receivers,
            secrets=lambda client: [SECRETS[client]],
            schedule=Schedule(),
            timeout_s=20,
            clock=self.clock,
            dice=Random(self.seed),
            health=health,
            metrics=metrics,
        )
        self.poller = Poller(
            self.store,
            self.providers,
            providers=lambda: known,
            clock=self.clock,
            dice=Random(self.seed),
            bell=bell,
            health=health,
            metrics=metrics,
            on_owed=lambda: None,
        )
        self.upkeep = Upkeep(
            self.store,
            providers=lambda: known,
            retention_s=30 * 86_400,
            clock=self.clock,
            bell=bell,
            health=health,
            metrics=metrics,
            on_due=lambda: None,
            on_owed=lambda: None,
        )

    async def turn(self) -> None:
        """Everything that is due, until nothing is."""
        await self.upkeep.turn()
        while await self.poller.worker.drain() + await self.dispatcher.worker.drain():
            await self.upkeep.turn()
        self.repaired += await self.store.sweep(now=self.clock.now())

    async def pass_time(self, seconds: float, step_s: float = 5.0) -> None:
        """Let time go by, doing what falls due on the way."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.clock.advance(min(step_s, until - self.clock.now()))
            await self.turn()

    async def subscribe(self, task_id: str, **changes: Any) -> Subscription:
        answer = await self.store.subscribe(wish(task_id, **changes), now=self.clock.now())
        return answer.subscription

    def ends(self, subscription: Subscription) -> Sequence[Post]:
        """The posts of its end, accepted or not."""
        return [
            post
            for post in self.receivers.posts
            if post.event["data"]["subscription_id"] == subscription.id
            and post.event["type"] != "task.updated"
        ]


def wish(task_id: str, client: str = "shop", path: str = "hook", **changes: Any) -> Wish:
    url = f"https://app.test/{client}/{path}"
    given: dict[str, Any] = {
        "client": client,
        "provider": "amux",
        "task_id": task_id,
        "destination": Destination(url=url, host="app.test"),
        "deadline_s": 90_000.0,
        "first_poll_s": 1.0,
    } | changes
    return Wish(**given, canonical=repr(sorted(given.items(), key=str)).encode())


def said(status: int, body: Any, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    kind = {"content-type": "application/json"}
    return Answer(http_status=status, headers=kind | headers, body=content)


def pending(task_id: str) -> Answer:
    return said(200, {"task_id": task_id, "status": "in_progress"})


def succeeded(task_id: str) -> Answer:
    url = f"https://cdn.test/{task_id}.mp4"
    return said(200, {"task_id": task_id, "status": "completed", "url": url})


def failed(task_id: str) -> Answer:
    error = {"code": 50001, "message": "the model gave up"}
    return said(200, {"task_id": task_id, "status": "failed", "error": error})


def not_found(_task_id: str) -> Answer:
    return said(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})


def refused(_task_id: str) -> Answer:
    return said(401, {"error": {"message": "Invalid token", "type": "new_api_error"}})


def throttled(_task_id: str) -> Answer:
    return said(429, b"", **{"retry-after": "30"})


def rubbish(_task_id: str) -> Answer:
    return said(
        200, b"<html><body>502 Bad Gateway</body></html>", **{"content-type": "text/html"}
    )


def silence(_task_id: str) -> Answer:
    return Answer(http_status=None, failure="timeout")
