"""A SQLite file on its way to this program's schema: copied first, then migrated."""

import itertools
import sqlite3
from pathlib import Path

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.copying import CopyFailed, copy
from bridge.store.migrate import migrate, migrations

TABLES = (
    """SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"""
)

log = structlog.get_logger(__name__)


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """The way back to the older program is the copy beside the file.

    For whoever holds the file's lock. Raises StoreUnavailable if the file cannot be copied
    or migrated: it is as it was then, and has no copy.
    """
    [schema] = connection.execute("PRAGMA user_version").fetchone()
    if not 0 < schema < len(migrations()) or not has_rows(connection):
        migrate(connection)
        return
    kept = copied(connection, path)
    try:
        migrate(connection)
    except BaseException:
        kept.unlink()
        raise
    log.info("database.migrated", schema=len(migrations()), before=schema, copy=str(kept))


def copied(connection: sqlite3.Connection, path: Path) -> Path:
    """A copy under a name that was free: an older one may be the good one."""
    target = free_name(path.with_name(f"{path.name}.before-{len(migrations())}"))
    try:
        copy(connection, target)
    except (OSError, CopyFailed) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreUnavailable(
            f"{target}: {why}; the schema is not changed without a copy of the database"
        ) from error
    return target


def free_name(wanted: Path) -> Path:
    numbered = (wanted.with_name(f"{wanted.name}.{n}") for n in itertools.count(2))
    return next(name for name in itertools.chain([wanted], numbered) if not name.exists())


def has_rows(connection: sqlite3.Connection) -> bool:
    tables = [row[0] for row in connection.execute(TABLES)]
    found = (f"SELECT 1 FROM {table} LIMIT 1" for table in tables)  # noqa: S608 - of ours
    return any(connection.execute(query).fetchone() for query in found)
