"""The loop of poller and dispatcher: claim what is due, work on it, wait for more."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from bridge.clock import Clock
from bridge.errors import StoreUnavailable
from bridge.health import CLOCK, Health

T = TypeVar("T")

IDLE_S = 5.0  # the longest wait between two looks, woken or not
FAULT_S = 1.0  # before the next look when the store did not answer
BREATH_S = 0.005  # the longest wait under load for a claim to be worth its cost

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """What one claim gave, and the seconds until there may be more without a wake-up."""

    items: Sequence[T]
    wait_s: float


class Worker(Generic[T]):
    """Runs `work` on everything that `claim` returns. `claim` knows how much may run."""

    def __init__(
        self,
        name: str,
        claim: Callable[[], Awaitable[Turn[T]]],
        work: Callable[[T], Coroutine[Any, Any, None]],
        *,
        clock: Clock,
        health: Health,
    ) -> None:
        self.wake = asyncio.Event()  # set it to look for work now
        self._name, self._claim, self._work = name, claim, work
        self._clock, self._health = clock, health
        self._busy = 0
        self._half, self._half_done = 0, asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in flight.

        The caller bounds the finish and sets `wake` along with `stop`.
        """
        async with asyncio.TaskGroup() as in_flight:
            while not stop.is_set():
                self._health.beat(self._name, self._clock.now())
                self.wake.clear()
                turn = await self._turn()
                for item in turn.items:
                    self._busy += 1
                    in_flight.create_task(self._run_one(item))
                if turn.wait_s > 0:
                    await self._clock.wait(self.wake, min(turn.wait_s, IDLE_S))
                await self._breathe()

    async def _breathe(self) -> None:
        """Let half of what is in flight finish, so that the next claim takes several.

        The other half keeps the connections busy while it is made.
        """
        if self._busy:
            self._half, self._half_done = self._busy // 2, asyncio.Event()
            await self._clock.wait(self._half_done, BREATH_S)

    async def drain(self) -> int:
        """Work until nothing is due; how many items that was. For tests."""
        done = 0
        while (turn := await self._claim()).items or turn.wait_s == 0:
            async with asyncio.TaskGroup() as group:
                for item in turn.items:
                    group.create_task(self._work(item))
            done += len(turn.items)
        return done

    async def _turn(self) -> Turn[T]:
        if CLOCK in self._health.unready:
            return Turn((), FAULT_S)
        try:
            return await self._claim()
        except StoreUnavailable as error:
            log.warning("store.unavailable", loop=self._name, error=str(error))
            return Turn((), FAULT_S)

    async def _run_one(self, item: T) -> None:
        try:
            await self._work(item)
        except StoreUnavailable as error:
            log.warning("result.dropped", loop=self._name, error=str(error))
        except Exception:
            # A fault of ours with one item, set off by what some stranger sent: the others
            # go on, and the item falls due again by its claim.
            log.exception("work.failed", loop=self._name)
        finally:
            self._busy -= 1
            if self._busy <= self._half:
                self._half_done.set()
            self.wake.set()  # a slot is free
