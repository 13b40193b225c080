"""The third loop: deadlines and pruning each second; the sweep and figures each minute.

What ends or is deleted because time has passed cannot be taken back, and the clock may have
been wrong at the start. So this loop alone believes it only in part, for a while.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog

from bridge.bell import Bell
from bridge.cadence import PollPolicy
from bridge.clock import SLEW, Clock
from bridge.errors import StoreUnavailable
from bridge.health import CLOCK, STORE, Health
from bridge.metrics import Metrics
from bridge.providers.provider import Provider
from bridge.store import AWAY_S, Doubt, Store

EVERY_S = 1.0
MINUTE_S = 60.0
SHOWN = 10  # subscriptions that are named in the log
REMEMBERED_S = 86_400.0  # an Idempotency-Key
DOUBTED_MOST_S = 3_600.0  # of a gap; whoever was away for longer loses no more than that

Ages = Mapping[str, float]  # of the backlogs, in seconds

log = structlog.get_logger(__name__)


def gap_since(believed_at: float, now: float) -> float:
    """From the last time that a former run believed to the start; 0 if there was none.

    >>> gap_since(1000.0, 1300.0), gap_since(0.0, 1300.0)
    (300.0, 0.0)
    """
    return now - believed_at if believed_at else 0.0


def believed(now: float, *, started_at: float, gap_s: float) -> float:
    """The time that has come for sure, after a start with such a gap.

    We were down so long, or the clock has jumped: nobody can tell. So time goes on from
    where it was, for as long as the gap, in which somebody may set the clock right; then it
    runs a tenth faster until it is `now`. (`now` runs a tenth slower while it is ahead of a
    clock that was set right. So what is believed is never ahead of the true time.)

    >>> believed(5_000.0, started_at=5_000.0, gap_s=600.0)
    4400.0
    >>> believed(5_600.0, started_at=5_000.0, gap_s=600.0)
    5000.0
    >>> believed(6_600.0, started_at=5_000.0, gap_s=600.0)
    6100.0
    >>> believed(11_600.0, started_at=5_000.0, gap_s=600.0)
    11600.0
    >>> believed(500_000.0, started_at=500_000.0, gap_s=86_400.0)
    496400.0
    """
    gap_s = min(gap_s, DOUBTED_MOST_S)
    caught_up_s = SLEW * max(now - started_at - gap_s, 0.0)
    return now - max(gap_s - caught_up_s, 0.0)


async def in_silence(_ages: Ages) -> bool:
    """Nobody is to be told anything."""
    return False


class Upkeep:
    """What no request and no answer sets off: time passing."""

    def __init__(
        self,
        store: Store,
        *,
        providers: Callable[[], Mapping[str, Provider]],
        retention_s: float,
        clock: Clock,
        bell: Bell,
        health: Health,
        metrics: Metrics,
        on_due: Callable[[], None],
        on_owed: Callable[[], None],
        gap_s: float = 0.0,
        notify: Callable[[Ages], Awaitable[bool]] = in_silence,
        down: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._store, self._providers, self._retention_s = store, providers, retention_s
        self._clock, self._bell, self._health, self._metrics = clock, bell, health, metrics
        self._on_due, self._on_owed = on_due, on_owed
        self._notify, self._down = notify, down
        self._started_at, self._gap_s = clock.now(), gap_s
        self._swept_at = float("-inf")
        self._turned_at = self._started_at

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._health.beat("upkeep", self._clock.now())
            try:
                if CLOCK not in self._health.unready:
                    await self.turn()
                self._health.set_ready(STORE, by="upkeep")
            except StoreUnavailable as error:
                self._health.set_unready(STORE, str(error), by="upkeep")
                log.warning("store.unavailable", loop="upkeep", error=str(error))
            await self._clock.wait(stop, EVERY_S)

    async def turn(self) -> None:
        """Whatever time has made due."""
        now = self._clock.now()
        past = self._past(now)
        if now - self._turned_at > AWAY_S:
            await self._store.come_back(now=now)
        if now - self._swept_at >= MINUTE_S:
            self._swept_at = now
            await self.each_minute(now)
        self._told(await self._store.finish_ends(now=now, clock=self._clock.now))
        await self.check_deadlines(now)
        await self.clear_out(past)
        self._turned_at = now

    async def each_minute(self, now: float) -> None:
        if await self._store.take_job("minute", now=now, every_s=MINUTE_S - EVERY_S):
            await self.note_time()
            self._told(await self._store.end_keyless(self._doubt(now)))
            await self.sweep(now)
        await self.measure(now)

    async def note_time(self) -> None:
        """For the next start."""
        now = self._clock.now()
        await self._store.note_time(now, believed=self._past(now))

    async def check_deadlines(self, now: float) -> None:
        more = True
        while more:
            self._health.beat("upkeep", self._clock.now())
            found = await self._store.check_deadlines(self._policy, self._doubt(now))
            now = self._clock.now()
            more = found.more
            self._told(found.ended)
            if found.polled:
                self._on_due()

    async def clear_out(self, now: float) -> None:
        """Delete a chunk of what is old. The next has its turn in a second, or a backlog
        of it would keep everybody else waiting for the one writer."""
        await self._store.prune(before=now - self._retention_s)
        await self._store.forget(now=now, idempotency_before=now - REMEMBERED_S)

    async def sweep(self, now: float) -> None:
        repaired = await self._store.sweep(now=now)
        if repaired:
            self._metrics.repairs.inc(repaired)
            log.error("sweep.repaired", count=repaired)
            self._on_due()
            self._on_owed()

    async def measure(self, now: float) -> None:
        figures = await self._store.backlog(now)
        paused: int = figures["paused"]
        self._metrics.tasks.labels("paused").set(paused)
        self._metrics.tasks.labels("polled").set(figures["watches"] - paused)
        self._metrics.owed.set(figures["deliveries"])
        self._metrics.dead_letters.set(figures["exhausted"])
        self._metrics.silent_hosts.set(figures["silent_hosts"])
        polls_s = now - (figures["oldest_poll_at"] or now)
        deliveries_s = now - (figures["oldest_delivery_at"] or now)
        self._metrics.poll_backlog.set(polls_s)
        self._metrics.delivery_backlog.set(deliveries_s)
        self._metrics.taken()
        await self._measure_providers()
        if await self._notify({"polls": polls_s, "deliveries": deliveries_s}):
            self._on_owed()

    async def _measure_providers(self) -> None:
        names, down = self._providers().keys(), self._down()
        keys = await self._store.configured_credentials(names)
        self._metrics.provide(names)
        for name in names:
            refused = name in keys and keys[name]["probes"] > 0
            self._metrics.provider_down.labels(name).set(name in down)
            self._metrics.key_refused.labels(name).set(refused)

    def _doubt(self, now: float) -> Doubt:
        """What was made since the start has both its times from the same clock."""
        return Doubt(now, self._past(now), self._started_at)

    def _past(self, now: float) -> float:
        return believed(now, started_at=self._started_at, gap_s=self._gap_s)

    def _policy(self, name: str) -> PollPolicy:
        provider = self._providers().get(name)
        return provider.policy if provider else PollPolicy()

    def _told(self, ended: list[str]) -> None:
        if ended:
            shown = [f"sub_{key}" for key in ended[:SHOWN]]
            log.info("task.ended", by="upkeep", told=len(ended), subscriptions=shown)
            self._bell.ring(ended)
            self._on_owed()
