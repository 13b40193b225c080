"""What only the PostgreSQL store has: a server that others use too, and that goes away."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import asyncpg
import pytest
import structlog
from structlog.testing import capture_logs

from bridge.errors import ConfigError, RequestError, StoreUnavailable
from bridge.lanes import Window
from bridge.model import ClaimedPoll
from bridge.store import Store
from bridge.store.box import Box
from bridge.store.claims import Claims, Pick
from bridge.store.meta import open_meta
from bridge.store.migrate import migrate, migrations
from bridge.store.poll_claims import claim_polls
from bridge.store.postgres import TRIES, Postgres, holding, migrating, open_postgres
from bridge.store.postgres.advancing import Advances
from bridge.store.postgres.dialect import statements, translated
from bridge.store.postgres.holding import held
from bridge.store.postgres.migrating import apply
from bridge.store.postgres.transaction import WRITE, Kind
from bridge.store.steps import Query, Rows, Step, ask
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, START
from tests.store.postgres import Server, connected, running_alone, until
from tests.store.scene import Every, wish

QUICK_S = 0.2  # a time limit for what is meant to exceed it
BLOCKED = """SELECT pid FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND application_name = 'poll-bridge'
    AND datname = current_database()"""


KEEPALIVES = """SELECT name FROM pg_settings
WHERE name LIKE 'tcp_keepalives%' AND source = 'session'"""


@asynccontextmanager
async def opened(url: str, **options: float) -> AsyncIterator[Postgres]:
    database = await open_postgres(url, **options)  # type: ignore[arg-type]
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def postgres(url: str) -> AsyncIterator[Postgres]:
    async with opened(url) as database:
        yield database


@pytest.fixture
async def empty(server: Server) -> str:
    """The URL of a database that nobody has migrated yet."""
    return server.url(await server.fresh())


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that may be stopped and misconfigured; each test leaves it in order."""
    with running_alone() as server:
        yield server


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What is logged meanwhile."""
    former = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with capture_logs() as caught:
        yield caught  # type: ignore[misc]
    structlog.configure(**former)


def put(**values: str) -> Step[None]:
    for name, value in values.items():
        yield ask("set_meta", name=name, value=value.encode())


def get(name: str) -> Step[str | None]:
    for row in (yield ask("meta", name=name)):
        found: bytes = row["value"]
        return found.decode()
    return None


@asynccontextmanager
async def locked(url: str, name: str) -> AsyncIterator[asyncpg.Connection]:
    """Another program has this value's row locked, in a transaction that can go on."""
    async with connected(url) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT FROM meta WHERE name = $1 FOR UPDATE", name)
        yield other
        if not other.is_closed():
            await transaction.rollback()


async def blocked(other: asyncpg.Connection) -> None:
    """Wait until one of our statements waits for a lock."""
    await until(lambda: other.fetchval(BLOCKED))


# The text


def test_parameters_are_numbered_in_the_order_of_their_first_use() -> None:
    """One that is used twice is given once."""
    found = translated(
        """-- name: find(a, b)
        SELECT ':a', a::text FROM t
        WHERE b = :b AND (CAST(:a AS TEXT) IS NULL OR a = :a);"""
    )["find"]
    assert found.order == ("b", "a")
    assert found.values({"a": 1, "b": 2}) == [2, 1]
    assert "':a', a::text" in found.sql
    assert "b = $1 AND (CAST($2 AS TEXT) IS NULL OR a = $2)" in found.sql


async def test_every_query_can_be_prepared(url: str) -> None:
    """Tables, columns, types and syntax are right, also of what is asked once a month."""
    async with opened(url), connected(url) as connection:
        refused: dict[str, str] = {}
        for name, statement in statements().items():
            try:
                await connection.prepare(statement.sql)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
    assert not refused


@pytest.mark.parametrize(
    "name",
    ["due_credential", "due_polls", "due_lane", "due_deliveries", "due_deadlines"],
)
def test_a_claim_takes_what_nobody_else_is_taking(name: str) -> None:
    """Two nodes that claim at once must neither wait for each other nor take the same."""
    assert "SKIP LOCKED" in statements()[name].sql


# Steps


async def test_what_a_step_wrote_is_there_for_the_next(postgres: Postgres) -> None:
    await postgres.write(put, a="1")
    assert await postgres.read(get, "a") == "1"
    assert await postgres.scan(get, "a") == "1"
    assert await postgres.read(get, "b") is None


async def test_a_list_of_parameters_runs_the_query_for_each(postgres: Postgres) -> None:
    def put_many() -> Step[int]:
        values = [{"name": str(n), "value": b"x"} for n in range(100)]
        return len((yield Query("set_meta", values)))

    assert await postgres.write(put_many) == 0
    assert await postgres.read(get, "99") == "x"


async def test_a_step_that_fails_undoes_itself_alone(postgres: Postgres) -> None:
    """Its neighbours are other callers' requests."""

    def fail() -> Step[None]:
        yield from put(a="wrong")
        raise RequestError("task_id_invalid", "no")

    async with asyncio.TaskGroup() as group:
        for n in range(8):
            group.create_task(postgres.write(put, **{f"n{n}": "right"}))
        with pytest.raises(RequestError, match="no"):
            await postgres.write(fail)
    assert await postgres.read(get, "a") is None
    assert await postgres.read(get, "n7") == "right"


async def test_a_parameter_that_does_not_fit_is_a_fault_of_the_step(
    postgres: Postgres,
) -> None:
    """It would not fit the next time either: nobody may go on trying."""
    with pytest.raises(asyncpg.DataError):
        await postgres.write(one, ask("set_meta", name="a", value="text"))
    with pytest.raises(asyncpg.DataError):
        await postgres.write(one, ask("meta", name=b"bytes"))
    await postgres.write(put, a="1")


def one(query: Query) -> Step[None]:
    yield query


async def test_a_read_sees_one_moment(postgres: Postgres, url: str) -> None:
    """A page and what it refers to belong together."""
    await postgres.write(put, a="old", b="old")
    seen: list[str | None] = []

    def look() -> Step[None]:
        seen.append((yield from get("a")))
        first.set()
        yield from ask_until(written)
        seen.append((yield from get("b")))

    def ask_until(event: asyncio.Event) -> Step[None]:
        while not event.is_set():
            yield ask("meta", name="c")

    first, written = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(postgres.read(look))
        await first.wait()
        await postgres.write(put, a="new", b="new")
        written.set()
    assert seen == ["old", "old"]
    assert await postgres.read(get, "b") == "new"


# Lanes


async def test_lanes_are_told_last_each_once_and_in_one_order() -> None:
    """So that of two who tell of the same lanes neither waits for the other for ever."""
    asked: list[Query] = []

    async def answer(query: Query) -> Rows:
        asked.append(query)
        return []

    advances = Advances()
    take = advances.held_back(answer)
    for lane_id, name in ((10, "first"), (9, "retry"), (9, "first"), (10, "first")):
        await take(ask(f"advance_{name}", lane_id=lane_id, at=1.0))
    await take(ask("meta", name="a"))
    assert [query.name for query in asked] == ["meta"]
    await advances.tell(answer)
    told = [(query.name, query.params) for query in asked[1:]]
    assert told == [
        ("advance_first", {"lane_id": 9, "at": 1.0}),
        ("advance_retry", {"lane_id": 9, "at": 1.0}),
        ("advance_first", {"lane_id": 10, "at": 1.0}),
    ]


LATE = """SELECT max(c.due_at - p.next_at) FROM credentials c
JOIN poll_schedule p ON p.credential_id = c.id"""


async def due(store: Store) -> Callable[[], Step[Claims[ClaimedPoll]]]:
    """The claim of a watch that was subscribed to, which is due again in 20 s."""
    await store.subscribe(wish("first"), now=START)
    now = START + 1.0
    [lane] = (await store.poll_lanes(now=now, window=Window())).lanes
    picks = [Pick(lane, 10)]
    return partial(claim_polls, store._box, picks, now=now, pace=Every(20.0), in_flight=())


async def test_a_claim_that_ends_after_a_subscribe_leaves_no_lane_late(
    postgres: Postgres, url: str
) -> None:
    """It has not seen the new watch, which was told before the lane's time was put off."""
    store = await store_on(postgres)
    claim_due = await due(store)
    claimed, subscribed = asyncio.Event(), asyncio.Event()

    def claim() -> Step[None]:
        yield from claim_due()
        claimed.set()
        while not subscribed.is_set():
            yield ask("meta", name="a")

    async with asyncio.TaskGroup() as group, connected(url) as other:
        claiming = group.create_task(postgres.write(claim))
        await claimed.wait()
        await store.subscribe(wish("second"), now=START)
        subscribed.set()
        await claiming
        assert await other.fetchval(LATE) == 0.0


HOLD_COMMITS = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON subscriptions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()
"""


async def test_a_claim_that_ends_before_a_subscribe_leaves_no_lane_late(empty: str) -> None:
    """The new watch was told as early as could be, and is told again once it is there."""
    async with opened(empty) as postgres, connected(empty) as other:
        store = await store_on(postgres)
        claim_due = await due(store)
        await other.execute(HOLD_COMMITS)
        await other.execute("SELECT pg_advisory_lock(1)")
        async with asyncio.TaskGroup() as group:
            group.create_task(store.subscribe(wish("second"), now=START))
            await blocked(other)
            assert len((await postgres.write(claim_due)).items) == 1
            await other.execute("SELECT pg_advisory_unlock(1)")
        assert await other.fetchval(LATE) == 0.0


REFUSE_LATER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('statement_timeout') = '0' THEN RAISE 'refused'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON credentials EXECUTE FUNCTION refuse()
"""


async def test_a_lane_that_could_not_be_told_again_is_no_failure(empty: str) -> None:
    """The step is done by then, and must not be reported as if it were not."""
    async with opened(empty, connections=1) as postgres, connected(empty) as other:
        store = await store_on(postgres)
        await other.execute(REFUSE_LATER)
        assert (await store.subscribe(wish(), now=START)).created
        assert not (await store.subscribe(wish(), now=START)).created


async def store_on(postgres: Postgres) -> Store:
    vault = Vault([ENCRYPTION_KEY])
    fingerprints, _ = await postgres.write(open_meta, vault)
    return Store(postgres, Box(vault, fingerprints))


# Others in the way


async def test_a_deadlock_runs_the_step_again(server: Server) -> None:
    """Somebody has to give way, and the caller must not notice who."""
    name = await server.fresh()
    await server.tell(f"ALTER DATABASE {name} SET deadlock_timeout = '400ms'")
    url = server.url(name)
    begun = 0

    def begin() -> Step[None]:
        nonlocal begun
        begun += 1
        return put(a="ours", b="ours")

    async with opened(url) as postgres:
        await postgres.write(put, a="", b="")
        async with locked(url, "b") as other, asyncio.TaskGroup() as group:
            await other.execute("SET deadlock_timeout = '10s'")
            ours = group.create_task(postgres.write(begin))
            await blocked(other)
            await other.execute("UPDATE meta SET value = 'theirs' WHERE name = 'a'")
            assert not ours.done()
            await other.execute("COMMIT; BEGIN")
        assert begun > 1
        assert await postgres.read(get, "a") == "ours"


async def test_deadlocks_without_end_are_no_fault_of_the_step(postgres: Postgres) -> None:
    """The loops wait and try again, as for any other trouble of the database."""
    begun = 0

    def begin() -> Step[None]:
        nonlocal begun
        begun += 1
        yield ask("meta", name="a")
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    with pytest.raises(StoreUnavailable, match="deadlock"):
        await postgres.write(begin)
    assert begun == TRIES


async def test_a_constraint_that_no_repetition_satisfies_is_a_fault_of_the_step(
    postgres: Postgres,
) -> None:
    def begin() -> Step[None]:
        yield ask("add_event", subscription_id=1, sequence=0, type="t", now=0.0, body=b"")

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await postgres.write(begin)


async def test_identical_requests_at_once_make_one_subscription(postgres: Postgres) -> None:
    """Each looks first and finds nothing: the second to write has to look again."""
    store = await store_on(postgres)
    made = await asyncio.gather(*[store.subscribe(wish(), now=START) for _ in range(8)])
    assert sum(one.created for one in made) == 1
    assert len({one.subscription.id for one in made}) == 1


async def test_a_lock_that_is_held_too_long_is_not_waited_for(url: str) -> None:
    """A node that has stopped in the middle must not stop the others for ever."""
    async with opened(url, timeout_s=QUICK_S) as postgres:
        await postgres.write(put, a="old")
        async with locked(url, "a"):
            with pytest.raises(StoreUnavailable, match="timeout"):
                await postgres.write(put, a="new")
        await postgres.write(put, a="new")


async def test_a_transaction_left_open_is_ended_by_the_server(url: str) -> None:
    """A node that lost its power holds its locks no longer than a statement may take."""
    async with opened(url, timeout_s=QUICK_S) as dead, opened(url) as postgres:
        await dead.write(put, a="old")

        def stall() -> Step[None]:
            yield from put(a="dead")
            time.sleep(2 * QUICK_S)  # the node stalls
            yield from put(b="dead")

        with pytest.raises(StoreUnavailable):
            await dead.write(stall)
        await postgres.write(put, a="new")
        assert await postgres.read(get, "b") is None


async def test_who_finds_no_free_connection_is_told_in_time(url: str) -> None:
    async with opened(url, timeout_s=QUICK_S, connections=1) as postgres:
        await postgres.write(put, a="old")
        async with locked(url, "a") as other, asyncio.TaskGroup() as group:
            stuck = group.create_task(failure(postgres, a="new"))
            await blocked(other)
            assert isinstance(await failure(postgres, b="b"), StoreUnavailable)
            assert isinstance(await stuck, StoreUnavailable)
        await postgres.write(put, b="b")


async def failure(postgres: Postgres, **values: str) -> Exception:
    with pytest.raises(StoreUnavailable) as caught:
        await postgres.write(put, **values)
    return caught.value


async def test_a_caller_that_goes_away_leaves_nothing_behind(url: str) -> None:
    """Neither half a step nor a connection in the middle of one."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, what: complaints.append(what)
    )
    async with opened(url, connections=1) as postgres:
        await postgres.write(put, a="old")
        async with locked(url, "a") as other:
            gone = asyncio.create_task(postgres.write(put, b="half", a="new"))
            await blocked(other)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert await postgres.read(get, "a") == "old"
        assert await postgres.read(get, "b") is None
        await postgres.write(put, a="new")
    assert not complaints


# The server


async def test_a_lost_connection_is_survived(postgres: Postgres, url: str) -> None:
    await postgres.write(put, a="old")
    async with locked(url, "a") as other, asyncio.TaskGroup() as group:
        lost = group.create_task(failure(postgres, a="lost"))
        await blocked(other)
        pid = await other.fetchval(BLOCKED)
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        await lost
    await postgres.write(put, b="new")
    assert await postgres.read(get, "a") == "old"


async def test_a_connection_may_be_lost_between_two_statements(
    postgres: Postgres, url: str
) -> None:
    """The pool has taken it back before the step finds out."""

    async def work(connection: asyncpg.Connection) -> None:
        await lose(connection, url)
        await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable, match=r"^the connection was lost$"):
        await postgres._transaction(Kind.of(WRITE, 1.0), work)
    await postgres.write(put, b="new")


async def test_a_connection_may_be_lost_after_the_commit(
    postgres: Postgres, url: str
) -> None:
    """What is told once more then is told by the sweep at last; the step is done."""

    async def work(connection: asyncpg.Connection) -> str:
        await lose(connection, url)
        await postgres._tell_again(connection, advances)
        return "done"

    advances = Advances()
    put_off = advances.held_back(no_rows)
    await put_off(ask("advance_first", lane_id=1, at=0.0))
    assert await postgres._connected(work) == "done"


async def no_rows(query: Query) -> Rows:
    return []


async def lose(connection: asyncpg.Connection, url: str) -> None:
    async with connected(url) as other:
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await until(lambda: taken_back(connection))


async def taken_back(connection: asyncpg.Connection) -> bool:
    await asyncio.sleep(0)
    with suppress(asyncpg.InterfaceError):
        return bool(connection.is_closed())
    return True


async def test_a_server_that_restarts_is_found_again(own: Server) -> None:
    async with opened(own.url(await own.fresh()), timeout_s=2.0) as postgres:
        await postgres.write(put, a="1")
        own.stop()
        try:
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await postgres.write(put, a="2")
                with pytest.raises(StoreUnavailable):
                    await postgres.synced()
        finally:
            own.start()
        assert await postgres.read(get, "a") == "1"
        await postgres.write(put, a="3")
        assert await postgres.synced()


async def test_a_server_that_takes_no_writes_is_not_ready(own: Server) -> None:
    """It is a standby now, or its disk is full and somebody has said so."""
    async with opened(own.url(await own.fresh())) as postgres:
        await postgres.write(put, a="1")
        await own.configure(default_transaction_read_only="on")
        await until(lambda: unready(postgres))
        with pytest.raises(StoreUnavailable, match="read-only"):
            await postgres.write(put, a="2")
        with pytest.raises(StoreUnavailable, match="read-write"):
            await postgres.write(put, a="2")
        with pytest.raises(StoreUnavailable):
            await postgres.synced()
        await own.configure()
        await until(lambda: ready(postgres))
        await postgres.write(put, a="3")


async def ready(postgres: Postgres) -> bool:
    with suppress(StoreUnavailable):
        return await postgres.synced()
    return False


async def unready(postgres: Postgres) -> bool:
    return not await ready(postgres)


async def test_of_several_servers_the_one_that_takes_writes_is_found(
    own: Server,
    server: Server,
) -> None:
    """After a failover: no connection to the former primary is kept."""
    name = await own.fresh()
    await server.tell(f"CREATE DATABASE {name}")
    both = own.url(name, host=f"{own.folder},{server.folder}")
    async with opened(server.url(name)) as second, opened(both) as postgres:
        await asyncio.gather(*[postgres.write(put, a="first") for _ in range(8)])
        assert await second.read(get, "a") is None
        await own.configure(default_transaction_read_only="on")
        try:
            await until(lambda: unready(postgres))
            with pytest.raises(StoreUnavailable, match="read-only"):
                await postgres.write(put, a="second")
            await postgres.write(put, a="second")
        finally:
            await own.configure()
        assert await second.read(get, "a") == "second"


@pytest.mark.parametrize("level", ["off", "local", "remote_write"])
async def test_what_a_role_has_set_makes_no_commit_less_durable(
    server: Server,
    level: str,
) -> None:
    """The 202 was promised by us, not by whoever has made the role."""
    name = await server.fresh()
    await server.tell(f"ALTER DATABASE {name} SET synchronous_commit = {level}")
    async with opened(server.url(name)) as postgres, connected(server.url(name)) as other:
        assert await other.fetchval("SHOW synchronous_commit") == level
        assert await postgres.synced()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_does_not_sync_is_not_ready(own: Server, setting: str) -> None:
    async with opened(own.url(await own.fresh())) as postgres:
        assert await postgres.synced()
        await own.configure(**{setting: "off"})
        await until(lambda: unready(postgres))
        await own.configure()
        await until(postgres.synced)


async def test_a_commit_that_no_standby_confirms_is_not_reported(own: Server) -> None:
    """It waits for the standby however long that takes, and we do not."""
    async with opened(own.url(await own.fresh()), timeout_s=QUICK_S) as postgres:
        await postgres.write(put, a="1")
        await own.configure(synchronous_standby_names="nobody")
        await until(lambda: refused(postgres))
        await own.configure()
        await until(lambda: ready(postgres))
        await postgres.write(put, a="3")


async def refused(postgres: Postgres) -> bool:
    try:
        await postgres.write(put, a="2")
    except StoreUnavailable:
        return True
    return False


async def test_the_time_is_the_databases(postgres: Postgres) -> None:
    """This machine is that of the database too: the one clock is there to compare with."""
    before = time.time()
    assert before - 0.5 < await postgres.time() < time.time() + 0.5


# Opening and migrating


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_of_another_encoding_is_refused(
    server: Server, encoding: str
) -> None:
    """The first task with a Chinese name would be lost in it."""
    name = f"test_{os.getpid()}_{encoding.lower()}"
    await server.tell(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE 'C' "
        "STRATEGY file_copy"
    )
    with pytest.raises(ConfigError, match=f"encoding is {encoding}.*ENCODING 'UTF8'"):
        await open_postgres(server.url(name))
    async with connected(server.url(name)) as other:
        assert not await other.fetchval("SELECT to_regclass('schema_version')")


async def test_nodes_that_start_at_once_migrate_once(empty: str) -> None:
    nodes = await asyncio.gather(*[open_postgres(empty) for _ in range(4)])
    async with connected(empty) as other:
        rows = await other.fetch("SELECT version FROM schema_version ORDER BY version")
    assert [row["version"] for row in rows] == [*range(1, len(migrations("postgres")) + 1)]
    await nodes[0].write(put, a="1")
    assert await nodes[3].read(get, "a") == "1"
    for node in nodes:
        await node.close()


async def test_it_is_told_whom_a_start_waits_for(
    empty: str, lines: list[dict[str, object]]
) -> None:
    """A command that has the database for itself, or a machine that is gone."""

    async def start() -> int:
        async with connected(empty) as node, node.transaction():
            return await apply(node, tell_after_s=0.05)

    async def told() -> bool:
        await asyncio.sleep(0)
        return bool(lines)

    async with asyncio.TaskGroup() as group, held(empty):
        starting = group.create_task(start())
        await until(told)
    assert starting.result() == len(migrations("postgres"))
    [line] = lines
    assert (line["event"], line["program"]) == ("database.held", "poll-bridge")


@pytest.mark.parametrize("begin", [holding.BEGIN, f"BEGIN; {migrating.BEGIN}"])
async def test_the_server_notices_that_whoever_holds_it_is_gone(
    url: str, begin: str
) -> None:
    """After half a minute, not after the two hours of the system: nobody starts before."""
    async with connected(url) as connection:
        await connection.execute(begin)
        assert {row["name"] for row in await connection.fetch(KEEPALIVES)} == {
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_keepalives_count",
        }


async def test_a_migration_waits_for_a_role_that_repeats_its_reads(
    server: Server,
) -> None:
    """Whoever waited for the other's migration must see it."""
    name = await server.fresh()
    await server.tell(
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
    )
    for node in await asyncio.gather(*[open_postgres(server.url(name)) for _ in range(4)]):
        await node.close()


async def test_a_database_of_a_newer_program_is_refused(empty: str) -> None:
    """A downgrade must not write into tables that it does not know."""
    async with opened(empty):
        pass
    async with connected(empty) as other:
        await other.execute("INSERT INTO schema_version VALUES (1000)")
    with pytest.raises(StoreUnavailable, match=r"schema 1000.*run the newer version"):
        await open_postgres(empty)


async def test_a_migration_is_whole_or_not_at_all(empty: str) -> None:
    """Killed or failed half-way, the next start finds the database as it was."""
    async with connected(empty) as other:
        await other.execute("CREATE TABLE attempts (in_the_way INTEGER)")
        with pytest.raises(StoreUnavailable, match='"attempts" already exists'):
            await open_postgres(empty)
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        assert [row["tablename"] for row in await other.fetch(tables)] == ["attempts"]
        await other.execute("DROP TABLE attempts")
    async with opened(empty) as postgres:
        await postgres.write(put, a="1")


COLUMNS = """SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name <> 'schema_version'"""
INDEXES = """SELECT tablename, indexname FROM pg_indexes
WHERE schemaname = current_schema() AND indexname !~ '_(pkey|key)$'"""
SQLITE_COLUMNS = """SELECT m.name, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"""
SQLITE_INDEXES = (
    "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql > ''"
)


async def test_both_databases_have_the_same_tables(empty: str) -> None:
    """The queries are written once, and a move from one to the other leaves nothing out."""
    async with opened(empty), connected(empty) as other:
        columns = {tuple(row) for row in await other.fetch(COLUMNS)}
        indexes = {tuple(row) for row in await other.fetch(INDEXES)}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as sqlite:
        migrate(sqlite)
        assert columns == set(sqlite.execute(SQLITE_COLUMNS))
        assert indexes == set(sqlite.execute(SQLITE_INDEXES))


async def test_a_node_goes_on_while_a_newer_one_migrates(empty: str) -> None:
    """Its statements were planned for the tables as they had been."""
    async with opened(empty) as postgres, connected(empty) as other:
        await postgres.write(put, a="1")
        assert await postgres.read(get, "a") == "1"
        await other.execute("ALTER TABLE meta ADD COLUMN more TEXT NOT NULL DEFAULT ''")
        await postgres.write(put, a="2")
        assert await postgres.read(get, "a") == "2"


@pytest.mark.parametrize(
    "url", ["postgresql://host:port/db", "postgresql://h/db?sslmode=maybe"]
)
async def test_a_url_that_cannot_be_read_is_the_operators_to_mend(url: str) -> None:
    with pytest.raises(ConfigError, match="database: "):
        await open_postgres(url)


async def test_what_cannot_be_opened_is_refused_by_name(
    server: Server,
    tmp_path: Path,
) -> None:
    with pytest.raises(StoreUnavailable, match='"no_such" does not exist'):
        await open_postgres(server.url("no_such"))
    with pytest.raises(StoreUnavailable, match="postgresql: "):
        await open_postgres(f"postgresql:///postgres?host={tmp_path}")


async def test_after_its_end_nothing_is_asked_of_it(url: str) -> None:
    """A late request is no bug."""
    async with opened(url) as postgres:
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        await postgres.read(get, "a")


async def test_closing_does_not_wait_for_ever(url: str) -> None:
    """A step that hangs is cut off; it was not answered yet."""
    postgres = await open_postgres(url, timeout_s=QUICK_S)
    await postgres.write(put, a="old")
    async with locked(url, "a") as other, asyncio.TaskGroup() as group:
        hanging = group.create_task(failure(postgres, a="new"))
        await blocked(other)
        await postgres.close()
        await hanging
