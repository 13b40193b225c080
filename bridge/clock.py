"""Time, as a thing that is passed in."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

SLEW = 0.1  # by how much slower than real scheduling time runs while it is ahead
LOOK_S = 1.0  # at the wall clock; more often would only add up errors of rounding


class Clock(Protocol):
    """Unix seconds, and waiting."""

    def now(self) -> float:
        """Scheduling time: never goes back, not even over a restart."""

    def wall(self) -> float:
        """What the machine says: for signatures, which others check against theirs."""

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Return when `event` is set or `timeout_s` has passed, whichever is first."""


def follow(reached: float, elapsed_s: float, wall: float) -> float:
    """Scheduling time, `elapsed_s` after it was `reached`.

    It waits for a wall clock that is behind by running a little slower. It never runs fast,
    because providers' rate limits are kept by it; a restart makes up for what it is behind.

    >>> follow(1000.0, 10.0, 1010.0 - 3600), follow(1000.0, 10.0, 1010.0 + 3600)
    (1009.0, 1010.0)
    """
    return min(max(wall, reached + elapsed_s * (1 - SLEW)), reached + elapsed_s)


class SystemClock:
    """Goes on from the wall clock's time at the start, never backwards and never by a step.

    So nothing falls due at once, and nothing waits, because somebody sets the machine's
    clock; and one that was ahead at the start is not believed for ever. `not_before`
    is the last scheduling time a former run is known to have reached: a machine that comes
    back with its clock behind goes on from there. Any thread may ask for the time.
    """

    def __init__(
        self,
        not_before: float = 0.0,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self._look(max(wall(), not_before), monotonic())

    def now(self) -> float:
        with self._lock:
            monotonic = self._monotonic()
            elapsed_s = monotonic - self._looked_at
            now = follow(self._reached, elapsed_s, self._wall_then + elapsed_s)
            if elapsed_s >= LOOK_S:
                self._look(now, monotonic)
            return now

    def _look(self, reached: float, monotonic: float) -> None:
        """Note what all three clocks say at this moment."""
        self._reached, self._looked_at, self._wall_then = reached, monotonic, self._wall()

    def wall(self) -> float:
        return self._wall()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        await wait(event, timeout_s)


class SharedClock:
    """The time of a database that several nodes share, whatever their own clocks say.

    It is told now and then, and goes on by itself in between. What it is told may be wrong
    for once: so it never stands still to wait for a time that it is ahead of, but runs a
    little slower. A time that is ahead of it is its own at once: by a clock that is behind
    the others a node would write leases that have run out. Any thread may ask for the time.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self.start(wall())

    def start(self, now: float) -> None:
        """Go on from there, which may be back: while nothing is scheduled by it yet."""
        with self._lock:
            self._told, self._reached, self._told_at = now, now, self._monotonic()

    def tell(self, now: float) -> None:
        with self._lock:
            monotonic = self._monotonic()
            self._reached = self._at(monotonic)
            self._told, self._told_at = now, monotonic

    def now(self) -> float:
        with self._lock:
            return self._at(self._monotonic())

    def _at(self, monotonic: float) -> float:
        elapsed_s = monotonic - self._told_at
        return max(self._told + elapsed_s, self._reached + elapsed_s * (1 - SLEW))

    def wall(self) -> float:
        return self._wall()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        await wait(event, timeout_s)


async def wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(timeout_s, 0)):
            await event.wait()
