"""A copy of a world's database, taken while it runs and put back while it is down."""

import shutil
import sqlite3
from contextlib import closing
from typing import Any

from tests.store.postgres import TABLES, connected
from tests.world import World

COLUMNS = """
SELECT string_agg(column_name, ', ') FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'
"""
UNCHECKED = "SET session_replication_role = replica"  # references, in whatever order


class Backup:
    def __init__(self, world: World) -> None:
        self._world, self._shared = world, world.store.database.shared
        self._file = world.path.with_name("backup.db")

    async def take(self) -> None:
        if self._shared:
            await take_tables(self._world.database)
            return
        with (
            closing(sqlite3.connect(self._world.path)) as source,
            closing(sqlite3.connect(self._file)) as target,
        ):
            source.backup(target)

    async def restore(self) -> None:
        if self._shared:
            await restore_tables(self._world.database)
        else:
            shutil.copy(self._file, self._world.path)


async def take_tables(url: str) -> None:
    """Into a schema beside their own."""
    async with connected(url) as connection:
        schema = await copies(connection)
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        await connection.execute(f"CREATE SCHEMA {schema}")
        async with connection.transaction(isolation="repeatable_read"):
            for name in await tables(connection):
                await connection.execute(f"CREATE TABLE {schema}.{name} AS TABLE {name}")


async def restore_tables(url: str) -> None:
    async with connected(url) as connection:
        schema, names = await copies(connection), await tables(connection)
        await connection.execute(UNCHECKED)
        await connection.execute(f"TRUNCATE {', '.join(names)}")
        for name in names:
            columns = await connection.fetchval(COLUMNS, name)
            await connection.execute(
                f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {schema}.{name}"  # noqa: S608
            )


async def copies(connection: Any) -> str:
    return f"{await connection.fetchval('SELECT current_schema()')}_backup"


async def tables(connection: Any) -> list[str]:
    return [row["name"] for row in await connection.fetch(TABLES)]
