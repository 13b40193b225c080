"""Connections: to the server that writes, with a deadline, also through a pooler."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from bridge.errors import ConfigError, StoreUnavailable
from bridge.store.postgres import faults

TIMEOUT_S = 10.0  # for connecting, for a connection of the pool, for each statement
GRACE_S = 1.0  # by which the server gives up earlier than we do, and says why
STATEMENTS = 1_000  # prepared ones a connection may keep: more than there are queries


def options(url: str, *, timeout_s: float, named: bool) -> dict[str, Any]:
    """Of asyncpg's `connect`. `timeout_s` is for connecting and for each statement.

    Of several hosts in the URL the one that takes writes is meant; so a server that was
    the primary is not connected to again.
    """
    return {
        "dsn": url,
        "timeout": timeout_s,
        "command_timeout": timeout_s + GRACE_S,
        "statement_cache_size": STATEMENTS if named else 0,
        "max_cached_statement_lifetime": 0,
        "target_session_attrs": "read-write",
        "server_settings": {"application_name": "poll-bridge"},
    }


@contextmanager
def opening() -> Iterator[None]:
    """Raises ConfigError for a URL that cannot be used, StoreUnavailable for the rest."""
    try:
        yield
    except (ValueError, asyncpg.UndefinedObjectError) as error:  # … of an unknown setting
        raise ConfigError(f"database: {error}") from error
    except faults.ERRORS as error:
        raise StoreUnavailable(f"postgresql: {faults.told(error)}") from error


async def connect(url: str, *, timeout_s: float) -> asyncpg.Connection:
    """Raises ConfigError for a database that cannot hold any text there is."""
    connection = await asyncpg.connect(**options(url, timeout_s=timeout_s, named=False))
    try:
        encoding = await connection.fetchval("SHOW server_encoding")
        if encoding != "UTF8":
            raise ConfigError(
                f"database: its encoding is {encoding}, not UTF8: make another one with "
                "CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
            )
    except BaseException:
        connection.terminate()
        raise
    return connection


async def keeps_statements(connection: asyncpg.Connection) -> bool:
    """Whether a prepared statement will be there for the next transaction.

    Not behind a pooler that gives each transaction another connection of its own and does
    not know which statements that one has, as PgBouncer before 1.21. Such a one has the
    name as it was sent, while a pooler that keeps account has given it one of its own.
    """
    name = f"bridge_{secrets.token_hex(8)}"
    async with connection.transaction():
        statement = await connection.prepare("SELECT pg_backend_pid()", name=name)
        if await statement.fetchval() == connection.get_server_pid():
            return True
        sent = "SELECT 1 FROM pg_prepared_statements WHERE name = $1"
        return await connection.fetchval(sent, name) is None
