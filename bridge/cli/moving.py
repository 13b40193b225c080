"""`migrate --to`: from one machine's SQLite file to the PostgreSQL of several nodes."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.cli.beside import Condition
from bridge.cli.exits import UsageFault
from bridge.cli.files import must_exist, path_of, reading, schema_of
from bridge.cli.progress import Advance, unseen
from bridge.config import Config
from bridge.config.secrecy import POSTGRES
from bridge.store.contents import Contents
from bridge.store.driver import check_driver
from bridge.store.migrate import check_known, migrations
from bridge.store.sqlite import take_lock

STEP = 1_000  # rows between two looks at how far it is


async def moved(config: Config, url: str, advance: Advance = unseen) -> Mapping[str, int]:
    """Copy everything; how many rows of each table there are now, counted in both.

    The file stays as it is. Raises UsageFault or ConfigError if that cannot be meant,
    StoreLocked if a bridge serves from the file, StoreUnavailable.
    """
    if config.shared:
        raise UsageFault("--to: copies from SQLite; `database` is PostgreSQL already")
    if not POSTGRES.fullmatch(url):
        raise UsageFault('--to: write "postgresql://user@host/database"')
    check_driver()
    path = path_of(config)
    must_exist(path)
    from bridge.store.postgres.filling import fill

    with locked(path), reading(path) as connection:
        schema, latest = schema_of(path), len(migrations())
        check_known(schema, latest)
        if schema < latest:
            raise UsageFault(f"{path}: {Condition.OLD}; do that first")
        connection.execute("BEGIN")
        return await fill(url, Watched(connection, advance))


class Watched(Contents):
    """Says how many rows have been read, of all there are."""

    def __init__(self, connection: sqlite3.Connection, advance: Advance) -> None:
        super().__init__(connection)
        self._advance, self._read = advance, 0
        self._all = sum(self.count(table) for table in self.tables())

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for row in super().rows(table, columns):
            yield row
            self._read += 1
            if self._read % STEP == 0:
                self._advance(self._read, self._all)
        self._advance(self._read, self._all)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """No bridge serves from the file meanwhile. Raises StoreLocked if one does."""
    lock = take_lock(path)
    try:
        yield
    finally:
        os.close(lock)
