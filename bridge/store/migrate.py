"""Brings a SQLite file to this program's schema, in one transaction, or not at all.

The numbered files of `migrations/sqlite` are applied in order. Two programs that start at
once take turns, and a program killed here leaves nothing behind to unlock by hand.
"""

import sqlite3
from collections.abc import Iterator
from importlib import resources

from bridge.errors import StoreUnavailable


def migrate(connection: sqlite3.Connection) -> int:
    """Apply what is missing; how many migrations that was.

    Raises StoreUnavailable if a newer program has written the file.
    """
    scripts = migrations()
    connection.execute("BEGIN IMMEDIATE")
    try:
        [current] = connection.execute("PRAGMA user_version").fetchone()
        check_known(current, len(scripts))
        for statement in (s for script in scripts[current:] for s in split(script)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return len(scripts) - int(current)


def check_known(schema: int, latest: int) -> None:
    """Raises StoreUnavailable: tables of a newer program are not for this one."""
    if schema > latest:
        raise StoreUnavailable(
            f"the database has schema {schema}, this program knows {latest}: "
            "run the newer version"
        )


def migrations(database: str = "sqlite") -> list[str]:
    """The SQL of every migration, oldest first."""
    folder = resources.files("bridge.store").joinpath("migrations", database)
    files = sorted(
        (f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name
    )
    return [file.read_text("utf-8") for file in files]


def split(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit before them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
