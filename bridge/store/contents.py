"""All rows of a SQLite database, to be put into another one."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from bridge.store.upgrading import TABLES

# The greatest id that was ever given; of tables that give one again, the greatest there is.
LAST = """SELECT max(coalesce((SELECT max(id) FROM {table}), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0))"""


class Contents:
    """As long as the connection is in one transaction, these are of one instant. Names of
    tables and columns are those of the schema, and come from nowhere else.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tables(self) -> list[str]:
        return [row[0] for row in self._connection.execute(TABLES)]

    def count(self, table: str) -> int:
        query = f"SELECT count(*) FROM {table}"  # noqa: S608 - see above
        [count] = self._connection.execute(query).fetchone()
        return int(count)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - see above
        yield from self._connection.execute(query)

    def last_id(self, table: str) -> int:
        [last] = self._connection.execute(LAST.format(table=table)).fetchone()
        return int(last)
