"""A whole node without HTTP: real store, poller, dispatcher and upkeep, scripted outside.

What providers and receivers say is scripted at the level of HTTP answers, so that a test
can let anything happen, in any order, in standing time.
"""

import asyncio
import inspect
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ParamSpec, TypeVar

import orjson

from bridge.bell import Bell, to_nobody
from bridge.clock import SystemClock
from bridge.config import Config
from bridge.delivery.dispatcher import Dispatcher
from bridge.delivery.sending import Send
from bridge.errors import StoreUnavailable, VerificationError
from bridge.health import Health
from bridge.metrics import Metrics
from bridge.model import (
    Answer,
    AttemptOutcome,
    Delivery,
    Destination,
    PollRequest,
    Reply,
    Subscription,
    Wish,
)
from bridge.polling.asking import Ask
from bridge.polling.pacing import Pacing
from bridge.polling.poller import Poller
from bridge.providers.configured import configured
from bridge.receivers.retry import Schedule
from bridge.signature import mint, verify
from bridge.store import Reached, Store, open_store
from bridge.store.sqlite import Sqlite
from bridge.store.steps import Database, Step
from bridge.upkeep import Upkeep, gap_since
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, FakeClock

T = TypeVar("T")
P = ParamSpec("P")

SECRETS = {"shop": mint(), "blog": mint()}


def config_with(**amux: Any) -> Config:
    """Two clients and three providers, with other settings for one of these."""
    providers = {
        name: {
            "preset": name,
            "base_url": f"https://{name}.test",
            "api_key": f"sk-{name}",
            "rate_limit": "1000/s",
        }
        for name in ("amux", "newapi", "rong")
    }
    return Config.model_validate(
        {
            "encryption_keys": [ENCRYPTION_KEY],
            "clients": {
                name: {"api_keys": [f"test-api-key-of-{name}"], "signing_secrets": [secret]}
                for name, secret in SECRETS.items()
            },
            "providers": {**providers, "amux": providers["amux"] | amux},
        }
    )


CONFIG = config_with()
TIMEOUT_S = 20.0  # of an attempt
LOOKS, ROUNDS = 3, 30  # of `settled`
OUTCOMES = {
    0: AttemptOutcome.RESET,
    200: AttemptOutcome.ACCEPTED,
    409: AttemptOutcome.CONFLICT,
    410: AttemptOutcome.GONE,
    429: AttemptOutcome.THROTTLED,
}


class Crash(BaseException):
    """The process dies here."""


class Gate:
    """Holds whoever comes, until it is opened: somebody else's server that hangs."""

    def __init__(self) -> None:
        self.held = 0
        self._open, self._came = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.held += 1
        self._came.set()
        try:
            await self._open.wait()
        finally:
            self.held -= 1

    async def until_held(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.held < count:
                self._came.clear()
                await self._came.wait()

    def open(self) -> None:
        self._open.set()


@dataclass(frozen=True)
class Question:
    """One poll as it was asked."""

    at: float
    task_id: str
    url: str
    authorization: str | None


@dataclass
class Providers:
    """Answers each poll by `says`, which may take its time, and keeps the questions."""

    clock: FakeClock
    says: Callable[[str], Answer | Awaitable[Answer]]
    questions: list[Question] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        return [question.task_id for question in self.questions]

    def times(self, task_id: str) -> list[float]:
        return [one.at for one in self.questions if one.task_id == task_id]

    async def ask(self, request: PollRequest) -> Answer:
        task_id = request.url.rpartition("/")[2]
        key = request.headers.get("Authorization")
        self.questions.append(Question(self.clock.now(), task_id, request.url, key))
        answer = self.says(task_id)
        return await answer if inspect.isawaitable(answer) else answer


@dataclass(frozen=True)
class Post:
    """One webhook as it arrived, and whose secret has signed it."""

    at: float
    url: str
    id: str
    event: Mapping[str, Any]
    status: int
    client: str
    signed_at: int
    traceparent: str | None = None


@dataclass
class Receivers:
    """Answers each attempt by `says` (an HTTP status; 0: the connection breaks)."""

    clock: FakeClock
    says: Callable[[str], int | Awaitable[int]]
    posts: list[Post] = field(default_factory=list)
    taken: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    answer: bytes = b""  # the body of every answer

    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        client, event = self._proven(body or b"", headers)
        status = self.says(url)
        status = await status if inspect.isawaitable(status) else status
        self.posts.append(
            Post(
                at=self.clock.now(),
                url=url,
                id=headers["webhook-id"],
                event=event,
                status=status,
                client=client,
                signed_at=int(headers["webhook-timestamp"]),
                traceparent=headers.get("traceparent"),
            )
        )
        if 200 <= status < 300:
            self.taken[event["data"]["subscription_id"]].append(headers["webhook-id"])
        return Reply(
            outcome=OUTCOMES.get(status, AttemptOutcome.REFUSED),
            http_status=status or None,
            body=self.answer,
        )

    def _proven(
        self, body: bytes, headers: Mapping[str, str]
    ) -> tuple[str, Mapping[str, Any]]:
        """Whose secret has signed it, and what it says."""
        for client, secret in SECRETS.items():
            with suppress(VerificationError):
                return client, verify(body, headers, secret, now=self.clock.wall())
        raise AssertionError("a webhook that nobody has signed")


class Counted:
    """A database that knows whether anybody waits for it."""

    def __init__(self, inner: Database) -> None:
        self.inner, self.shared, self.at_once = inner, inner.shared, inner.at_once
        self.asked = 0  # in all
        self._busy, self._idle = 0, asyncio.Event()

    async def idle(self) -> None:
        while self._busy:
            self._idle.clear()
            await self._idle.wait()

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._counted(self.inner.write(step, *args, **kwargs))

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._counted(self.inner.read(step, *args, **kwargs))

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._counted(self.inner.scan(step, *args, **kwargs))

    async def time(self) -> float:
        return await self.inner.time()

    async def synced(self) -> bool:
        return await self.inner.synced()

    async def close(self) -> None:
        await self.inner.close()

    async def _counted(self, answer: Coroutine[Any, Any, T]) -> T:
        self.asked += 1
        self._busy += 1
        try:
            return await answer
        finally:
            self._busy -= 1
            self._idle.set()


@asynccontextmanager
async def open_counted(url: str) -> AsyncIterator[tuple[Store, Reached]]:
    """A store that `until` can wait for."""
    async with open_store(url, Vault([ENCRYPTION_KEY])) as (store, reached):
        store.database = Counted(store.database)
        yield store, reached


def counted(store: Store) -> Counted:
    assert isinstance(store.database, Counted)
    return store.database


def sqlite(store: Store) -> Sqlite:
    """Its database, for a look behind it."""
    database = counted(store).inner
    assert isinstance(database, Sqlite)
    return database


class World:
    """Open it with `up`, kill it with `down`, as often as you like: the database stays.

    `database` is a URL; an SQLite file in the folder by default, at `path`. Where it is one
    that nodes share, this is one of them, and its clock the database's.
    """

    def __init__(
        self,
        folder: Path,
        clock: FakeClock,
        *,
        database: str | None = None,
        seed: int = 0,
        config: Config = CONFIG,
        schedule: Schedule | None = None,
    ) -> None:
        self.schedule = schedule or Schedule()
        self.path, self.clock, self.seed = folder / "bridge.db", clock, seed
        self.database = database or f"sqlite:///{self.path}"
        self.config = config
        self.providers = Providers(clock, pending)
        self.receivers = Receivers(clock, lambda _: 200)
        self.upstream: Ask = self.providers  # real HTTP may stand in for either
        self.sender: Send = self.receivers
        self.over: Callable[[Iterable[str]], None] = (
            to_nobody  # told of subscriptions that may be over
        )
        self.repaired = 0
        self.reached = Reached()  # by former processes
        self._stack = AsyncExitStack()

    async def up(self) -> "World":
        opened = await self._stack.enter_async_context(open_counted(self.database))
        self.store, self.reached = opened
        if not self.store.database.shared:
            self.start_clock()
        await self.store.begin(now=self.clock.now())
        self.build()
        return self

    def start_clock(self) -> None:
        """As a node does: from the wall clock, and not before what was reached."""
        wall = self.clock.wall()
        self.clock.advance(max(wall, self.reached.at) - self.clock.now())
        self.clock.offset = wall - self.clock.now()

    async def down(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def build(self) -> None:
        known, metrics = configured(self.config), Metrics()
        shared = self.store.database.shared
        health, bell = Health(), Bell(self._told_over)
        self.metrics, self.health = metrics, health
        self.dispatcher = Dispatcher(
            self.store,
            self.sender,
            secrets=lambda client: [SECRETS[client]],
            schedule=self.schedule,
            timeout_s=TIMEOUT_S,
            clock=self.clock,
            dice=Random(self.seed),
            health=health,
            metrics=metrics,
            over=self._told_over,
        )
        self.pacing = Pacing(
            self.store,
            providers=lambda: known,
            clock=self.clock,
            dice=Random(self.seed),
        )
        self.poller = Poller(
            self.store,
            self.upstream,
            providers=lambda: known,
            clock=self.clock,
            dice=Random(self.seed),
            bell=bell,
            health=health,
            metrics=metrics,
            on_owed=self.dispatcher.worker.wake.set,
            pacing=self.pacing,
        )
        self.upkeep = Upkeep(
            self.store,
            providers=lambda: known,
            retention_s=30 * 86_400,
            clock=self.clock,
            bell=bell,
            health=health,
            metrics=metrics,
            on_due=self.poller.worker.wake.set,
            on_owed=self.dispatcher.worker.wake.set,
            gap_s=0.0 if shared else gap_since(self.reached.believed_at, self.clock.now()),
        )

    def _told_over(self, keys: Iterable[str]) -> None:
        self.over(keys)

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

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The three loops as a node runs them; `until` moves their time."""
        async with running(self.poller, self.dispatcher, self.upkeep):
            yield

    async def until(self, done: Callable[[], bool], step_s: float = 0.1) -> None:
        await until(done, self.clock, self.store, step_s)

    async def subscribe(self, task_id: str, **changes: Any) -> Subscription:
        """As the API does it."""
        answer = await self.store.subscribe(wish(task_id, **changes), now=self.clock.now())
        self.poller.worker.wake.set()
        return answer.subscription

    async def retry(self, subscription: Subscription, client: str = "shop") -> bool:
        """By hand, as the API does it."""
        key, now = key_of(subscription), self.clock.now()
        found = await self.store.ask_for_attempt(key, 0, client, now=now)
        self.dispatcher.worker.wake.set()
        return found

    async def stop(self, subscription: Subscription, client: str = "shop") -> bool:
        return await self.store.stop(key_of(subscription), client, now=self.clock.now())

    async def show(self, subscription: Subscription) -> Subscription:
        """It, as it is now."""
        found = await self.store.subscription(key_of(subscription), None)
        assert found is not None
        return found

    async def delivery(self, subscription: Subscription, sequence: int = 0) -> Delivery:
        found = await self.store.delivery(key_of(subscription), sequence, None)
        assert found is not None
        return found

    def ends(self, subscription: Subscription) -> Sequence[Post]:
        """The posts of its end, accepted or not."""
        return [
            post
            for post in self.receivers.posts
            if post.event["data"]["subscription_id"] == subscription.id
            and post.event["type"] != "task.updated"
        ]


class MachineClock(FakeClock):
    """The clock of a real node, on a machine whose time a test moves.

    `advance` is true time; the wall clock is off by `offset`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.start(reached_at=0.0)

    def start(self, reached_at: float) -> None:
        self._node = SystemClock(reached_at, wall=self.wall, monotonic=lambda: self._now)

    def now(self) -> float:
        return self._node.now()

    @property
    def true(self) -> float:
        return self._now


class Machine(World):
    """A node on such a clock."""

    clock: MachineClock

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, MachineClock())

    def start_clock(self) -> None:
        self.clock.start(self.reached.at)

    async def pass_time(self, seconds: float, step_s: float = 5.0) -> None:
        """As above, by true seconds."""
        until = self.clock.true + seconds
        while self.clock.true < until:
            self.clock.advance(min(step_s, until - self.clock.true))
            await self.turn()

    async def restart(self, down_s: float = 0.0) -> None:
        await self.down()
        self.clock.advance(down_s)
        await self.up()


@asynccontextmanager
async def running(
    poller: Poller, dispatcher: Dispatcher, upkeep: Upkeep
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    workers = poller.worker, dispatcher.worker
    async with asyncio.TaskGroup() as group:
        for run in (*(worker.run for worker in workers), upkeep.run):
            group.create_task(run(stop))
        try:
            yield
        finally:
            stop.set()
            dispatcher.stopping.set()
            for worker in workers:
                worker.wake.set()


async def until(
    done: Callable[[], bool], clock: FakeClock, store: Store, step_s: float = 0.1
) -> None:
    """Let time go by, in running loops, until it is done."""
    async with asyncio.timeout(60):
        while not done():
            clock.advance(step_s)
            await settled(store)


async def settled(store: Store) -> None:
    """Return once the loops have done what they can without time going by.

    Look, claim, record, look again: each asks the database. So this asks, too, while they
    wake up, until nobody else has asked meanwhile. Somebody always may who is spinning, so
    there is an end to it.
    """
    database = counted(store)
    for _ in range(ROUNDS):
        asked = database.asked
        for _ in range(LOOKS):
            with suppress(StoreUnavailable):
                await store.credentials()
        await database.idle()
        if database.asked == asked + LOOKS:
            return


def key_of(subscription: Subscription) -> str:
    return subscription.id.removeprefix("sub_")


def wish(
    task_id: str,
    client: str = "shop",
    path: str = "hook",
    host: str = "app.test",
    url: str | None = None,
    **changes: Any,
) -> Wish:
    """Equal arguments make an identical request."""
    url = url or f"https://{host}/{client}/{path}"
    given: dict[str, Any] = {
        "client": client,
        "provider": "amux",
        "task_id": task_id,
        "destination": Destination(url=url, host=host),
        "deadline_s": 90_000.0,
        "first_poll_s": 1.0,
    } | changes
    plain = asdict(Wish(**given, canonical=b""))  # with what `repr` leaves out
    return Wish(**given, canonical=repr(plain).encode())


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
