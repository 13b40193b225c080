"""A database, and how long whoever asks it waits."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from bridge.store.around import Around
from bridge.store.steps import Database


class Timed(Around):
    """`note` is told the kind of each step (`write`, `read`, `scan`) and its seconds, of
    those that failed as well.
    """

    def __init__(self, database: Database, note: Callable[[str, float], None]) -> None:
        super().__init__(database)
        self._note = note

    @asynccontextmanager
    async def _around(self, kind: str) -> AsyncIterator[None]:
        began_at = perf_counter()
        try:
            yield
        finally:
            self._note(kind, perf_counter() - began_at)
