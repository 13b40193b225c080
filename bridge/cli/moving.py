"""`migrate --to`: from one machine's SQLite file to the PostgreSQL of several nodes."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bridge.cli.beside import Condition
from bridge.cli.exits import UsageFault
from bridge.cli.files import must_exist, path_of, reading, schema_of
from bridge.config import Config
from bridge.config.secrecy import POSTGRES
from bridge.store.contents import Contents
from bridge.store.driver import check_driver
from bridge.store.migrate import check_known, migrations
from bridge.store.sqlite import take_lock


async def moved(config: Config, url: str) -> Mapping[str, int]:
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
        return await fill(url, Contents(connection))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """No bridge serves from the file meanwhile. Raises StoreLocked if one does."""
    lock = take_lock(path)
    try:
        yield
    finally:
        os.close(lock)
