"""Whose list is looked up when: one may have to read much of a table to find anything."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.api.auth import Caller

LISTS = 2  # at a time, of all clients


class Listing:
    """One list of each client at a time: its others wait for it, and nobody else does."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(LISTS)
        self._each: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        async with self._each[caller.name], self._all:
            yield
