"""The database of several nodes: PostgreSQL, each step a transaction of its own.

Driver: asyncpg. A step costs the node half the CPU time it would with psycopg 3 (0.27
against 0.48 ms for a subscribe, 0.51 in pipeline mode; 0.35 against 1.04 ms for a claim of
100, 0.22 against 0.76 for 100 updates), so that 8 connections, on two cores shared with the
server, make 2,300 subscribes a second against 1,950. Many steps in one transaction, as
SQLite has it, do not pay: of 64 callers 2,570 subscribe a second through 8 connections and
930 in shared transactions: PostgreSQL syncs the commits of several connections together.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

import asyncpg
import structlog

from bridge.errors import StoreUnavailable
from bridge.store.postgres import faults
from bridge.store.postgres.advancing import Advances
from bridge.store.postgres.connecting import (
    TIMEOUT_S,
    connect,
    keeps_statements,
    opening,
    options,
)
from bridge.store.postgres.dialect import statements
from bridge.store.postgres.migrating import migrate
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

P = ParamSpec("P")
T = TypeVar("T")

CONNECTIONS = 16
FOR_CALLERS = 12  # of these, so that the loops always find some
SCAN_S = 60.0  # for each statement of a scan
SCANS = 4  # at once: half of them lists, the others for counts and the sweep
TRIES = 5  # of a step that others get in the way of

# That a commit waits for the disk is part of every transaction; this is of the server.
SYNCED = """
SELECT current_setting('synchronous_commit') = 'on' AND current_setting('fsync') = 'on'
    AND current_setting('full_page_writes') = 'on'
    AND current_setting('transaction_read_only') = 'off'
"""
TIME = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"

log = structlog.get_logger(__name__)


class Postgres:
    """A `Database` that other nodes work on at the same time. Made by `open_postgres`."""

    shared = True

    def __init__(self, pool: asyncpg.Pool, *, named: bool, timeout_s: float) -> None:
        self._pool, self._timeout_s = pool, timeout_s
        self.at_once = pool.get_max_size()
        self._named = named  # whether a statement may stand outside of a transaction
        self._statements = statements()
        self._write, self._read = Kind.of(WRITE, timeout_s), Kind.of(READ, timeout_s)
        self._scan, self._scans = Kind.of(READ, SCAN_S), asyncio.Semaphore(SCANS)

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        left = TRIES
        while True:
            left -= 1
            try:
                return await self._perform(step(*args, **kwargs))
            except asyncpg.PostgresError as error:
                if not faults.raced(error):
                    raise
                if not left:
                    raise faults.given_up(error) from error

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._look(step(*args, **kwargs), self._read)

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._scans:
            return await self._look(step(*args, **kwargs), self._scan)

    async def time(self) -> float:
        """Taken to have been read in the middle of the round trip, the quicker of two."""
        now = asyncio.get_running_loop().time

        async def look(connection: asyncpg.Connection) -> tuple[float, float]:
            asked = now()
            theirs: float = await connection.fetchval(TIME)
            got = now()
            return got - asked, theirs - (asked + got) / 2

        async def look_twice(connection: asyncpg.Connection) -> float:
            return min([await look(connection) for _ in range(2)])[1]

        return await self._transaction(self._read, look_twice) + now()

    async def synced(self) -> bool:
        async def look(connection: asyncpg.Connection) -> bool:
            return bool(await connection.fetchval(SYNCED))

        return await self._transaction(self._write, look)

    async def close(self) -> None:
        """Waits for the steps that run, as long as one statement may take."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._pool.close()

    async def _look(self, step: Step[T], kind: Kind) -> T:
        async def work(connection: asyncpg.Connection) -> T:
            return await drive(step, answers(connection, self._statements, kind.timeout_s))

        return await self._transaction(kind, work)

    async def _perform(self, step: Step[T]) -> T:
        advances = Advances()

        async def work(connection: asyncpg.Connection) -> T:
            answer = answers(connection, self._statements, self._write.timeout_s)
            result = await drive(step, advances.held_back(answer))
            await advances.tell(answer)
            return result

        async def commit_and_tell(connection: asyncpg.Connection) -> T:
            result = await transact(connection, self._write, work)
            if advances:
                await self._tell_again(connection, advances)
            return result

        return await self._connected(commit_and_tell)

    async def _tell_again(self, connection: asyncpg.Connection, advances: Advances) -> None:
        """The step is done, whatever becomes of this; the sweep finds what is late."""

        async def tell(connection: asyncpg.Connection) -> None:
            await advances.tell(
                answers(connection, self._statements, self._write.timeout_s)
            )

        try:
            if self._named:
                await tell(connection)
            else:
                await transact(connection, self._write, tell)
        except faults.ERRORS as error:
            log.warning("lane.not_told", error=faults.told(error))
            terminate(connection)

    async def _transaction(self, kind: Kind, work: Work[T]) -> T:
        return await self._connected(lambda one: transact(one, kind, work))

    async def _connected(self, work: Work[T]) -> T:
        """Raises StoreUnavailable if it is not known what became of it."""
        try:
            connection = await self._pool.acquire(timeout=self._timeout_s)
            try:
                return await work(connection)
            except BaseException as error:
                await self._drop(connection, error)
                raise
            finally:
                await self._pool.release(connection, timeout=self._timeout_s)
        except Exception as error:
            if faults.lost(error):
                raise StoreUnavailable(faults.told(error)) from error
            raise

    async def _drop(self, connection: asyncpg.Connection, error: BaseException) -> None:
        """Close a connection that is in doubt, and all that lead to the wrong server."""
        if not isinstance(error, Exception) or faults.lost(error):
            terminate(connection)
        if isinstance(error, Exception) and faults.elsewhere(error):
            await self._pool.expire_connections()


async def open_postgres(
    url: str, *, connections: int = CONNECTIONS, timeout_s: float = TIMEOUT_S
) -> Postgres:
    """Open the database, migrated if need be.

    Raises ConfigError for a URL that cannot be read, StoreUnavailable if the database
    cannot be opened.
    """
    with opening():
        first = await connect(url, timeout_s=timeout_s)
        try:
            await migrate(first)
            named = await keeps_statements(first)
        finally:
            first.terminate()
        pool = await asyncpg.create_pool(
            min_size=0,
            max_size=connections,
            reset=leave,
            **options(url, timeout_s=timeout_s, named=named),
        )
    return Postgres(pool, named=named, timeout_s=timeout_s)


def terminate(connection: asyncpg.Connection) -> None:
    """Also one that the pool has taken back because it was lost."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def leave(connection: asyncpg.Connection) -> None:
    """Nothing to reset: what a transaction sets ends with it."""
