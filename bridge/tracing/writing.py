"""Writes down the spans of subscriptions that are over, beside everything else.

Nobody waits for it: what is over is noted, and read again here once it may be told of. A
collector that does not answer costs spans, which are counted, and nothing else; and so does
a fault in the making of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice

import structlog

from bridge.clock import Clock
from bridge.errors import StoreUnavailable
from bridge.metrics import Metrics
from bridge.store import Store
from bridge.tracing.spans import Span, span_of

Export = Callable[[Sequence[Span]], Awaitable[bool]]  # whether they were taken

WAITING = 10_000  # subscriptions that may be over; of more no span is made
AT_ONCE = 100
EVERY_S = 1.0  # between two looks
TOLD = 10_000  # whose spans are remembered, for they may be noted once more

log = structlog.get_logger(__name__)


class Tracing:
    """`over` is told of subscriptions that may be over, as often as anybody likes."""

    def __init__(
        self,
        store: Store,
        export: Export,
        *,
        clock: Clock,
        metrics: Metrics,
        most: int = WAITING,
    ) -> None:
        self._store, self._export, self._clock, self._most = store, export, clock, most
        self._spans = metrics.spans
        self._waiting: dict[str, None] = {}  # keys, the oldest first
        self._told: dict[str, float] = {}  # by key, when the life ended that was told
        self._failing = False

    def over(self, keys: Iterable[str]) -> None:
        """Keys of subscriptions, without prefix. Never waits, never fails."""
        for key in keys:
            if key in self._waiting:
                continue
            if len(self._waiting) >= self._most:
                self._spans.labels("dropped").inc()
            else:
                self._waiting[key] = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, and then what is waiting, of which the caller bounds the time."""
        while not stop.is_set():
            await self._clock.wait(stop, EVERY_S)
            await self.turn()
        await self.turn()

    async def turn(self) -> None:
        """All that is waiting, unless the collector or the database does not answer."""
        answers = True
        while self._waiting and answers:
            keys = list(islice(self._waiting, AT_ONCE))
            for key in keys:  # before anything is awaited: it may be noted anew meanwhile
                del self._waiting[key]
            try:
                answers = await self._tell(keys)
            except StoreUnavailable as error:
                log.warning("store.unavailable", loop="tracing", error=str(error))
                self.over(keys)
                return
            except Exception:
                log.exception("work.failed", loop="tracing")
                self._spans.labels("failed").inc(len(keys))

    async def _tell(self, keys: Sequence[str]) -> bool:
        """Of one that is told already, only what is new: a retry by hand, after its end."""
        found = [(key, await self._span(key)) for key in keys]
        spans = {
            key: span
            for key, span in found
            if span is not None and self._told.get(key) != span.ends_at
        }
        if not spans:
            return True
        taken = await self._export(list(spans.values()))
        self._spans.labels("sent" if taken else "failed").inc(len(spans))
        self._note(taken=taken, count=len(spans))
        for key, span in spans.items():
            while len(self._told) >= TOLD:
                del self._told[next(iter(self._told))]
            self._told[key] = span.ends_at
        return taken

    async def _span(self, key: str) -> Span | None:
        told = await self._store.timeline(key, None)
        span = span_of(told) if told else None
        return span if span and span.trace.sampled else None

    def _note(self, *, taken: bool, count: int) -> None:
        if taken and self._failing:
            log.info("traces.taken")
        elif not taken and not self._failing:
            log.warning("traces.failed", spans=count)
        self._failing = not taken
