"""One node among those that share a database.

It takes the time from there, says that it is up, and counts the others. A node whose own
clock is off does nothing until that is set right: receivers would refuse its signatures.
"""

import asyncio
from collections.abc import Callable

import structlog

from bridge.clock import SharedClock
from bridge.errors import StoreUnavailable
from bridge.health import CLOCK, STORE, SYNC, Health
from bridge.store import Store

EVERY_S = 1.0
OFF_MOST_S = 1.0  # of the node's clock against the database's
ALIVE_S = 15.0  # who has said nothing for so long is taken for dead
BEATS_S = 2.0  # each is a write: so soon it is known whether the database takes any
FORGOTTEN_S = 3_600.0

log = structlog.get_logger(__name__)


class Membership:
    """`node` names this process among all; `takes` is whether it takes requests now."""

    def __init__(
        self,
        store: Store,
        node: str,
        *,
        takes: Callable[[], bool],
        clock: SharedClock,
        health: Health,
    ) -> None:
        self._store, self._node, self._takes = store, node, takes
        self._clock, self._health = clock, health
        self._in_time = False  # with the database, once at least
        self._beat_at = float("-inf")
        self.nodes = 1  # that share the requests

    async def run(self, stop: asyncio.Event) -> None:
        """`stop` it when nothing is in flight any more: then there is no such node.

        Raises SealBroken if the node must seal nothing any more.
        """
        while not stop.is_set():
            self._health.beat("membership", self._clock.now())
            await self.turn()
            await self._clock.wait(stop, EVERY_S)
        await self._leave()

    async def turn(self) -> None:
        """What is wrong is a reason for not being ready. Raises SealBroken only."""
        try:
            await self._keep_time()
            now = self._clock.now()
            if now - self._beat_at >= BEATS_S:
                await self._beat(now)
                await self._check_sync()
                self._beat_at = now  # until it succeeds, what can be read proves nothing
            self._health.set_ready(STORE, by="membership")
        except StoreUnavailable as error:
            self._health.set_unready(STORE, str(error), by="membership")
            log.warning("store.unavailable", loop="membership", error=str(error))

    async def _beat(self, now: float) -> None:
        nodes = await self._store.beat(
            self._node, takes=self._takes(), now=now, alive_s=ALIVE_S
        )
        self.nodes = max(nodes, 1)

    async def _keep_time(self) -> None:
        """Of two clocks that differ nobody knows which is right, so neither is followed."""
        now = await self._store.database.time()
        off_s = self._clock.wall() - now
        if abs(off_s) > OFF_MOST_S:
            if CLOCK not in self._health.unready:
                log.error("clock.off", seconds=round(off_s, 1))
            self._health.set_unready(
                CLOCK, f"this node's clock is {off_s:+.1f} s off the database's"
            )
            return
        self._take_time(now)
        self._health.set_ready(CLOCK)

    def _take_time(self, now: float) -> None:
        """Until the two agree for the first time the node has claimed nothing."""
        if self._in_time:
            self._clock.tell(now)
            return
        self._in_time, self._beat_at = True, float("-inf")
        self._clock.start(now)

    async def _check_sync(self) -> None:
        """After a failover it is another server."""
        if await self._store.database.synced():
            self._health.set_ready(SYNC)
        else:
            self._health.set_unready(SYNC, "the database does not wait for the disk")

    async def _leave(self) -> None:
        """The others need not wait for our silence to take our share."""
        try:
            before = self._clock.now() - FORGOTTEN_S
            await self._store.leave(self._node, before=before)
        except StoreUnavailable as error:
            log.warning("store.unavailable", loop="membership", error=str(error))
