"""Time, as a thing that is passed in."""

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """Unix seconds, and waiting."""

    def now(self) -> float:
        """Scheduling time: never goes back, not even over a restart."""

    def wall(self) -> float:
        """What the machine says: for signatures, which others check against theirs."""

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Return when `event` is set or `timeout_s` has passed, whichever is first."""


class SystemClock:
    """Wall time at the start plus monotonic time since.

    A wall clock that steps while we run moves no due time. `not_before` is the last
    scheduling time a former run is known to have reached: a machine that comes back with
    its clock behind goes on from there, so that nothing due waits for the difference.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self._origin = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        return self._origin + time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(timeout_s, 0)):
                await event.wait()
