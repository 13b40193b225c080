"""SQLite files as the commands look at them from outside: without the bridge's lock."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from bridge.cli.exits import CommandFailed, Exit, UsageFault
from bridge.config import Config
from bridge.errors import StoreUnavailable
from bridge.store.migrate import migrations
from bridge.store.sqlite import BUSY_S
from bridge.store.steps import statements

SCHEME = "sqlite:///"


class Condition(StrEnum):
    """What `serve` would find."""

    MISSING = "does not exist yet; the bridge will make it"
    OLD = "has an older schema; the bridge, or `migrate`, will bring it up to date"
    CURRENT = "is up to date"


def path_of(config: Config) -> Path:
    """The file of the database."""
    return Path(config.database.get_secret_value().removeprefix(SCHEME))


def must_exist(path: Path) -> None:
    """Raises StoreUnavailable: a slip in its name must not make a new database."""
    if not path.exists():
        raise StoreUnavailable(f"{path}: does not exist")


def condition_of(path: Path) -> Condition:
    """Raises StoreUnavailable if the bridge could not make it, or it is no database."""
    if not path.exists():
        if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            raise StoreUnavailable(f"{path}: its directory is missing, or not writable")
        return Condition.MISSING
    version, latest = schema_of(path), len(migrations())
    # A newer one is for `open_store` to refuse.
    return Condition.OLD if version < latest else Condition.CURRENT


def schema_of(path: Path) -> int:
    """The number of the last migration. Raises StoreUnavailable."""
    with reading(path) as connection:
        [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def in_use(path: Path) -> tuple[set[str], set[str]]:
    """Clients and providers that have work in flight. Raises StoreUnavailable."""
    queries = statements()
    with reading(path) as connection:
        active = connection.execute(queries["active_clients"]).fetchall()
        owing = connection.execute(queries["owing_clients"]).fetchall()
        polled = connection.execute(queries["polled_providers"]).fetchall()
    clients = {client for (client,) in (*active, *owing)}
    return clients, {provider for (provider,) in polled}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, beside a bridge that may be serving from the file.

    Raises StoreUnavailable for whatever SQLite says.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S
        )
        with contextlib.closing(connection):
            yield connection
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error


def back_up(source: Path, target: Path, *, replace: bool) -> int:
    """Copy a database that may be in use, and return the size of the copy in bytes.

    The copy is what was committed at one instant, whole and checked before it gets its
    name, and readable by its owner alone. Raises UsageFault if `target` exists or cannot
    be written, StoreUnavailable if `source` cannot be read, CommandFailed if the copy is
    not sound.
    """
    must_exist(source)
    if target.exists() and not replace:
        raise UsageFault(f"{target}: exists already; --force replaces it")
    if target.exists() and target.samefile(source):
        raise UsageFault(f"{target}: is the database itself")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        # O_EXCL also refuses a symlink that somebody left there.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        copy(source, part)
        os.replace(part, target)
        sync_folder(target.absolute().parent)
    except OSError as error:
        raise UsageFault(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        for leftover in (part, *(part.with_name(part.name + end) for end in ENDS)):
            leftover.unlink(missing_ok=True)
    return target.stat().st_size


ENDS = ("-journal", "-wal", "-shm")


def copy(source: Path, target: Path) -> None:
    """In one step: a copy in several would begin anew whenever the bridge writes."""
    with reading(source) as origin:
        origin.execute("SELECT count(*) FROM sqlite_schema")  # faults of its own come here
        try:
            with contextlib.closing(sqlite3.connect(target)) as written:
                origin.backup(written, pages=-1)
                # One file, complete without its -wal; the bridge turns it back by itself.
                written.execute("PRAGMA journal_mode = DELETE")
                found = written.execute("PRAGMA integrity_check").fetchall()
        except sqlite3.Error as error:
            raise CommandFailed(f"the copy failed: {error}", code=Exit.FAILED) from error
    if found != [("ok",)]:
        raise CommandFailed("the copy is damaged:", *(str(row[0]) for row in found[:10]))
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """So that the new name survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
