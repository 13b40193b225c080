"""A PostgreSQL database as it is found: neither made, migrated nor written to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from bridge.store import meta
from bridge.store.postgres import SYNCED, TIME
from bridge.store.postgres.connecting import TIMEOUT_S, connect, opening
from bridge.store.postgres.dialect import statements
from bridge.store.postgres.migrating import VERSION
from bridge.store.postgres.transaction import (
    READ,
    WRITE,
    Kind,
    Work,
    answers,
    drive,
    transact,
)
from bridge.store.steps import Step

T = TypeVar("T")

MADE = "SELECT to_regclass('schema_version') IS NOT NULL"


class Look:
    """Nodes may be at work meanwhile. Every method raises StoreUnavailable."""

    def __init__(self, connection: asyncpg.Connection, timeout_s: float) -> None:
        self._connection, self._timeout_s = connection, timeout_s

    async def schema(self) -> int:
        """The number of the last migration; 0: there are no tables yet."""

        async def look(connection: asyncpg.Connection) -> int:
            made = await connection.fetchval(MADE)
            return await connection.fetchval(VERSION) if made else 0

        return await self._transact(READ, look)

    async def read(self, step: Step[T]) -> T:
        """Run a step, which changes nothing, on a database of the current schema."""

        async def look(connection: asyncpg.Connection) -> T:
            return await drive(step, answers(connection, statements(), self._timeout_s))

        return await self._transact(READ, look)

    async def synced(self) -> bool:
        """Whether commits wait for the disk, and are taken at all."""

        async def look(connection: asyncpg.Connection) -> bool:
            return bool(await connection.fetchval(SYNCED))

        return await self._transact(WRITE, look)

    async def nodes(self, *, alive_s: float) -> int:
        """How many are up."""

        async def look(connection: asyncpg.Connection) -> float:
            now: float = await connection.fetchval(TIME)
            return now

        now = await self._transact(READ, look)
        return await self.read(meta.count_nodes(since=now - alive_s))

    async def _transact(self, begin: str, work: Work[T]) -> T:
        with opening():
            return await transact(self._connection, Kind.of(begin, self._timeout_s), work)


@asynccontextmanager
async def looking(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Look]:
    """Raises ConfigError for a URL that cannot be read, StoreUnavailable."""
    with opening():
        connection = await connect(url, timeout_s=timeout_s)
    try:
        yield Look(connection, timeout_s)
    finally:
        connection.terminate()
