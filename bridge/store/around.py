"""A database whose every step has something done around it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import ParamSpec, TypeVar

from bridge.store.steps import Database, Step

P = ParamSpec("P")
T = TypeVar("T")


class Around(ABC):
    """The same database; `_around` says what, by the kind of step."""

    def __init__(self, database: Database) -> None:
        self.shared, self.at_once = database.shared, database.at_once
        self._database = database

    @abstractmethod
    def _around(self, kind: str) -> AbstractAsyncContextManager[None]:
        """`kind` is `write`, `read` or `scan`."""

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._around("write"):
            return await self._database.write(step, *args, **kwargs)

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._around("read"):
            return await self._database.read(step, *args, **kwargs)

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._around("scan"):
            return await self._database.scan(step, *args, **kwargs)

    async def time(self) -> float:
        return await self._database.time()

    async def synced(self) -> bool:
        return await self._database.synced()

    async def close(self) -> None:
        await self._database.close()
