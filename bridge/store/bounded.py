"""A shared database as those have it who may not take all of it.

Callers come in crowds, and a step of theirs may wait for another's; the loops, which keep
promises to everybody, must find a connection meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from bridge.errors import StoreUnavailable
from bridge.store.steps import Database, Step

P = ParamSpec("P")
T = TypeVar("T")

WAIT_S = 10.0  # for a place; as long as for a connection


class Bounded:
    """So many steps at a time, in the order in which they were asked for."""

    def __init__(self, database: Database, most: int, wait_s: float = WAIT_S) -> None:
        self.shared = database.shared
        self._database, self._wait_s = database, wait_s
        self._places = asyncio.Semaphore(most)

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._place():
            return await self._database.write(step, *args, **kwargs)

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._place():
            return await self._database.read(step, *args, **kwargs)

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._place():
            return await self._database.scan(step, *args, **kwargs)

    async def time(self) -> float:
        return await self._database.time()

    async def synced(self) -> bool:
        return await self._database.synced()

    async def close(self) -> None:
        await self._database.close()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailable("too many wait for the database") from None
        try:
            yield
        finally:
            self._places.release()
