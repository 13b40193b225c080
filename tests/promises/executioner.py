"""Kills a serving process over and over, at named points and at random instants."""

import asyncio
import signal
import time
from collections import Counter
from random import Random

from bridge.clock import SystemClock
from tests.promises.nursery import Nursery
from tests.promises.points import FRESH, RUNNING, STARTING, STOPPING

ANYWHERE = "a random instant"
RANDOM_SHARE = 0.4
REACHED_S = 5.0  # within which a point must be reached, else it is a random instant
LIFE_S = 0.35  # at most, beyond its start, of a process that dies at a random instant

# How often a process passes a point before long, at least; others once.
PASSED = dict.fromkeys(RUNNING, 3) | {
    "open: amid the schema": 20,
    "commit: begun": 12,
    "commit: a step is done": 24,
    "commit: before": 12,
    "commit: after": 12,
}


class Executioner:
    """`tally` is of where it died, `start_s` of how long it took to listen."""

    def __init__(self, node: Nursery, dice: Random) -> None:
        self.tally: Counter[str] = Counter()
        self.start_s: list[float] = []
        self._node, self._dice = node, dice

    def plan(self, kills: int) -> list[str]:
        """Where to kill: what only a new database passes comes first, the rest mixed."""
        first = [point for point in FRESH for _ in range(2)]
        named = [*STARTING, *RUNNING, *STOPPING]
        count = kills - len(first)
        anywhere = round(count * RANDOM_SHARE)
        rest = [named[turn % len(named)] for turn in range(count - anywhere)]
        rest += [ANYWHERE] * anywhere
        self._dice.shuffle(rest)
        return first + rest

    async def kill(self, point: str) -> None:
        """Start it, and see it dead."""
        began_at = time.monotonic()
        reached = await (self._anywhere() if point == ANYWHERE else self._at(point))
        if self._node.url:
            self.start_s.append(self._node.up_at - began_at)
        if not await self._node.dead(0):
            self._node.send(signal.SIGKILL)
        code = await self._node.ended()
        assert code == -signal.SIGKILL, "\n".join(self._node.log[-99:])
        self.tally[point if reached else ANYWHERE] += 1

    async def _anywhere(self) -> bool:
        start_s = self.start_s[-1] if self.start_s else 0.0
        await self._node.launch()
        return await self._node.dead(self._dice.uniform(0.0, start_s + LIFE_S))

    async def _at(self, point: str) -> bool:
        """Whether it died there."""
        await self._node.launch(point, self._dice.randint(1, PASSED.get(point, 1)))
        if point in STOPPING:
            await self._node.until(lambda: bool(self._node.url))
            await pause(self._dice.uniform(0.0, LIFE_S / 2))
            self._node.send(signal.SIGTERM)
        return await self._node.dead(REACHED_S)


async def pause(seconds: float) -> None:
    await SystemClock().wait(asyncio.Event(), seconds)
