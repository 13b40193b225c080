"""A newer program on the database of an older one, with work under way."""

import os
import re
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bridge.errors import StoreUnavailable
from bridge.store import Store, open_store
from bridge.store.migrate import migrations, split
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, FakeClock
from tests.store.in_flight import landed, taken_off
from tests.store.postgres import Server, connected
from tests.store.scene import Scene

OLD, LATEST = 1, len(migrations())
DELIVERIES = """id, subscription_id, sequence, destination_id, state, attempts,
    last_outcome, hint, lost, created_at, updated_at"""
FORMER = [
    one for one in split(migrations()[0]) if re.search(r" (TABLE|ON) deliveries ", one)
]
BACK = (  # from the latest schema to the old one
    "ALTER TABLE watches DROP COLUMN seen",
    "DROP INDEX events_at",
    "DROP INDEX lanes_open",
    "ALTER TABLE lanes DROP COLUMN opened_at",
    "ALTER TABLE lanes DROP COLUMN silent_id",
    "ALTER TABLE lanes DROP COLUMN silences",
    "DROP INDEX lanes_replay",
    "DROP INDEX lanes_retry",
    "CREATE INDEX lanes_retry ON lanes (client, retry_ready_at)"
    " WHERE retry_ready_at IS NOT NULL",
    "DROP INDEX deliveries_state",
    "DROP INDEX deliveries_given_up",
    "CREATE INDEX deliveries_exhausted ON deliveries (updated_at)"
    " WHERE state = 'exhausted'",
    "ALTER TABLE deliveries DROP COLUMN given_up_at",
    "DROP INDEX destinations_gone",
    "DROP INDEX lanes_robot",
    "ALTER TABLE lanes DROP COLUMN robot_id",
    "DROP TABLE robots",
    "DROP INDEX poll_schedule_shares",
    "ALTER TABLE poll_schedule DROP COLUMN alone",
    "ALTER TABLE poll_schedule DROP COLUMN hinted_at",
    "ALTER TABLE poll_schedule DROP COLUMN share",
    "ALTER TABLE credentials DROP COLUMN batch_full_at",
    "ALTER TABLE credentials DROP COLUMN stretches",
    "ALTER TABLE watches DROP COLUMN label",
    "DROP TABLE durations",
    "DROP TABLE nodes",
    "DROP TABLE jobs",
)
SQLITE_BACK = (
    *BACK,
    f"CREATE TABLE kept AS SELECT {DELIVERIES} FROM deliveries",  # noqa: S608 - above
    "DROP TABLE deliveries",
    *FORMER,
    "INSERT INTO deliveries SELECT * FROM kept",
    "DROP TABLE kept",
    "DROP TABLE hooks",
)
POSTGRES_BACK = (
    *BACK,
    "ALTER TABLE deliveries DROP COLUMN hook_id",
    "ALTER TABLE deliveries ADD UNIQUE (subscription_id, sequence)",
    "DROP TABLE hooks",
    "ALTER TABLE delivery_schedule DROP CONSTRAINT delivery_schedule_lane_id_fkey",
)
POSTGRES_COLUMNS = """SELECT table_name, column_name, ordinal_position, data_type
FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 3"""

POSTGRES_CONSTRAINTS = """SELECT CAST(conrelid::regclass AS TEXT), conname,
    pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    async with open_store(url, Vault([ENCRYPTION_KEY])) as (store, _):
        yield store


def raw(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path, isolation_level=None))


def schema_of(path: Path) -> int:
    with raw(path) as connection:
        [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def tables_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    query = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1"
    return connection.execute(query).fetchall()


def take_back(path: Path) -> None:
    """As the older program would have left it."""
    with raw(path) as connection:
        for statement in SQLITE_BACK:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {OLD}")
        found = tables_of(connection)
    with closing(sqlite3.connect(":memory:")) as fresh:
        for script in migrations()[:OLD]:
            for statement in split(script):
                fresh.execute(statement)
        assert found == tables_of(fresh)


async def old_file(path: Path) -> None:
    """Of the older program, with a row."""
    async with opened(f"sqlite:///{path}"):
        pass
    take_back(path)


async def test_an_sqlite_bridge_goes_on_after_an_upgrade(
    path: Path, clock: FakeClock
) -> None:
    async with opened(f"sqlite:///{path}") as store:
        flight = await taken_off(store, clock)
    take_back(path)
    async with opened(f"sqlite:///{path}") as store:
        await landed(store, clock, flight)
    assert schema_of(path) == LATEST


async def test_nodes_on_postgresql_go_on_after_an_upgrade(
    server: Server, clock: FakeClock
) -> None:
    url, fresh = [server.url(await server.fresh()) for _ in range(2)]
    async with opened(url) as store:
        flight = await taken_off(store, clock)
    async with connected(url) as other, connected(fresh) as older:
        for statement in POSTGRES_BACK:
            await other.execute(statement)
        await other.execute("DELETE FROM schema_version WHERE version > $1", OLD)
        await older.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
        for script in migrations("postgres")[:OLD]:
            await older.execute(script)
        for look in (POSTGRES_COLUMNS, POSTGRES_CONSTRAINTS):
            assert await other.fetch(look) == await older.fetch(look)
        # An older program could write to a lane that was being pruned.
        await other.execute("UPDATE delivery_schedule SET lane_id = 1000")
    async with opened(url) as store:
        assert await store.sweep(now=clock.now()) == 0
        await landed(store, clock, flight)


async def test_the_file_is_copied_before_it_is_migrated(
    path: Path, clock: FakeClock
) -> None:
    """The older program refuses the new schema; the copy is the way back to it."""
    async with opened(f"sqlite:///{path}") as store:
        flight = await taken_off(store, clock)
    take_back(path)
    async with opened(f"sqlite:///{path}"):
        pass
    copy = path.with_name(f"bridge.db.before-{LATEST}")
    assert (schema_of(copy), stat.S_IMODE(copy.stat().st_mode)) == (OLD, 0o600)
    kept = {each.name for each in path.parent.iterdir()}
    assert kept == {"bridge.db", "bridge.db.lock", copy.name}
    async with opened(f"sqlite:///{copy}") as store:
        await landed(store, clock, flight)


async def test_a_new_file_and_one_that_is_current_are_not_copied(path: Path) -> None:
    """A copy at each start would fill the disk."""
    for _ in range(2):
        async with opened(f"sqlite:///{path}"):
            pass
    assert {each.name for each in path.parent.iterdir()} == {"bridge.db", "bridge.db.lock"}


async def test_a_file_without_a_row_is_not_copied(path: Path) -> None:
    """There is nothing to go back to."""
    await old_file(path)
    with raw(path) as connection:
        connection.execute("DELETE FROM meta")
    async with opened(f"sqlite:///{path}"):
        pass
    assert not list(path.parent.glob("*before*"))


async def test_an_earlier_copy_is_kept(path: Path) -> None:
    """After a way back and another upgrade, the first copy may be the good one."""
    await old_file(path)
    first = path.with_name(f"bridge.db.before-{LATEST}")
    first.write_text("the good one")
    for number in (2, 3):
        async with opened(f"sqlite:///{path}"):
            pass
        assert schema_of(first.with_name(f"{first.name}.{number}")) == OLD
        take_back(path)
    assert first.read_text() == "the good one"


async def test_what_cannot_be_copied_is_not_migrated(path: Path) -> None:
    """A full disk, or a folder that cannot be written: the older program still runs."""
    await old_file(path)
    blocker = path.with_name(f".bridge.db.before-{LATEST}.{os.getpid()}.part")
    blocker.symlink_to("elsewhere")
    with pytest.raises(StoreUnavailable, match="not changed without a copy"):
        async with opened(f"sqlite:///{path}"):
            pass
    assert schema_of(path) == OLD
    assert not list(path.parent.glob("bridge.db.before*"))


async def test_a_damaged_file_is_not_migrated(path: Path) -> None:
    """Its copy would be no way back."""
    await old_file(path)
    with raw(path) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(
            "INSERT INTO watches (identity, credential_id, provider, task_id, params, "
            "created_at) VALUES (x'00', 1, 'amux', 'task', '', 0)"
        )
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, '(task_id)', '(provider)') "
            "WHERE name = 'watches_task'"
        )
    with pytest.raises(StoreUnavailable, match="the copy is damaged"):
        async with opened(f"sqlite:///{path}"):
            pass
    assert schema_of(path) == OLD


async def test_a_failed_migration_leaves_no_copy(path: Path) -> None:
    """Else each start of a supervisor's would leave another one."""
    await old_file(path)
    with raw(path) as connection:
        connection.execute("CREATE TABLE jobs (in_the_way INTEGER)")
    with pytest.raises(StoreUnavailable, match="jobs already exists"):
        async with opened(f"sqlite:///{path}"):
            pass
    assert schema_of(path) == OLD
    assert not list(path.parent.glob("*before*"))


async def test_ids_of_deliveries_are_not_given_again_after_an_upgrade(
    path: Path, clock: FakeClock
) -> None:
    """A result that comes after its row was deleted fits no other. And what refers to the
    rows that were copied still does.
    """
    async with opened(f"sqlite:///{path}") as store:
        await taken_off(store, clock)
    take_back(path)
    with raw(path) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 99 WHERE name = 'deliveries'")
        before = connection.execute(f"SELECT {DELIVERIES} FROM deliveries").fetchall()  # noqa: S608
    async with opened(f"sqlite:///{path}") as store:
        scene = Scene(store, clock)
        await scene.ended("later")
    with raw(path) as connection:
        after = connection.execute(f"SELECT {DELIVERIES} FROM deliveries").fetchall()  # noqa: S608
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert (after[:-1], after[-1][0]) == (before, 100)
    assert len(before) > 2
