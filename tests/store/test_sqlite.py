"""What only the SQLite store has: its file, its one writer, and damage done by hand."""

import asyncio
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigError, SealBroken, StoreLocked, StoreUnavailable
from bridge.model import (
    DeliveryState,
    Destination,
    File,
    IdempotencyKey,
    Outcome,
    Reply,
    Result,
    SubscriptionState,
)
from bridge.store import Store, open_store
from bridge.store.sqlite import BATCH, Connection, Sqlite, syncs
from bridge.store.steps import Step, ask
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, START, FakeClock
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GAP_S,
    GONE,
    HOUR,
    Scene,
    key_of,
    pending,
    succeeded,
    wish,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@asynccontextmanager
async def opened(
    path: Path, keys: Sequence[str] = (ENCRYPTION_KEY,)
) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{path}", Vault(keys)) as (store, _):
        yield store


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with opened(path) as store:
        yield store


@pytest.fixture
def database(store: Store) -> Sqlite:
    assert isinstance(store.database, Sqlite)
    return store.database


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as another program sees it."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def damage(path: Path, *statements: str) -> None:
    with raw(path) as connection:
        for statement in statements:
            changed = connection.execute(statement).rowcount
            assert changed, f"no damage was done by {statement}"


def column(path: Path, query: str) -> list[Any]:
    with raw(path) as connection:
        return [row[0] for row in connection.execute(query)]


async def on(connection: Connection, statement: str) -> list[Any]:
    return await connection.run(lambda c: [row[0] for row in c.execute(statement)])


@asynccontextmanager
async def held(database: Sqlite) -> AsyncIterator[None]:
    """The writer's thread is busy with something else in here."""
    begun, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(_connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        gate.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(database._writer.run(hold))
        await begun.wait()
        try:
            yield
        finally:
            gate.set()


@asynccontextmanager
async def traced(database: Sqlite) -> AsyncIterator[list[str]]:
    """The statements that the writer's connection runs in here."""
    seen: list[str] = []
    await database._writer.run(lambda c: c.set_trace_callback(seen.append))
    yield seen
    await database._writer.run(lambda c: c.set_trace_callback(None))


async def soon() -> None:
    """Let every task that can go on do so, up to where it waits for the thread."""
    for _ in range(5):
        await asyncio.sleep(0)


def put(name: str, *, then: Callable[[], None] = lambda: None) -> Step[str]:
    """Write a value, do something, write another one."""
    yield ask("set_meta", name=name, value=b"1")
    then()
    yield ask("set_meta", name=f"{name}-too", value=b"2")
    return name


def names() -> Step[set[str]]:
    """What `put` has written."""
    found: set[str] = set()
    for name in ("a", "a-too", "b", "b-too", "c", "c-too"):
        if (yield ask("meta", name=name)):
            found.add(name)
    return found


# One writer, group commit


async def test_writes_that_wait_share_one_transaction(database: Sqlite) -> None:
    """One sync to disk for all: this is what makes durable subscribes cheap."""
    async with traced(database) as seen, asyncio.TaskGroup() as group, held(database):
        writes = [group.create_task(database.write(put, f"n-{n}")) for n in range(100)]
        await soon()
    assert [write.result() for write in writes] == [f"n-{n}" for n in range(100)]
    assert seen.count("COMMIT") == 1


async def test_a_transaction_takes_no_more_than_a_batch(database: Sqlite) -> None:
    """The last of thousands must not wait for all of them."""
    async with traced(database) as seen, asyncio.TaskGroup() as group, held(database):
        for n in range(BATCH + 1):
            group.create_task(database.write(put, f"n-{n}"))
        await soon()
    assert seen.count("COMMIT") == 2


async def test_a_step_that_fails_undoes_itself_alone(database: Sqlite) -> None:
    """One bad item never rolls back its neighbours."""

    def fail() -> None:
        raise KeyError("a fault of its own")

    async with traced(database) as seen:
        async with held(database):
            three = asyncio.gather(
                database.write(put, "a"),
                database.write(put, "b", then=fail),
                database.write(put, "c"),
                return_exceptions=True,
            )
            await soon()
        a, b, c = await three
    assert (a, c) == ("a", "c")
    assert isinstance(b, KeyError)
    assert seen.count("COMMIT") == 1
    assert await database.read(names) == {"a", "a-too", "c", "c-too"}


async def test_a_violated_constraint_is_its_own_steps_fault(database: Sqlite) -> None:
    """The database guards what must not be; the neighbours have done nothing wrong."""

    def broken() -> Step[None]:
        yield ask("set_meta", name="b", value=None)

    async with held(database):
        two = asyncio.gather(
            database.write(broken), database.write(put, "a"), return_exceptions=True
        )
        await soon()
    fault, fine = await two
    assert isinstance(fault, sqlite3.IntegrityError)
    assert fine == "a"


async def test_a_write_that_is_cancelled_loses_nothing(database: Sqlite) -> None:
    """A client that hangs up takes neither its own write apart nor anybody else's."""
    async with held(database):
        first, second, third = (
            asyncio.create_task(database.write(put, name)) for name in ("a", "b", "c")
        )
        await soon()
        second.cancel()
        await soon()
    assert (await first, await third) == ("a", "c")
    with pytest.raises(asyncio.CancelledError):
        await second
    found = await database.read(names)
    assert {"a", "a-too", "c", "c-too"} <= found
    assert ("b" in found) == ("b-too" in found)
    assert await database.write(put, "d") == "d"


async def test_a_read_sees_only_what_is_committed(database: Sqlite) -> None:
    """And it waits for nobody: readers have a connection of their own."""
    begun, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def pause() -> None:
        loop.call_soon_threadsafe(begun.set)
        gate.wait()

    write = asyncio.create_task(database.write(put, "a", then=pause))
    await begun.wait()
    try:
        assert await database.read(names) == set()
    finally:
        gate.set()
    await write
    assert await database.read(names) == {"a", "a-too"}


async def test_a_read_is_one_snapshot(database: Sqlite) -> None:
    """Rows of one answer fit together, whatever is committed meanwhile."""
    begun, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def twice() -> Step[tuple[bool, bool]]:
        before = yield ask("meta", name="a")
        loop.call_soon_threadsafe(begun.set)
        gate.wait()
        after = yield ask("meta", name="a")
        return bool(before), bool(after)

    read = asyncio.create_task(database.read(twice))
    await begun.wait()
    try:
        await database.write(put, "a")
    finally:
        gate.set()
    assert await read == (False, False)


async def test_a_read_that_fails_leaves_the_reader_usable(database: Sqlite) -> None:
    def broken() -> Step[None]:
        yield ask("meta", name="a")
        raise KeyError("a fault of its own")

    with pytest.raises(KeyError):
        await database.read(broken)
    assert await database.read(names) == set()


async def test_a_mistake_of_ours_is_not_taken_for_a_failing_disk(
    database: Sqlite,
) -> None:
    """Else a bug would look like an outage, and be waited for."""

    def mistaken() -> Step[None]:
        yield ask("meta", name=object())

    for run in (database.read, database.write):
        with pytest.raises((sqlite3.ProgrammingError, sqlite3.InterfaceError)):
            await run(mistaken)
    assert await database.read(names) == set()


# Durability


async def test_every_connection_waits_for_the_disk(database: Sqlite) -> None:
    """`synchronous=FULL` in WAL mode: a commit that returned survives a power cut."""
    for connection in (database._writer, database._reader):
        assert await on(connection, "PRAGMA synchronous") == [2]
        assert await on(connection, "PRAGMA journal_mode") == ["wal"]
        assert await on(connection, "PRAGMA foreign_keys") == [1]
    assert await database.synced()


async def test_nothing_is_written_elsewhere(database: Sqlite) -> None:
    """In a container with a read-only root there is no place for temporary files; SQLite
    would fail where a statement needs one.
    """
    for connection in (database._writer, database._reader, database._scanner):
        assert await on(connection, "PRAGMA temp_store") == [2]  # in memory


@pytest.mark.parametrize("which", ["_writer", "_reader"])
@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
async def test_a_connection_that_does_not_wait_is_noticed(
    database: Sqlite, which: str, level: str
) -> None:
    """Readiness refuses a database that does not sync."""
    await on(getattr(database, which), f"PRAGMA synchronous = {level}")
    assert not await database.synced()


def test_a_database_out_of_wal_mode_is_noticed(tmp_path: Path) -> None:
    """Some file systems cannot do it, and SQLite falls back without an error."""
    with raw(tmp_path / "other.db") as connection:
        connection.execute("PRAGMA synchronous = FULL")
        assert not syncs(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        assert syncs(connection)


async def test_a_full_disk_is_refused_with_nothing_written(
    store: Store, database: Sqlite, clock: FakeClock
) -> None:
    """Better a 503 than a 202 that is not on disk; and it goes on when there is room."""
    scene = Scene(store, clock)
    first = await scene.add("first", metadata={"order": 7})
    [pages] = await on(database._writer, "PRAGMA page_count")
    await on(database._writer, f"PRAGMA max_page_count = {pages}")
    large = {"metadata": {"large": "x" * 16_000}}
    refused = await asyncio.gather(
        *(scene.subscribe(f"task-{n}", **large) for n in range(5)), return_exceptions=True
    )
    assert {type(one) for one in refused} == {StoreUnavailable}
    assert [key_of(one) for one in await scene.list_subscriptions()] == [first]
    await on(database._writer, "PRAGMA max_page_count = 1000000")
    assert (await scene.subscribe("task-0", **large)).created
    assert (await scene.show(first)).metadata == {"order": 7}
    assert await store.sweep(now=scene.now) == 0


async def test_a_failing_disk_is_refused_with_nothing_written(
    store: Store, path: Path, clock: FakeClock
) -> None:
    """The operating system refuses to write: here by a limit on the size of files."""
    scene = Scene(store, clock)
    first = await scene.add("first")
    wal = path.with_name("bridge.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN, "Python ignores it"
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal, hard))
    try:
        with pytest.raises(StoreUnavailable):
            await scene.subscribe("second", metadata={"large": "x" * 16_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [key_of(one) for one in await scene.list_subscriptions()] == [first]
    assert (await scene.subscribe("second")).created
    assert await store.sweep(now=scene.now) == 0


async def test_a_damaged_page_is_no_crash(path: Path, clock: FakeClock) -> None:
    """Loops wait and readiness tells: a process that dies at each try tells nobody."""
    async with opened(path) as store:
        await Scene(store, clock).add()
    [root] = column(path, "SELECT rootpage FROM sqlite_master WHERE name = 'subscriptions'")
    [size] = column(path, "PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    async with opened(path) as store:
        scene = Scene(store, clock)
        with pytest.raises(StoreUnavailable, match="malformed"):
            await scene.list_subscriptions()
        with pytest.raises(StoreUnavailable, match="malformed"):
            await scene.subscribe("other")
        await store.note_time(scene.now)


async def test_after_close_a_late_request_is_told_so(path: Path, clock: FakeClock) -> None:
    """A request that outlives the shutdown's grace is not a bug in a log."""
    async with opened(path) as store:
        scene = Scene(store, clock)
    with pytest.raises(StoreUnavailable, match="closed"):
        await scene.subscribe()
    with pytest.raises(StoreUnavailable, match="closed"):
        await scene.list_subscriptions()


async def test_what_waits_at_close_is_still_written(path: Path, clock: FakeClock) -> None:
    """Nothing that was handed to the store is dropped by closing it."""
    async with opened(path) as store:
        assert isinstance(store.database, Sqlite)
        async with held(store.database):
            late = asyncio.create_task(Scene(store, clock).subscribe())
            await soon()
    key = key_of(await late)
    async with opened(path) as store:
        assert await store.subscription(key, None) is not None


# The file


async def test_a_second_opening_is_refused(store: Store, path: Path) -> None:
    """Two bridges on one file would send everything twice."""
    with pytest.raises(StoreLocked, match="in use"):
        async with opened(path):
            pass
    await store.note_time(START)


async def test_a_second_process_is_refused_until_the_first_is_gone(path: Path) -> None:
    """Also when the first is killed: nothing is left to unlock by hand."""
    program = f"""
import asyncio
from bridge.store import open_store
from bridge.vault import Vault

async def main():
    async with open_store("sqlite:///{path}", Vault(["{ENCRYPTION_KEY}"])):
        print("open", flush=True)
        input()

asyncio.run(main())
"""
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        assert await other.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked):
            async with opened(path):
                pass
    finally:
        other.kill()
        await other.communicate()
    async with opened(path) as store:
        await store.note_time(START)


async def test_the_file_is_for_its_owner_only(store: Store, path: Path) -> None:
    """It holds sealed secrets, and task ids in plain text."""
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_a_file_of_another_encryption_key_does_not_open(path: Path) -> None:
    """Found at the start, and not at the first secret that is needed."""
    async with opened(path):
        pass
    with pytest.raises(SealBroken):
        async with opened(path, ["another-encryption-key-of-40-characters-1"]):
            pass
    async with opened(path) as store:
        await store.note_time(START)


async def test_a_file_of_a_newer_program_is_refused(path: Path) -> None:
    """A downgrade must not write into tables that it does not know."""
    async with opened(path):
        pass
    with raw(path) as connection:
        [version] = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
    with pytest.raises(StoreUnavailable, match="run the newer version"):
        async with opened(path):
            pass
    with raw(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    async with opened(path) as store:
        await store.note_time(START)


async def test_a_migration_is_whole_or_not_at_all(path: Path) -> None:
    """Killed or failed half-way, the next start finds the file as it was."""
    with raw(path) as connection:
        connection.execute("CREATE TABLE attempts (in_the_way INTEGER)")
    with pytest.raises(StoreUnavailable, match="attempts already exists"):
        async with opened(path):
            pass
    assert column(path, "SELECT name FROM sqlite_master") == ["attempts"]
    assert column(path, "PRAGMA user_version") == [0]
    with raw(path) as connection:
        connection.execute("DROP TABLE attempts")
    async with opened(path) as store:
        await store.note_time(START)


async def test_opening_again_changes_nothing(path: Path, clock: FakeClock) -> None:
    async with opened(path) as store:
        key = await Scene(store, clock).add()
    before = column(path, "SELECT sql FROM sqlite_master")
    async with opened(path) as store:
        assert await store.subscription(key, "shop") is not None
    assert column(path, "SELECT sql FROM sqlite_master") == before


async def test_the_time_that_was_reached_is_known_at_the_next_start(path: Path) -> None:
    """A machine that comes back with its clock behind goes on from there."""
    url, vault = f"sqlite:///{path}", Vault([ENCRYPTION_KEY])
    async with open_store(url, vault) as (store, reached):
        assert reached == (0.0, 0.0)
        await store.note_time(START + 0.123456)
        await store.note_time(START + 7.654321, believed=START + 5.0)
    async with open_store(url, vault) as (_, reached):
        assert reached == (START + 7.654321, START + 5.0)


@pytest.mark.parametrize("kind", ["directory", "no directory", "not a database"])
async def test_what_cannot_be_opened_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    """The path is in the message: it is the first thing to check."""
    path = tmp_path / "there" / "bridge.db"
    if kind == "directory":
        path.mkdir(parents=True)
    elif kind == "not a database":
        path.parent.mkdir()
        path.write_text("these are our notes, and they are worth more than a bridge" * 20)
    with pytest.raises(StoreUnavailable, match=r"bridge\.db"):
        async with opened(path):
            pass
    if kind == "not a database":
        assert path.read_text().startswith("these are our notes")


@pytest.mark.parametrize(
    "url",
    ["mysql://db", "sqlite://", "sqlite:///", "sqlite://bridge.db", "bridge.db", ""],
)
async def test_a_url_of_no_known_kind_is_the_operators_to_mend(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///bridge\.db"):
        async with open_store(url, Vault([ENCRYPTION_KEY])):
            pass


async def test_no_secret_is_readable_in_the_file(path: Path, clock: FakeClock) -> None:
    """Whoever gets a backup gets no key, no callback URL, no link and no answer."""
    secret = "S3CR3T"  # marks every value that is one
    async with opened(path) as store:
        scene = Scene(store, clock)
        given = wish(
            task_id="in-plain-text",
            destination=Destination(
                url=f"https://app.test/{secret}", host="app.test", headers={"X": secret}
            ),
            provider_key=f"sk-{secret}",
            signing_secrets=(f"whsec_{secret}",),
            metadata={"m": secret},
            events=("task.ended", "task.updated"),
            include_raw=True,
        )
        idempotency = IdempotencyKey(route="r", key=secret, body=secret.encode())
        key = key_of(await store.subscribe(given, now=scene.now, idempotency=idempotency))
        await scene.poll(pending(progress=1, raw={"r": secret}))
        reply = Reply(outcome=BROKEN.outcome, http_status=500, body=secret.encode())
        await scene.deliver(reply)
        assert secret.encode() not in contents(path)
        seen = succeeded(
            result=Result(
                files=(File(kind="video", provider_url=f"https://cdn.test/{secret}"),),
                details={"d": secret},
            ),
            raw={"r": secret},
        )
        await scene.poll(seen, after_s=GAP_S)
        await scene.deliver(reply)
        await scene.deliver(ACCEPTED, after_s=HOUR)
        assert secret in repr((await scene.show(key)).event)
        assert secret.encode() not in contents(path)
        assert b"in-plain-text" in contents(path)
    assert secret.encode() not in contents(path)


def contents(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


async def test_a_wiped_key_is_gone_from_its_row(path: Path, clock: FakeClock) -> None:
    """Sealed or not: what is of no more use is not kept."""
    query = "SELECT sealed FROM credentials"
    async with opened(path) as store:
        scene = Scene(store, clock)
        await scene.add("a", provider_key="sk-own")
        await scene.add("b", provider_key="sk-own")
        assert column(path, query) != [None]
        scene.later(1.0)
        first, second = await scene.claim_polls()
        await scene.answer(first, succeeded())
        assert column(path, query) != [None]
        await scene.answer(second, succeeded())
        assert column(path, query) == [None]
        late = await scene.subscribe("a", provider_key="sk-own", metadata={"n": 2})
        assert late.subscription.outcome is Outcome.SUCCEEDED
        assert column(path, query) == [None]


async def test_a_key_is_wiped_when_the_last_subscriber_leaves(
    path: Path, clock: FakeClock
) -> None:
    async with opened(path) as store:
        scene = Scene(store, clock)
        keys = [await scene.add(provider_key="sk-own", metadata={"n": n}) for n in (1, 2)]
        await scene.stop(keys[0])
        assert column(path, "SELECT sealed FROM credentials") != [None]
        await scene.stop(keys[1])
        assert column(path, "SELECT sealed FROM credentials") == [None]


async def test_pruning_leaves_no_row_behind(path: Path, clock: FakeClock) -> None:
    """A year of strangers' hosts, keys and tasks must not be found in the file."""
    async with opened(path) as store:
        scene = Scene(store, clock)
        await scene.add("a", provider_key="sk-own", events=("task.ended", "task.updated"))
        await scene.poll(pending(progress=1))
        await scene.deliver(ACCEPTED)
        await scene.poll(succeeded(), after_s=GAP_S)
        await scene.deliver(BROKEN)
        await scene.deliver(ACCEPTED, after_s=5.0)
        await store.prune(before=scene.now + 1)
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        for table in column(path, tables):
            if table not in ("meta", "sqlite_sequence"):
                query = f"SELECT count(*) FROM {table}"  # noqa: S608 - names of ours
                assert column(path, query) == [0], table


async def test_a_restored_backup_repeats_its_ids(path: Path, clock: FakeClock) -> None:
    """Receivers that remember ids see each event once, however old the backup is."""
    copy = path.with_name("restored.db")
    ids: list[set[str]] = []
    async with opened(path) as store:
        scene = Scene(store, clock)
        await scene.add("a", events=("task.ended", "task.updated"))
        await scene.ended("b")
        with raw(path) as source, raw(copy) as target:
            source.backup(target)
        ids.append(await ids_told(scene))
    async with opened(copy) as store:
        scene = Scene(store, clock)
        scene.later(DAY)
        await store.begin(now=scene.now)
        ids.append(await ids_told(scene))
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3


async def ids_told(scene: Scene) -> set[str]:
    told = [await scene.deliver(ACCEPTED)]
    await scene.poll(pending(progress=5), after_s=GAP_S)
    told += [await scene.deliver(ACCEPTED)]
    await scene.poll(succeeded(), after_s=GAP_S)
    told += [await scene.deliver(ACCEPTED)]
    return {claimed.message_id for claimed in told}


# The sweep: each kind of damage, done by hand and repaired


async def repairs(scene: Scene) -> int:
    """How much the sweep repaired; a second one finds nothing."""
    repaired = await scene.store.sweep(now=scene.now)
    assert await scene.store.sweep(now=scene.now) == 0
    return repaired


@pytest.fixture
def scene(store: Store, clock: FakeClock) -> Scene:
    return Scene(store, clock)


async def test_a_subscription_without_a_scheduled_watch_is_scheduled(
    scene: Scene, path: Path
) -> None:
    key = await scene.add()
    damage(path, "DELETE FROM poll_schedule")
    assert await repairs(scene) == 1
    assert await scene.poll(succeeded()) == [key]


async def test_two_subscriptions_of_one_lost_watch_are_both_found(
    scene: Scene, path: Path
) -> None:
    updated = ("task.ended", "task.updated")
    keys = {await scene.add(), await scene.add(events=updated, include_raw=True)}
    damage(path, "DELETE FROM poll_schedule")
    assert await repairs(scene) == 2
    claimed = await scene.claim_poll()
    assert (claimed.wants_updates, claimed.wants_raw) == (True, True)
    assert set(await scene.answer(claimed, succeeded())) == keys


RESURRECT = (
    "DELETE FROM delivery_schedule",
    "DELETE FROM deliveries",
    "DELETE FROM events",
    """UPDATE subscriptions SET state = 'active', outcome = NULL, finished_at = NULL,
    check_at = deadline_at""",
)


async def test_a_subscription_that_missed_the_end_is_told(scene: Scene, path: Path) -> None:
    key = await scene.ended(metadata={"order": 7})
    damage(path, *RESURRECT)
    assert await repairs(scene) == 1
    shown = await scene.show(key)
    assert shown.outcome is Outcome.SUCCEEDED
    assert shown.event is not None
    assert shown.event["data"]["metadata"] == {"order": 7}
    assert (await scene.claim_delivery()).message_id == f"msg_{key}_0"


async def test_all_who_missed_the_same_end_are_told(scene: Scene, path: Path) -> None:
    await scene.add("a", metadata={"n": 1})
    await scene.ended("a")
    damage(path, *RESURRECT)
    assert await repairs(scene) == 2
    assert len(await scene.claim_deliveries()) == 2


async def test_a_missed_end_that_is_forgotten_is_asked_for_again(
    scene: Scene, path: Path
) -> None:
    key = await scene.ended()
    damage(path, *RESURRECT, "UPDATE watches SET answer = NULL, memory_until = NULL")
    assert await repairs(scene) == 1
    assert await scene.poll(succeeded()) == [key]


async def test_a_subscription_without_a_deadline_has_it_back(
    scene: Scene, path: Path
) -> None:
    key = await scene.add(deadline_s=10.0)
    damage(path, "UPDATE subscriptions SET check_at = NULL")
    assert await repairs(scene) == 1
    scene.later(10.0)
    await scene.check_deadlines()
    assert await scene.poll(pending(), after_s=0.0) == [key]


async def test_an_end_without_a_delivery_is_owed(scene: Scene, path: Path) -> None:
    """The same id, so that one that was sent before is known."""
    key = await scene.ended()
    damage(path, "DELETE FROM delivery_schedule", "DELETE FROM deliveries")
    assert await repairs(scene) == 1
    claimed = await scene.deliver(ACCEPTED, after_s=2.0)
    assert claimed.message_id == f"msg_{key}_0"
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


async def test_a_key_that_no_task_needs_is_wiped(scene: Scene, path: Path) -> None:
    """What is not there cannot be stolen."""
    key = await scene.add("a", provider_key="sk-own")
    damage(path, "CREATE TABLE kept AS SELECT sealed FROM credentials")
    await scene.stop(key)
    damage(path, "UPDATE credentials SET sealed = (SELECT sealed FROM kept)")
    assert await repairs(scene) == 1


async def test_an_attempt_in_a_lane_that_is_not_there_is_made(
    scene: Scene, path: Path
) -> None:
    """Nothing looks for it there, and an attempt by hand stands in the way of a new one."""
    key = await scene.ended()
    await scene.retry(key)
    damage(path, "UPDATE delivery_schedule SET lane_id = 1000")
    assert await repairs(scene) == 2
    scene.later(2.0)
    assert len(await scene.claim_deliveries()) == 1
    scene.later(HOUR)
    assert len(await scene.claim_deliveries()) == 1


async def test_an_end_that_was_filtered_is_not_owed_by_a_repair(
    scene: Scene, path: Path
) -> None:
    key = await scene.ended(events=("task.failed",))
    damage(path, "DELETE FROM deliveries")
    assert await repairs(scene) == 1
    assert (await scene.delivery(key)).state is DeliveryState.FILTERED


async def test_an_end_for_a_receiver_that_is_gone_is_not_sent_by_a_repair(
    scene: Scene, path: Path
) -> None:
    key = await scene.ended()
    await scene.deliver(GONE)
    damage(path, "DELETE FROM attempts", "DELETE FROM deliveries")
    assert await repairs(scene) == 1
    assert (await scene.delivery(key)).state is DeliveryState.GONE
    assert not await scene.claim_deliveries()


@pytest.mark.parametrize("tries", [0, 1])
async def test_a_delivery_that_is_not_scheduled_is_scheduled(
    scene: Scene, path: Path, tries: int
) -> None:
    key = await scene.ended()
    for _ in range(tries):
        await scene.deliver(BROKEN)
    damage(path, "DELETE FROM delivery_schedule")
    assert await repairs(scene) == 1
    claimed = await scene.deliver(ACCEPTED, after_s=2.0)
    assert (claimed.message_id, claimed.attempt) == (f"msg_{key}_0", tries + 1)
    assert not claimed.manual


async def test_a_watch_that_nobody_waits_for_rests(scene: Scene, path: Path) -> None:
    """Its key is wiped with it."""
    await scene.add(provider_key="sk-own")
    damage(
        path,
        """UPDATE subscriptions SET state = 'stopped', finished_at = 1, identity = NULL,
        check_at = NULL""",
    )
    assert await repairs(scene) == 1
    scene.later(DAY)
    assert not await scene.claim_polls()
    assert column(path, "SELECT sealed FROM credentials") == [None]


async def test_a_watch_that_has_ended_is_not_polled_on(scene: Scene, path: Path) -> None:
    await scene.ended()
    damage(
        path,
        """INSERT INTO poll_schedule (watch_id, credential_id, next_at, claim_no, born_at)
        SELECT id, credential_id, 0, 1, 0 FROM watches""",
    )
    assert await repairs(scene) == 1
    assert not await scene.claim_polls()


async def test_the_sweep_repairs_at_most_a_chunk_at_a_time(
    scene: Scene, path: Path
) -> None:
    """It must not hold up everybody because much is broken."""
    for n in range(501):
        await scene.add(f"task-{n}")
    damage(path, "DELETE FROM poll_schedule")
    assert await scene.store.sweep(now=scene.now) == 500
    assert await repairs(scene) == 1


async def test_a_constraint_keeps_a_second_end_out(scene: Scene, path: Path) -> None:
    """Sequence 0 is the end: the schema itself allows one."""
    await scene.ended()
    with raw(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO events SELECT * FROM events")
    with raw(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE subscriptions SET outcome = NULL")
    assert [s.state for s in await scene.list_subscriptions()] == [SubscriptionState.ENDED]
