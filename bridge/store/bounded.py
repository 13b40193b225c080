"""A shared database as those have it who may not take all of it.

Callers come in crowds, and a step of theirs may wait for another's; the loops, which keep
promises to everybody, must find a connection meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import StoreUnavailable
from bridge.store.around import Around
from bridge.store.steps import Database

WAIT_S = 10.0  # for a place; as long as for a connection


class Bounded(Around):
    """So many steps at a time, in the order in which they were asked for."""

    def __init__(self, database: Database, most: int, wait_s: float = WAIT_S) -> None:
        super().__init__(database)
        self.at_once = min(most, database.at_once)
        self._wait_s = wait_s
        self._places = asyncio.Semaphore(most)

    @asynccontextmanager
    async def _around(self, kind: str) -> AsyncIterator[None]:  # noqa: ARG002 - all alike
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailable("too many wait for the database") from None
        try:
            yield
        finally:
            self._places.release()
