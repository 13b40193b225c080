"""SQLite files as the commands look at them from outside: without the bridge's lock."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bridge.cli.beside import Condition
from bridge.config import Config
from bridge.errors import StoreUnavailable
from bridge.store import open_store
from bridge.store.migrate import migrations
from bridge.store.sqlite import BUSY_S
from bridge.store.steps import statements
from bridge.vault import Vault

SCHEME = "sqlite:///"


def path_of(config: Config) -> Path:
    """The file of the database."""
    return Path(config.database.get_secret_value().removeprefix(SCHEME))


class File:
    """See `Beside`."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)

    async def condition(self) -> Condition:
        return condition_of(self.path)

    async def schema(self) -> int:
        return schema_of(self.path) if self.path.exists() else 0

    async def in_use(self) -> tuple[set[str], set[str]]:
        return in_use(self.path)

    async def trial(self, vault: Vault) -> tuple[bool, str]:
        async with open_store(f"{SCHEME}{self.path}", vault) as (store, _):
            return await store.database.synced(), ""

    async def check_free(self) -> None:
        must_exist(self.path)

    def alone(self) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()  # who opens the file holds its lock


def must_exist(path: Path) -> None:
    """Raises StoreUnavailable."""
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
