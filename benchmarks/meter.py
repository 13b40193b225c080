"""Counts what happens in a while, in this process, and what it costs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.figures import Row, Target

WARM_S = 0.5  # connections are made, caches filled
LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Speed:
    """How often something was done, in how long, with how much of the processors."""

    count: float
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.count / self.wall_s

    @property
    def cpu_us(self) -> float:
        """Of all threads, for one."""
        return self.cpu_s / self.count * 1e6


async def speed(
    counted: Callable[[], float],
    seconds: float,
    *,
    most: float = float("inf"),
    cpu_s: Callable[[], float] = time.process_time,
) -> Speed:
    """Of what goes on, once it is warm; over earlier if the count comes to `most`, and
    later if there is nothing to count yet.
    """
    await asyncio.sleep(min(WARM_S, seconds / 4))
    while not counted():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    began = first, began_at, _ = counted(), time.perf_counter(), cpu_s()
    while (now := counted()) < most:
        if now != first and time.perf_counter() - began_at >= seconds:
            break
        await asyncio.sleep(LOOK_S)
    ended = (counted(), time.perf_counter(), cpu_s())
    return Speed(*(after - before for before, after in zip(began, ended, strict=True)))


async def speed_of(
    several: Iterable[Callable[[], Awaitable[None]]],
    seconds: float,
    cpu_s: Callable[[], float] = time.process_time,
) -> Speed:
    """Of doing each over and over, all of them side by side."""
    done = 0

    async def over_and_over(once: Callable[[], Awaitable[None]]) -> None:
        nonlocal done
        while True:
            await once()
            done += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(over_and_over(once)) for once in several]
        found = await speed(lambda: done, seconds, cpu_s=cpu_s)
        for task in tasks:
            task.cancel()
    return found


def in_turn(count: int) -> Iterator[int]:
    """0 to `count` - 1, for ever."""
    while True:
        yield from range(count)


def speeds(
    what: str, ours: Sequence[Speed], beside: Sequence[Speed], target: Target
) -> list[Row]:
    """How many a second, and the processor time of one."""
    return [
        Row(what, "1/s", [a.per_s for a in ours], [b.per_s for b in beside], target),
        Row(
            "… processor time of one",
            "µs",
            [a.cpu_us for a in ours],
            [b.cpu_us for b in beside],
        ),
    ]
