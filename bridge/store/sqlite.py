"""The default database: one SQLite file, one writer, group commit.

Steps that arrive while the writer's thread is busy share the next transaction, and so one
sync to disk. Each runs inside a savepoint, so that one that fails undoes itself alone.
"""

import asyncio
import fcntl
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import aiosqlite

from bridge.errors import StoreLocked, StoreUnavailable
from bridge.store.steps import Query, Row, Step, statements
from bridge.store.upgrading import upgrade

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 512  # steps in one transaction at most: bounds what the last of them waits
BUSY_S = 10.0  # how long to wait for another process, such as an online backup
FULL = 2  # PRAGMA synchronous: every commit waits for the disk
PRAGMAS = (
    "journal_mode = WAL",
    f"synchronous = {FULL}",
    "foreign_keys = ON",
    "temp_store = MEMORY",  # a root file system may be read-only, /tmp with it
)


class Connection(aiosqlite.Connection):
    """aiosqlite, plus whole functions on its thread: a hop per batch, not per statement."""

    stopped: asyncio.Future[None] | None = None  # its thread, once it was asked to stop

    def stop(self) -> asyncio.Future[None] | None:
        self.stopped = super().stop()
        return self.stopped

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Raises StoreUnavailable after `close`: a late request is no bug."""
        if self._connection is None:
            raise StoreUnavailable("the database is closed")
        result: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return result


class Job(Generic[T]):
    """One step waiting for its transaction, then what came of it."""

    def __init__(self, step: Step[T]) -> None:
        self._step = step
        self._result: T
        self.error: BaseException | None = StoreUnavailable("the step never ran")

    def run(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        """Raises sqlite3.DatabaseError if the whole transaction is in doubt."""
        connection.execute("SAVEPOINT step")
        try:
            self._result = drive(self._step, connection, sql)
            self.error = None
        except Exception as error:  # it is the caller's, and is raised there
            if database_failed(error):
                raise
            connection.execute("ROLLBACK TO step")
            self.error = error
        connection.execute("RELEASE step")

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self._result


class Sqlite:
    """A `Database` in one file. Made by `open_sqlite`."""

    shared = False
    at_once = 100  # one sync for all of them, and what others ask for is not long behind

    def __init__(
        self,
        writer: Connection,
        reader: Connection,
        scanner: Connection,
        opened: AsyncExitStack,
    ) -> None:
        self._writer, self._reader, self._scanner = writer, reader, scanner
        self._opened = opened
        self._sql = statements()
        self._waiting: deque[Job[Any]] = deque()

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        job = Job(step(*args, **kwargs))
        self._waiting.append(job)
        # Whoever's turn it is on the thread takes every job that waits; for the others
        # the work is done when their turn comes. There are as many turns as jobs.
        await self._writer.run(self._commit_waiting)
        return job.result()

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._read(self._reader, step(*args, **kwargs))

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._read(self._scanner, step(*args, **kwargs))

    async def _read(self, reader: Connection, step: Step[T]) -> T:
        def run(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN")
            try:
                return drive(step, connection, self._sql)
            finally:
                connection.execute("ROLLBACK")

        try:
            return await reader.run(run)
        except sqlite3.Error as error:
            if database_failed(error):
                raise StoreUnavailable(str(error)) from error
            raise

    async def time(self) -> float:
        return time.time()

    async def synced(self) -> bool:
        connections = (self._writer, self._reader, self._scanner)
        return all([await connection.run(syncs) for connection in connections])

    async def close(self) -> None:
        await self._opened.aclose()

    def _commit_waiting(self, connection: sqlite3.Connection) -> None:
        count = min(len(self._waiting), BATCH)
        jobs = [self._waiting.popleft() for _ in range(count)]
        if not jobs:
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                job.run(connection, self._sql)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in jobs:
                job.error = StoreUnavailable(str(error))


def database_failed(error: Exception) -> bool:
    """The disk is full, a page is damaged, …: more than one statement is concerned."""
    return isinstance(error, sqlite3.OperationalError) or (
        type(error) is sqlite3.DatabaseError  # its other subclasses blame the statement
    )


def drive(step: Step[T], connection: sqlite3.Connection, sql: Mapping[str, str]) -> T:
    """Run a step to its end, each query as it asks for it."""
    try:
        query = next(step)
        while True:
            query = step.send(answer(query, connection, sql))
    except StopIteration as stop:
        result: T = stop.value
        return result


def answer(
    query: Query, connection: sqlite3.Connection, sql: Mapping[str, str]
) -> list[Row]:
    if isinstance(query.params, Mapping):
        return connection.execute(sql[query.name], query.params).fetchall()
    connection.executemany(sql[query.name], query.params)
    return []


def syncs(connection: sqlite3.Connection) -> bool:
    [level] = connection.execute("PRAGMA synchronous").fetchone()
    [journal] = connection.execute("PRAGMA journal_mode").fetchone()
    return bool(level == FULL and journal == "wal")


async def open_sqlite(path: Path) -> Sqlite:
    """Open the file, made and migrated if need be.

    Raises StoreLocked if another process serves from it, StoreUnavailable if it cannot
    be opened.
    """
    async with AsyncExitStack() as opened:
        opened.callback(os.close, take_lock(path))
        try:
            writer = await open_connection(path, opened)
            await writer.run(partial(upgrade, path=path))
            reader = await open_connection(path, opened)
            scanner = await open_connection(path, opened)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        return Sqlite(writer, reader, scanner, opened.pop_all())


async def open_connection(path: Path, opened: AsyncExitStack) -> Connection:
    connection = Connection(lambda: connected(path), iter_chunk_size=64)
    try:
        await connection
    except BaseException:
        assert connection.stopped is not None  # noqa: S101 - aiosqlite has stopped it
        await connection.stopped  # its thread must not outlive the event loop
        raise
    opened.push_async_callback(connection.close)
    return connection


def connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, cached_statements=512
    )
    connection.row_factory = sqlite3.Row
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def take_lock(path: Path) -> int:
    """Hold `<path>.lock` as long as the returned descriptor is open."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.touch(mode=0o600)
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreLocked(f"{path} is in use by another poll-bridge process") from error
    return lock
