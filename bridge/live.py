"""Tells those who listen of events, as any node commits them.

While somebody listens, the newest events are looked at by their times, when this node has
added some or a second has passed; what was not seen before is new. What bears an earlier
time, as it was committed late, is found by a look further back, which is taken less often:
it reads all marks of some seconds. So it needs nothing of the other nodes, and nobody waits
for those who listen.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Protocol

import orjson
import structlog

from bridge import sse
from bridge.bell import Bell
from bridge.clock import Clock
from bridge.errors import RequestError, StoreUnavailable
from bridge.store.live import PAGE, Mark, News

LOOK_S = 1.0  # without being woken: another node may have added some
GAP_S = 0.25  # between two looks at least, however often one is woken
# An event bears the time at which its step was begun, and may be committed that much later:
# a database has 10 s for a statement, and clocks of nodes differ by up to one.
LATE_S = 15.0
BACK_S = 2.0  # between two looks that go so far back
TAIL_S = 1.0  # how far the others go: nearly all is committed by then
CHUNK = 100  # events read at a time

# What is kept for one who does not take it.
MOST_EVENTS, MOST_BYTES = 1_000, 1024 * 1024
LISTENERS = 16  # of one client, at one node
AGAIN_S = 5.0

log = structlog.get_logger(__name__)


class Why(StrEnum):
    """A stream is over."""

    TOO_SLOW = "too_slow"
    STOPPING = "stopping"
    UNAUTHORIZED = "unauthorized"


class Listener:
    """Messages for one who listens, until it is over. `scope` None: those of everybody."""

    def __init__(self, client: str, scope: str | None) -> None:
        self.client, self.scope = client, scope
        self.wake = asyncio.Event()
        self.why: Why | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._kept: list[bytes] = []
        self._bytes = 0

    def put(self, message: bytes) -> None:
        """It is over for one who leaves too many of them where they are."""
        if self.why is not None:
            return
        full = self._bytes + len(message) > MOST_BYTES or len(self._kept) >= MOST_EVENTS
        if self._kept and full:
            self.end(Why.TOO_SLOW)
            return
        self._kept.append(message)
        self._bytes += len(message)
        self.wake.set()

    def take(self) -> bytes:
        taken, self._kept, self._bytes = b"".join(self._kept), [], 0
        return taken

    def end(self, why: Why) -> None:
        self.why = self.why or why
        self.wake.set()
        self.on_end()


class Events(Protocol):
    """What is asked of the store."""

    async def new_events(self, after: Mark) -> Sequence[Mark]: ...

    async def event_news(
        self, marks: Sequence[Mark], clients: Collection[str] | None
    ) -> Sequence[News]: ...


class Live:
    """Everybody who listens at this node."""

    def __init__(self, store: Events, *, clock: Clock, bell: Bell) -> None:
        self._store, self._clock, self._bell = store, clock, bell
        self._listeners: set[Listener] = set()
        self._wake, self._ready = asyncio.Event(), asyncio.Event()
        self._stopped = False
        self._seen: dict[tuple[int, int], float] = {}  # at what time, by event
        self._looked_at = self._back_at = 0.0

    async def join(self, client: str, scope: str | None, *, within_s: float) -> Listener:
        """From when this returns, no event is missed. Raises RequestError, and
        StoreUnavailable if the database has not answered `within_s`.
        """
        if self._stopped:
            raise RequestError("not_ready", "stopping", retry_after_s=AGAIN_S)
        if Counter(one.client for one in self._listeners)[client] >= LISTENERS:
            raise RequestError(
                "limit_listeners",
                f"you listen {LISTENERS} times already, which is as often as you may",
                retry_after_s=AGAIN_S,
            )
        listener = Listener(client, scope)
        self._listeners.add(listener)
        self._wake.set()
        try:
            async with asyncio.timeout(within_s):
                await self._ready.wait()
        except BaseException as error:
            self.leave(listener)
            if isinstance(error, TimeoutError):
                raise StoreUnavailable("no look at the events") from error
            raise
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        self._wake.set()

    def stop(self) -> None:
        """It is over for all, and nobody may join any more."""
        self._stopped = True
        for listener in self._listeners:
            listener.end(Why.STOPPING)
        self._wake.set()
        self._ready.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, which whoever sets it says by `stop()` as well."""
        while not stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            if self._listeners and not stop.is_set():
                with self._bell.listen_to_all(self._wake):
                    await self._follow(stop)

    async def _follow(self, stop: asyncio.Event) -> None:
        """While anybody listens. What is there at the first look is no news."""
        self._seen.clear()
        self._looked_at = self._clock.now()
        self._back_at = self._looked_at - BACK_S
        while self._listeners and not stop.is_set():
            self._wake.clear()
            try:
                await self._look()
                self._ready.set()
            except StoreUnavailable as error:
                log.warning("store.unavailable", loop="live", error=str(error))
            await self._clock.wait(stop, GAP_S)
            await self._clock.wait(self._wake, LOOK_S - GAP_S)
        if not stop.is_set():
            self._ready.clear()

    async def _look(self) -> None:
        now = self._clock.now()
        back = now >= self._back_at + BACK_S
        since = self._back_at - LATE_S if back else self._looked_at - TAIL_S
        page, after = [Mark(0.0)] * PAGE, Mark(since)
        while len(page) == PAGE:
            page = list(await self._store.new_events(after))
            await self._took([mark for mark in page if mark.key not in self._seen])
            after = page[-1] if page else after
        self._looked_at = now
        if back:
            self._back_at = now
            self._seen = {key: at for key, at in self._seen.items() if at > since}

    async def _took(self, marks: Sequence[Mark]) -> None:
        for start in range(0, len(marks), CHUNK):
            chunk = marks[start : start + CHUNK]
            if self._ready.is_set():
                await self._tell(chunk)
            self._seen |= {mark.key: mark.at for mark in chunk}

    async def _tell(self, marks: Sequence[Mark]) -> None:
        scopes = {one.scope for one in self._listeners}
        clients = None if None in scopes else [scope for scope in scopes if scope]
        for client, body in await self._store.event_news(marks, clients):
            message = message_of(body)
            for listener in self._listeners:
                if listener.scope in (None, client):
                    listener.put(message)


def message_of(body: bytes) -> bytes:
    """An event's JSON, which is one line, as a message."""
    event = orjson.loads(body)
    return sse.written(body, event=event["type"], id_=event["event_id"])


def ended(why: Why) -> bytes:
    """The last message."""
    told = orjson.dumps({"reason": why, "detail": DETAILS[why]})
    return sse.written(told, event="stream.ended")


DETAILS = {
    Why.TOO_SLOW: "you read more slowly than events come; what was missed is in "
    "GET /subscriptions?state=ended",
    Why.STOPPING: "this node of the bridge is stopping; connect again",
    Why.UNAUTHORIZED: "this API key, or what it may see, is no longer the same",
}
