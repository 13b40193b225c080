"""queries.sql as PostgreSQL takes it: parameters numbered, and its own clauses in force."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import aiosql

# What SQLite must not see is written as a hint, which is a comment to it:
# `/*+ FOR NO KEY UPDATE OF s SKIP LOCKED */`.
HINT = re.compile(r"/\*\+(.*?)\*/", re.DOTALL)


class Statement(NamedTuple):
    """`order` names the parameters $1, $2, … of `sql`."""

    sql: str
    order: Sequence[str]

    def values(self, params: Mapping[str, Any]) -> list[Any]:
        return [params[name] for name in self.order]


@cache
def statements() -> Mapping[str, Statement]:
    """Each query of queries.sql, by name. Read once, for it takes long."""
    text = resources.files("bridge.store").joinpath("queries.sql").read_text("utf-8")
    return translated(text)


def translated(text: str) -> dict[str, Statement]:
    """
    >>> translated('''-- name: due(now)
    ... SELECT id, CAST(:now AS TEXT), ':now'::text FROM t x
    ... WHERE at <= :now /*+ FOR UPDATE OF x SKIP LOCKED */;''')["due"].sql.splitlines()[1]
    'WHERE at <= $1  FOR UPDATE OF x SKIP LOCKED ;'
    """
    queries = aiosql.from_str(text, "asyncpg")
    order = queries.driver_adapter.var_sorted
    names = (name for name in queries.available_queries if not name.endswith("_cursor"))
    return {
        name: Statement(HINT.sub(r"\1", getattr(queries, name).sql), tuple(order[name]))
        for name in names
    }
