"""Several nodes on one database, each started again whenever it has ended."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any, Self

import asyncpg

from bridge.messages.ids import message_id
from tests.promises.executioner import pause
from tests.promises.nursery import Nursery
from tests.store.postgres import connected

AGAIN_S = 0.2  # before one is started again that has ended by itself
ATTEMPTS = """
SELECT s.key, d.sequence, a.number, a.outcome
FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
JOIN subscriptions s ON s.id = d.subscription_id
ORDER BY d.id, a.number
"""


class Cluster:
    """`codes` counts how its processes have ended, `log` is of all of them."""

    def __init__(
        self, folder: Path, config: Mapping[str, Any], *, nodes: int, dice: Random
    ) -> None:
        self.codes: Counter[int] = Counter()
        self._dice, self._stack, self._stopping = dice, AsyncExitStack(), False
        self._keepers = asyncio.TaskGroup()
        self.nodes: Sequence[Nursery] = [
            Nursery(place(folder, number), config, SSL_CERT_FILE=os.devnull)
            for number in range(nodes)
        ]

    async def __aenter__(self) -> Self:
        for node in self.nodes:
            await self._stack.enter_async_context(node)
        await self._keepers.__aenter__()
        for node in self.nodes:
            self._keepers.create_task(self._keep(node))
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._stopping = True
        for node in self.up:
            node.send(signal.SIGKILL)
        await self._keepers.__aexit__(*raised)
        await self._stack.__aexit__(*raised)

    @property
    def up(self) -> list[Nursery]:
        return [node for node in self.nodes if node.pid is not None]

    @property
    def url(self) -> str:
        """Of any that has said where it listens."""
        return self._dice.choice([node.url for node in self.nodes if node.url] or [""])

    @property
    def log(self) -> list[str]:
        return [line for node in self.nodes for line in node.log]

    def kill_one(self) -> None:
        """Whichever: it may be starting, or have been killed a moment ago."""
        if self.up:
            self._dice.choice(self.up).send(signal.SIGKILL)

    async def all_up(self) -> None:
        for node in self.nodes:
            while not (node.pid and node.url):
                await pause(AGAIN_S)

    async def stop(self) -> None:
        """All of them, in order."""
        self._stopping = True
        self.codes.clear()
        for node in self.up:
            node.send(signal.SIGTERM)
        while self.up:
            await pause(AGAIN_S)

    async def _keep(self, node: Nursery) -> None:
        while not self._stopping:
            await node.launch()
            code = await node.ended(within_s=600)
            node.url = ""
            self.codes[code] += 1
            if code != -signal.SIGKILL and not self._stopping:
                await pause(AGAIN_S)


def place(folder: Path, number: int) -> Path:
    found = folder / f"node{number}"
    found.mkdir()
    return found


async def attempts_in(url: str) -> dict[str, list[asyncpg.Record]]:
    """The log of attempts, by delivery."""
    found: dict[str, list[asyncpg.Record]] = {}
    async with connected(url) as connection:
        for row in await connection.fetch(ATTEMPTS):
            found.setdefault(message_id(f"sub_{row['key']}", row["sequence"]), []).append(
                row
            )
    return found
