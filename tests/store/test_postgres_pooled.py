"""Behind PgBouncer in transaction mode, where each transaction has another connection."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.errors import StoreLocked, StoreUnavailable
from bridge.store import Store, open_store
from bridge.store.box import Box
from bridge.store.contents import Contents
from bridge.store.meta import check_opens, open_meta
from bridge.store.migrate import migrations
from bridge.store.postgres import open_postgres
from bridge.store.postgres.filling import fill
from bridge.store.postgres.holding import held
from bridge.store.postgres.looking import looking
from bridge.store.steps import Query, Step, ask
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, START
from tests.store.postgres import Server, connected, until
from tests.store.scene import wish

PROGRAM = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
PORT = 6432  # names the socket only
SETTINGS = """
[databases]
* = host={server} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""

pytestmark = pytest.mark.skipif(
    PROGRAM is None and os.environ.get("CI") != "true",  # there nothing is left out
    reason="PgBouncer is not installed: apt-get install pgbouncer",
)


@contextmanager
def pooling(server: Server) -> Iterator[Path]:
    """PgBouncer before this server; where its socket is."""
    assert PROGRAM is not None, "PgBouncer is not installed: apt-get install pgbouncer"
    with tempfile.TemporaryDirectory(prefix="bridge-pgbouncer-") as made:
        folder = Path(made)
        folder.chmod(0o777)  # for root, PgBouncer is another user
        settings = folder / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(server=server.folder, folder=folder, port=PORT))
        with subprocess.Popen(
            [PROGRAM, "-q", settings], user=server.user, stderr=subprocess.DEVNULL
        ) as pooler:
            try:
                yield folder
            finally:
                pooler.kill()


@pytest.fixture
async def url(server: Server) -> AsyncIterator[str]:
    """Of an empty database, through PgBouncer."""
    name = await server.fresh()
    await server.tell(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pooling(server) as folder:
        url = f"postgresql://postgres@/{name}?host={folder}&port={PORT}"
        await until(lambda: answers(url))
        yield url


async def answers(url: str) -> bool:
    try:
        async with connected(url):
            return True
    except OSError:
        return False


def count_up(name: str) -> Step[int]:
    rows = yield ask("meta", name=name)
    count = int(rows[0]["value"]) + 1 if rows else 1
    values = [{"name": name, "value": b"%d" % each} for each in range(count + 1)]
    yield Query("set_meta", values)
    return count


async def test_steps_share_few_connections_of_the_server(url: str) -> None:
    """What one of them has prepared is not there for the next; nothing may rely on it."""

    async def work(name: str) -> int:
        return [await postgres.write(count_up, name) for _ in range(20)][-1]

    postgres = await open_postgres(url, timeout_s=5.0)
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work(f"worker-{n}")) for n in range(8)]
        for _ in range(20):
            assert await postgres.scan(read, "nobody") is None
            assert abs(await postgres.time() - time.time()) < 1.0
    assert [worker.result() for worker in workers] == [20] * 8
    assert await postgres.read(read, "worker-7") == b"20"
    await postgres.close()


def read(name: str) -> Step[bytes | None]:
    for row in (yield ask("meta", name=name)):
        value: bytes = row["value"]
        return value
    return None


async def test_what_is_told_after_a_commit_needs_no_connection_of_its_own(url: str) -> None:
    """A statement outside of a transaction would be prepared here and run there."""
    vault, postgres = Vault([ENCRYPTION_KEY]), await open_postgres(url)
    fingerprints, _ = await postgres.write(open_meta, vault)
    store = Store(postgres, Box(vault, fingerprints))
    async with asyncio.TaskGroup() as group:
        for n in range(32):
            group.create_task(store.subscribe(wish(f"task-{n}"), now=START))
    assert await store.active_counts() == {"shop": 32}
    await postgres.close()


async def test_a_commit_waits_for_the_disk_whoever_had_the_connection(url: str) -> None:
    """The database's own setting is another, and settings of a session do not stay."""
    postgres = await open_postgres(url)
    assert all(await asyncio.gather(*[postgres.synced() for _ in range(8)]))
    await postgres.close()


async def test_a_lock_that_is_held_too_long_is_not_waited_for(url: str) -> None:
    """The limit is the server's too, which the pooler does not cut off."""
    postgres = await open_postgres(url, timeout_s=0.2)
    await postgres.write(count_up, "a")
    async with connected(url) as other, other.transaction():
        await other.execute("UPDATE meta SET value = '7' WHERE name = 'a'")
        with pytest.raises(StoreUnavailable, match="timeout"):
            await postgres.write(count_up, "a")
    assert await postgres.write(count_up, "a") == 8
    await postgres.close()


async def test_a_database_is_looked_at_and_held(url: str) -> None:
    """Commands are given the URL that the nodes have."""
    async with looking(url) as look:
        assert await look.schema() == 0
    postgres = await open_postgres(url)
    vault = Vault([ENCRYPTION_KEY])
    await postgres.write(open_meta, vault)
    async with held(url), looking(url) as look:
        assert await look.schema() == len(migrations("postgres"))
        assert await look.synced()
        assert await look.nodes(alive_s=15.0) == 0
        await look.read(check_opens(vault))
        with pytest.raises(StoreLocked):
            async with held(url):
                pass
    async with held(url):
        await postgres.close()


async def test_a_database_is_filled(url: str, tmp_path: Path) -> None:
    vault = Vault([ENCRYPTION_KEY])
    async with open_store(f"sqlite:///{tmp_path / 'bridge.db'}", vault) as (store, _):
        await store.subscribe(wish(), now=START)
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
        counts = await fill(url, Contents(connection))
    assert counts["subscriptions"] == 1
    async with open_store(url, vault) as (store, _):
        assert await store.active_counts() == {"shop": 1}
