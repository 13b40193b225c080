"""`migrate --to`: everything in the SQLite file, or nothing, is in PostgreSQL then."""

import asyncio
import json
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bridge.cli.files import reading
from bridge.messages.notices import TYPES, Seen
from bridge.store import NoticesTo, Store, open_store
from bridge.store.contents import Contents
from bridge.store.postgres.filling import differences
from bridge.vault import Vault
from tests.cli.commands import invoke, locked, started
from tests.conftest import FakeClock
from tests.settings import ENCRYPTION_KEY, ENOUGH
from tests.store.hooking import hooked, remove
from tests.store.in_flight import Flight, landed, taken_off
from tests.store.postgres import connected
from tests.store.scene import Scene, destination

MADE = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
BLOCKED = """SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
AND application_name = 'poll-bridge' AND datname = current_database()"""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    async with open_store(url, Vault([ENCRYPTION_KEY])) as (store, _):
        yield store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
async def flight(path: Path, clock: FakeClock) -> Flight:
    """Work under way in the SQLite database of the configuration."""
    async with opened(f"sqlite:///{path}") as store:
        return await taken_off(store, clock)


async def move(url: str, *more: str, **env: str) -> Result:
    command = ("migrate", "--to", url, *more)
    return await asyncio.to_thread(invoke, *command, env=ENOUGH | env)


async def value(url: str, query: str) -> Any:
    async with connected(url) as connection:
        return await connection.fetchval(query)


def content(path: Path) -> bytes:
    return path.read_bytes()


def counted(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        contents = Contents(connection)
        return {name: contents.count(name) for name in contents.tables()}


async def test_a_bridge_goes_on_where_its_work_was_moved_to(
    path: Path, postgres: str, flight: Flight, clock: FakeClock
) -> None:
    """Receivers and callers see the same ids, and each end once."""
    before = content(path)
    result = await move(postgres, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"rows": counted(path)})
    assert content(path) == before
    async with opened(postgres) as store:
        await landed(store, clock, flight)


async def test_hooks_and_notices_go_on_where_they_were_moved_to(
    path: Path, postgres: str, clock: FakeClock
) -> None:
    """What they are owed, and whose they are."""
    ops = NoticesTo(destination=destination("ops"), format="standard", types=TYPES)
    late = Seen(late={"polls": 900.0})
    async with opened(f"sqlite:///{path}") as store:
        scene = Scene(store, clock)
        hook = await hooked(scene)
        key = await scene.ended(destination=None)
        assert len(await store.notice(ops, late, now=scene.now)) == 1
    assert (await move(postgres)).exit_code == 0
    async with opened(postgres) as store:
        scene = Scene(store, clock)
        assert await store.notice(ops, late, now=scene.now) == [], "it was told"
        told = {each.type: each.message_id for each in await scene.claim_deliveries()}
        assert told["task.succeeded"] == f"msg_{key}_0_{hook}"
        assert told.keys() == {"task.succeeded", "backlog.late"}
        assert await remove(scene, hook)
        assert await store.sweep(now=scene.now) == 0


async def test_people_are_told_the_counts_and_what_comes_next(
    path: Path, postgres: str, flight: Flight
) -> None:
    """The old file still works: who starts a bridge on it tells every end twice."""
    result = await move(postgres)
    rows = counted(path)
    for table, count in rows.items():
        assert re.search(rf"^{table} +{count}$", result.stdout, re.MULTILINE)
    assert f"{sum(rows.values())} rows copied" in result.stdout
    assert "start no bridge on bridge.db again" in result.stderr


async def test_every_value_arrives_as_it_was(
    path: Path, postgres: str, flight: Flight
) -> None:
    """Sealed values, times to the last digit, and what is worked out by the database."""
    await move(postgres)
    with closing(sqlite3.connect(path)) as source:
        source.row_factory = sqlite3.Row
        async with connected(postgres) as target:
            for table in Contents(source).tables():
                query = f"SELECT * FROM {table}"  # noqa: S608 - of ours
                theirs = [dict(row) for row in await target.fetch(query)]
                ours = [dict(row) for row in source.execute(query)]
                assert sorted(map(by_name, theirs)) == sorted(map(by_name, ours)), table


def by_name(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))


async def test_an_id_that_is_gone_is_not_given_again(
    path: Path, postgres: str, clock: FakeClock
) -> None:
    """A result that comes after its row was deleted must fit no other."""
    async with opened(f"sqlite:///{path}") as store:
        scene = Scene(store, clock)
        await scene.stop(await scene.add())
        clock.advance(1e7)
        assert await store.prune(before=clock.now())
    with reading(path) as connection:
        last = Contents(connection).last_id("watches")
        assert (Contents(connection).count("watches"), last > 0) == (0, True)
    assert (await move(postgres)).exit_code == 0
    async with opened(postgres) as store:
        await Scene(store, clock).add()
    assert await value(postgres, "SELECT id FROM watches") == last + 1


async def test_a_second_run_refuses(postgres: str, flight: Flight) -> None:
    """What nodes have done there since must not be mixed with what was before."""
    assert (await move(postgres)).exit_code == 0
    before = await value(postgres, "SELECT count(*) FROM attempts")
    again = await move(postgres)
    assert (again.exit_code, "name an empty database" in again.stderr) == (2, True)
    assert await value(postgres, "SELECT count(*) FROM attempts") == before


async def test_a_database_that_nodes_have_opened_is_not_empty(
    postgres: str, flight: Flight
) -> None:
    """It has a fingerprint key of its own, and what they accept depends on that."""
    async with opened(postgres):
        refused = await move(postgres)
    assert "has rows already, in meta:" in refused.stderr


async def test_tables_that_migrate_has_made_are_filled(
    postgres: str, flight: Flight, clock: FakeClock
) -> None:
    """Who may make tables may be another role than who fills them."""
    async with opened(postgres):
        pass
    async with connected(postgres) as connection:
        await connection.execute("TRUNCATE meta")
    assert (await move(postgres)).exit_code == 0
    async with opened(postgres) as store:
        await landed(store, clock, flight)


async def test_a_copy_that_is_killed_leaves_nothing(
    path: Path, postgres: str, flight: Flight, clock: FakeClock
) -> None:
    """Half a copy would look like a bridge whose work is done."""
    async with opened(postgres):
        pass
    async with connected(postgres) as connection, connected(postgres) as other:
        await connection.execute("TRUNCATE meta")
        async with connection.transaction():
            await connection.execute("LOCK TABLE attempts IN EXCLUSIVE MODE")
            env = ENOUGH | {"BRIDGE_DATABASE": f"sqlite:///{path}"}
            with started("migrate", "--to", postgres, cwd=path.parent, env=env) as process:
                while not await other.fetchval(BLOCKED):
                    assert process.poll() is None, process.communicate()
                process.send_signal(signal.SIGKILL)
                process.communicate()
    assert await value(postgres, "SELECT count(*) FROM meta") == 0
    assert await value(postgres, "SELECT count(*) FROM watches") == 0
    assert (await move(postgres)).exit_code == 0
    async with opened(postgres) as store:
        await landed(store, clock, flight)


async def test_a_row_that_does_not_fit_undoes_all(
    path: Path, postgres: str, flight: Flight
) -> None:
    """Not even tables are left."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE attempts SET detail = 'a' || char(0) || 'b'")
    refused = await move(postgres)
    assert (refused.exit_code, "invalid byte sequence" in refused.stderr) == (3, True)
    assert await value(postgres, MADE) == 0


async def test_a_row_that_the_target_drops_undoes_all(
    postgres: str, flight: Flight
) -> None:
    """A trigger, or a policy of its owner's: what was promised would be lost in silence."""
    async with opened(postgres):
        pass
    async with connected(postgres) as connection:
        await connection.execute(
            """TRUNCATE meta;
            CREATE FUNCTION dropped() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER dropping BEFORE INSERT ON attempts FOR EACH ROW
            EXECUTE FUNCTION dropped()"""
        )
    refused = await move(postgres)
    assert (refused.exit_code, "attempts: " in refused.stderr) == (3, True)
    assert "0 arrived; nothing was copied" in refused.stderr
    assert await value(postgres, "SELECT count(*) FROM meta") == 0


async def test_a_bridge_that_serves_from_the_file_is_not_copied(
    path: Path, postgres: str, flight: Flight
) -> None:
    """What it accepted since would be lost."""
    with locked(path):
        refused = await move(postgres)
    assert (refused.exit_code, "is in use by another" in refused.stderr) == (3, True)
    assert await value(postgres, MADE) == 0


async def test_an_older_or_newer_file_is_refused(
    path: Path, postgres: str, flight: Flight
) -> None:
    """Its tables are others."""
    for version, code, says in ((1, 2, "has an older schema"), (1000, 3, "newer version")):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        refused = await move(postgres)
        assert (refused.exit_code, says in refused.stderr) == (code, True)
    assert await value(postgres, MADE) == 0


@pytest.mark.parametrize(
    ("to", "database", "code", "says"),
    [
        ("sqlite:///other.db", "sqlite:///bridge.db", 2, 'write "postgresql://'),
        ("postgresql://h/db", "postgresql://h/db", 2, "is PostgreSQL already"),
        ("postgresql://h/db", "sqlite:///missing.db", 3, "missing.db: does not exist"),
        ("postgresql://h:port/db", "sqlite:///bridge.db", 2, "database: "),
        ("postgresql://127.0.0.1:1/db", "sqlite:///bridge.db", 3, "postgresql: "),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, flight: Flight, to: str, database: str, code: int, says: str
) -> None:
    refused = await move(to, BRIDGE_DATABASE=database)
    assert (refused.exit_code, says in refused.stderr) == (code, True)
    assert not (tmp_path / "missing.db").exists()


async def test_a_row_that_is_missing_is_seen(path: Path, flight: Flight) -> None:
    """The counts are taken by both databases, after everything was written."""
    right = counted(path)
    with reading(path) as connection:
        source = Contents(connection)
        assert not list(differences(right, source))
        [fault] = differences(right | {"attempts": 0}, source)
        assert re.search(r"attempts: \d rows were to be copied, 0 arrived", fault)
        [fault] = differences({k: n for k, n in right.items() if k != "meta"}, source)
        assert "meta" in fault
