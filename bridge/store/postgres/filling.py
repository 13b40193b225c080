"""Puts everything a SQLite database holds into an empty PostgreSQL one, or nothing."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple

import asyncpg

from bridge.errors import ConfigError, StoreUnavailable
from bridge.store.contents import Contents
from bridge.store.postgres.connecting import TIMEOUT_S, connect, opening
from bridge.store.postgres.migrating import MIGRATION_S, apply

# Columns that the database works out by itself are left out.
DESCRIBE = """
SELECT t.name,
    ARRAY(SELECT DISTINCT CAST(f.relname AS TEXT) FROM pg_constraint k
        JOIN pg_class f ON f.oid = k.confrelid
        WHERE k.conrelid = c.oid AND k.contype = 'f') AS needs,
    ARRAY(SELECT CAST(a.attname AS TEXT) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = '' ORDER BY a.attnum) AS columns,
    EXISTS (SELECT 1 FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attidentity <> '') AS numbered
FROM unnest(CAST($1 AS TEXT[])) AS t (name) JOIN pg_class c ON c.oid = to_regclass(t.name)
"""
GO_ON = "SELECT setval(pg_get_serial_sequence($1, 'id'), $2)"
PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0"


class Table(NamedTuple):
    name: str
    columns: list[str]
    numbered: bool  # its rows get ids


async def fill(
    url: str, source: Contents, *, timeout_s: float = TIMEOUT_S
) -> Mapping[str, int]:
    """The rows of each table, which were counted in both.

    The tables are made if need be. A node that starts meanwhile waits, and then goes on
    with what it finds. Raises ConfigError if there are rows already, StoreUnavailable; both
    leave the database as it was.
    """
    with opening():
        connection = await connect(url, timeout_s=timeout_s)
    try:
        with opening():
            async with connection.transaction(isolation="read_committed"):
                return await filled(connection, source)
    finally:
        connection.terminate()


async def filled(connection: asyncpg.Connection, source: Contents) -> Mapping[str, int]:
    await connection.execute(PATIENT)
    await apply(connection)
    tables = await described(connection, source.tables())
    await check_empty(connection, tables)
    for table in tables:
        await connection.copy_records_to_table(
            table.name,
            columns=table.columns,
            records=source.rows(table.name, table.columns),
            timeout=MIGRATION_S,
        )
        last = source.last_id(table.name) if table.numbered else 0
        if last:  # ids are not given again, not even those of rows that are gone
            await connection.execute(GO_ON, table.name, last)
        # Plans made without statistics would read whole tables.
        await connection.execute(f"ANALYZE {table.name}", timeout=MIGRATION_S)
    return await counted(connection, source, tables)


async def described(connection: asyncpg.Connection, names: Iterable[str]) -> list[Table]:
    """Each table after those its rows refer to."""
    rows = {row["name"]: row for row in await connection.fetch(DESCRIBE, list(names))}
    order = TopologicalSorter({name: row["needs"] for name, row in rows.items()})
    return [
        Table(name, rows[name]["columns"], rows[name]["numbered"])
        for name in order.static_order()
    ]


async def check_empty(connection: asyncpg.Connection, tables: Iterable[Table]) -> None:
    holding = [
        table.name
        for table in tables
        if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})")  # noqa: S608 - of ours
    ]
    if holding:
        raise ConfigError(
            f"the target has rows already, in {', '.join(sorted(holding))}: "
            "name an empty database"
        )


async def counted(
    connection: asyncpg.Connection, source: Contents, tables: Iterable[Table]
) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for name in sorted(table.name for table in tables):
        query = f"SELECT count(*) FROM {name}"  # noqa: S608 - of ours
        counts[name] = await connection.fetchval(query, timeout=MIGRATION_S)
    for fault in differences(counts, source):
        raise StoreUnavailable(fault)
    return counts


def differences(counts: Mapping[str, int], source: Contents) -> Iterator[str]:
    for name in source.tables():
        if counts.get(name) != source.count(name):
            yield (
                f"{name}: {source.count(name)} rows were to be copied, {counts.get(name)} "
                "arrived; nothing was copied"
            )
