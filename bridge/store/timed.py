"""A database, and how long whoever asks it waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import ParamSpec, TypeVar

from bridge.store.steps import Database, Step

P = ParamSpec("P")
T = TypeVar("T")


class Timed:
    """`note` is told the kind of each step (`write`, `read`, `scan`) and its seconds, of
    those that failed as well.
    """

    def __init__(self, database: Database, note: Callable[[str, float], None]) -> None:
        self.shared = database.shared
        self._database, self._note = database, note

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self._noted("write"):
            return await self._database.write(step, *args, **kwargs)

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self._noted("read"):
            return await self._database.read(step, *args, **kwargs)

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self._noted("scan"):
            return await self._database.scan(step, *args, **kwargs)

    async def time(self) -> float:
        return await self._database.time()

    async def synced(self) -> bool:
        return await self._database.synced()

    async def close(self) -> None:
        await self._database.close()

    @contextmanager
    def _noted(self, kind: str) -> Iterator[None]:
        began_at = perf_counter()
        try:
            yield
        finally:
            self._note(kind, perf_counter() - began_at)
