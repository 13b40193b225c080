"""The third loop: deadlines each second; sweep, pruning and figures each minute."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from bridge.bell import Bell
from bridge.cadence import PollPolicy
from bridge.clock import Clock
from bridge.errors import StoreUnavailable
from bridge.health import Health
from bridge.metrics import Metrics
from bridge.providers.provider import Provider
from bridge.store import Store

EVERY_S = 1.0
MINUTE_S = 60.0
REMEMBERED_S = 86_400.0  # an Idempotency-Key

log = structlog.get_logger(__name__)


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
    ) -> None:
        self._store, self._providers, self._retention_s = store, providers, retention_s
        self._clock, self._bell, self._health, self._metrics = clock, bell, health, metrics
        self._on_due, self._on_owed = on_due, on_owed
        self._swept_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._health.beat("upkeep", self._clock.now())
            try:
                await self.turn()
                self._health.set_ready("store")
            except StoreUnavailable as error:
                self._health.set_unready("store", str(error))
                log.warning("store.unavailable", loop="upkeep", error=str(error))
            await self._clock.wait(stop, EVERY_S)

    async def turn(self) -> None:
        """Whatever time has made due."""
        now = self._clock.now()
        await self.check_deadlines(now)
        if now - self._swept_at >= MINUTE_S:
            self._swept_at = now
            await self.each_minute(now)

    async def check_deadlines(self, now: float) -> None:
        more = True
        while more:
            found = await self._store.check_deadlines(self._policy, now=now)
            more = found.more
            self._told(found.ended)
            if found.polled:
                self._on_due()

    async def each_minute(self, now: float) -> None:
        await self._store.note_time(now)
        self._told(await self._store.end_keyless(now=now))
        await self.sweep(now)
        while await self._store.prune(before=now - self._retention_s):
            self._health.beat("upkeep", self._clock.now())
        await self._store.forget(now=now, idempotency_before=now - REMEMBERED_S)
        await self.measure(now)

    async def sweep(self, now: float) -> None:
        repaired = await self._store.sweep(now=now)
        if repaired:
            self._metrics.repairs.inc(repaired)
            log.error("sweep.repaired", count=repaired)
            self._on_due()
            self._on_owed()

    async def measure(self, now: float) -> None:
        figures = await self._store.backlog(now)
        self._metrics.watches.set(figures["watches"])
        self._metrics.owed.set(figures["deliveries"])
        self._metrics.exhausted.set(figures["exhausted"])
        self._metrics.poll_backlog.set(now - (figures["oldest_poll_at"] or now))
        self._metrics.delivery_backlog.set(now - (figures["oldest_delivery_at"] or now))

    def _policy(self, name: str) -> PollPolicy:
        provider = self._providers().get(name)
        return provider.policy if provider else PollPolicy()

    def _told(self, ended: list[str]) -> None:
        if ended:
            self._bell.ring(ended)
            self._on_owed()
