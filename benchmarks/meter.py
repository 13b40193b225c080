"""Counts what happens in a while, in this process, and what it costs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

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
    counted: Callable[[], float], seconds: float, most: float = float("inf")
) -> Speed:
    """Of what goes on, once it is warm; over earlier if the count comes to `most`."""
    await asyncio.sleep(min(WARM_S, seconds / 4))
    began = (counted(), time.perf_counter(), time.process_time())
    while time.perf_counter() - began[1] < seconds and counted() < most:
        await asyncio.sleep(LOOK_S)
    ended = (counted(), time.perf_counter(), time.process_time())
    return Speed(*(after - before for before, after in zip(began, ended, strict=True)))


async def bare_speed(
    once: Callable[[], Awaitable[None]], connections: int, seconds: float
) -> Speed:
    """Of doing `once` over and over, as many at a time as there are connections."""
    done = 0

    async def over_and_over() -> None:
        nonlocal done
        while True:
            await once()
            done += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(over_and_over()) for _ in range(connections)]
        found = await speed(lambda: done, seconds)
        for task in tasks:
            task.cancel()
    return found


def in_turn(count: int) -> Iterator[int]:
    """0 to `count` - 1, for ever."""
    while True:
        yield from range(count)
