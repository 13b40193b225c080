"""The commands on a PostgreSQL database, some of them beside nodes that are at work."""

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import Result

from bridge.errors import StoreLocked, StoreUnavailable
from bridge.store import Store, SubscriptionFilter, open_store
from bridge.store.migrate import migrations
from bridge.store.postgres.holding import held
from bridge.vault import Vault
from tests.cli.commands import Bridge, environment, finished, invoke
from tests.settings import ENCRYPTION_KEY, ENOUGH
from tests.store.postgres import Server, connected, running_alone
from tests.store.scene import wish

EVERYBODY = SubscriptionFilter(client=None)
LATEST = len(migrations("postgres"))
NEW_KEY = "a-newer-encryption-key-for-tests-of-some-length"
HERE = {
    "BRIDGE_LISTEN": "127.0.0.1:0",
    "BRIDGE_CALLBACKS__ALLOW_NETWORKS": "127.0.0.0/8",
}
LOCKS = """SELECT pid FROM pg_locks WHERE locktype = 'advisory'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


def at(url: str, keys: str = ENCRYPTION_KEY) -> dict[str, str]:
    return ENOUGH | {"BRIDGE_DATABASE": url, "BRIDGE_ENCRYPTION_KEYS": keys}


async def run(*args: str, **env: str) -> Result:
    """On a thread, as a command has an event loop of its own."""
    return await asyncio.to_thread(invoke, *args, env=env)


@asynccontextmanager
async def opened(url: str, keys: Sequence[str] = (ENCRYPTION_KEY,)) -> AsyncIterator[Store]:
    async with open_store(url, Vault(keys)) as (store, _):
        yield store


async def value(url: str, query: str) -> object:
    async with connected(url) as connection:
        return await connection.fetchval(query)


async def test_migrate_makes_the_tables_once(postgres: str) -> None:
    """Deployments run it before the new version starts, each time, beside the old one."""
    made = await run("migrate", **at(postgres))
    assert made.stdout == f"the database has schema {LATEST} now; it had none\n"
    async with opened(postgres) as store:
        await store.beat("node", takes=True, now=await store.database.time(), alive_s=15.0)
        again = await run("migrate", "--json", **at(postgres))
    assert json.loads(again.stdout) == {"schema_before": LATEST, "schema": LATEST}


async def test_check_says_what_serve_would_find_and_changes_nothing(postgres: str) -> None:
    """It is run with another version's configuration, by another role, beside nodes."""
    empty = await run("check", "--offline", **at(postgres))
    assert (empty.exit_code, "has no tables yet" in empty.stdout) == (0, True)
    assert await value(postgres, TABLES) == 0
    await run("migrate", **at(postgres))
    good = await run("check", "--offline", **at(postgres))
    assert "✓ database  opens, and waits for the disk\n" in good.stdout
    newer = at(postgres, f"{NEW_KEY},{ENCRYPTION_KEY}")
    before = await value(postgres, "SELECT value FROM meta WHERE name = 'sealed_with'")
    assert (await run("check", "--offline", **newer)).exit_code == 0
    assert before == await value(
        postgres, "SELECT value FROM meta WHERE name = 'sealed_with'"
    )
    async with opened(postgres) as store:
        await store.beat("node", takes=True, now=await store.database.time(), alive_s=15.0)
        used = await run("check", "--offline", **at(postgres))
    assert "✓ database  opens, and waits for the disk; 1 node up\n" in used.stdout


async def test_check_knows_an_older_and_a_newer_schema(postgres: str) -> None:
    """The older is for `migrate`, the newer for the newer program."""
    await run("migrate", **at(postgres))
    async with connected(postgres) as connection:
        await connection.execute("DELETE FROM schema_version WHERE version > 1")
        older = await run("check", "--offline", **at(postgres))
        put_back = "INSERT INTO schema_version SELECT generate_series(2, $1)"
        await connection.execute(put_back, LATEST)
        await connection.execute("INSERT INTO schema_version VALUES (1000)")
        newer = await run("check", "--offline", **at(postgres))
        await connection.execute("DELETE FROM schema_version WHERE version = 1000")
    assert (older.exit_code, "· database" in older.stdout) == (0, True)
    assert "has an older schema" in older.stdout
    assert (newer.exit_code, "run the newer version" in newer.stdout) == (3, True)


async def test_check_refuses_what_serve_would_refuse(postgres: str) -> None:
    """Keys that do not open it, clients and providers that have work in flight."""
    async with opened(postgres) as store:
        await store.subscribe(wish(), now=await store.database.time())
    lost = await run("check", "--offline", **at(postgres))
    assert lost.exit_code == 2
    assert "✗ config    clients.shop: has work in flight" in lost.stdout
    shut = await run("check", "--offline", **at(postgres, NEW_KEY))
    assert "✗ database  encryption_keys do not open the database" in shut.stdout


@pytest.mark.parametrize(
    ("url", "about", "code"),
    [
        ("postgresql://127.0.0.1:1/bridge", "✗ database  postgresql: ", 3),
        ("postgresql://host:port/bridge", "✗ config    database: ", 2),
    ],
)
def test_check_tells_what_is_wrong_with_the_address(
    url: str, about: str, code: int
) -> None:
    result = invoke("check", "--offline", env=at(url))
    assert (result.exit_code, about in result.stdout) == (code, True)


async def test_check_finds_a_server_that_does_not_sync() -> None:
    """A 202 would mean nothing."""
    with running_alone() as server:
        assert (await run("migrate", **at(server.url()))).exit_code == 0
        await server.configure(fsync="off")
        server.stop()
        server.start()
        result = await run("check", "--offline", **at(server.url()))
    assert (result.exit_code, "does not wait for the disk" in result.stdout) == (3, True)


DRIVERLESS = """
import sys
sys.modules["asyncpg"] = None
from bridge.cli.app import main
sys.argv[1:] = {args}
main()
"""


@pytest.mark.parametrize("command", ["serve", "rekey", "migrate --to"])
def test_without_the_driver_the_fix_is_told(tmp_path: Path, command: str) -> None:
    """It is an extra: who has SQLite does not install it."""
    env = at("postgresql://db/bridge")
    if "--to" in command:
        env |= {"BRIDGE_DATABASE": "sqlite:///bridge.db"}
        command += " postgresql://db/bridge"
    done = subprocess.run(
        [sys.executable, "-c", DRIVERLESS.format(args=command.split())],
        cwd=tmp_path,
        env=environment(**env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'poll-bridge[postgres]'" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_check_without_the_driver_finds_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the other faults, as a finding."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    result = invoke("check", env=at("postgresql://db/bridge"))
    assert (result.exit_code, "✗ config  database: " in result.stdout) == (2, True)


# Backups


async def test_the_backup_that_is_told_of_restores_a_bridge(
    server: Server, tmp_path: Path
) -> None:
    """A command that is pasted at three in the morning has to work."""
    url, restored = [server.url(await server.fresh()) for _ in range(2)]
    async with opened(url) as store:
        made = await store.subscribe(wish(), now=await store.database.time())
    refused = await run("backup", "a copy.dump", **at(url + "&password=s3cret"))
    assert (refused.exit_code, "s3cret" in refused.stderr) == (2, False)
    [command] = [each for each in refused.stderr.splitlines() if "pg_dump" in each]
    for each in (command, f"pg_restore --dbname={shlex.quote(restored)} 'a copy.dump'"):
        path = f"{server.programs}:/bin:/usr/bin"
        shell = await asyncio.create_subprocess_exec(
            "sh", "-c", each, cwd=tmp_path, env=environment(PATH=path)
        )
        assert await shell.wait() == 0
    async with opened(restored) as store:
        [found] = (await store.subscriptions(EVERYBODY, limit=9)).items
        assert found.id == made.subscription.id


def test_a_backup_goes_round_the_pooler() -> None:
    """pg_dump keeps settings for a session, which a pooler would give to others."""
    direct = {"BRIDGE_LISTEN_DATABASE": "postgresql://me:secret@db:5432/bridge"}
    refused = invoke("backup", "x", env=at("postgresql://pooler:6432/bridge") | direct)
    assert "--file=x postgresql://me@db:5432/bridge" in refused.stderr


# Rekeying


async def test_after_a_rekey_the_old_key_is_needed_no_more(
    postgres: str, tmp_path: Path
) -> None:
    both, new = at(postgres, f"{NEW_KEY},{ENCRYPTION_KEY}"), at(postgres, NEW_KEY)
    missing = await run("rekey", **both)
    assert (missing.exit_code, "has no tables yet" in missing.stderr) == (3, True)
    assert await value(postgres, TABLES) == 0
    async with opened(postgres) as store:
        made = await store.subscribe(
            wish(metadata={"a": 1}), now=await store.database.time()
        )
    early = await run("rekey", **new)
    assert (early.exit_code, "sealed with a key" in early.stderr) == (3, True)
    done = await run("rekey", **both)
    assert (done.exit_code, "all open with the first key alone" in done.stdout) == (0, True)
    assert (await run("rekey", **both)).stdout.startswith("0 values encrypted anew")
    async with opened(postgres, [NEW_KEY]) as store:
        found = await store.subscription(made.subscription.id.removeprefix("sub_"), None)
        assert found is not None
        assert found.metadata == {"a": 1}


async def test_a_rekey_tells_of_what_does_not_open(postgres: str) -> None:
    """Whoever takes the old key out now loses what it might have opened."""
    async with opened(postgres) as store:
        await store.subscribe(wish(), now=await store.database.time())
    async with connected(postgres) as connection:
        await connection.execute("UPDATE destinations SET sealed = 'damaged'")
    done = await run("rekey", **at(postgres, f"{NEW_KEY},{ENCRYPTION_KEY}"))
    assert (done.exit_code, done.stderr.startswith("1 are damaged")) == (1, True)
    again = await run("rekey", "--json", **at(postgres, f"{NEW_KEY},{ENCRYPTION_KEY}"))
    assert (again.exit_code, json.loads(again.stdout)) == (1, {"resealed": 0, "lost": 1})


async def test_a_rekey_waits_until_no_node_is_up(postgres: str, tmp_path: Path) -> None:
    """A node without the new key could not open what is sealed with it."""
    both = at(postgres, f"{NEW_KEY},{ENCRYPTION_KEY}")
    with Bridge(tmp_path, **at(postgres), **HERE) as bridge:
        refused = await run("rekey", **both)
        assert (refused.exit_code, "is in use" in refused.stderr) == (3, True)
        assert bridge.stop() == 0
    # It has left no mark either: a node with the old key alone can start again.
    with Bridge(tmp_path, **at(postgres), **HERE) as bridge:
        assert bridge.stop() == 0
    assert (await run("rekey", **both)).exit_code == 0
    code, said = await asyncio.to_thread(finished, "serve", cwd=tmp_path, **at(postgres))
    assert (code, "do not open the database" in said) == (3, True)


async def test_a_node_that_starts_waits_for_the_end_of_a_rekey(postgres: str) -> None:
    """Else it would be past its checks before the new key is in force."""
    async with opened(postgres):
        pass
    started = asyncio.Event()

    async def start() -> None:
        async with opened(postgres):
            started.set()

    async with asyncio.TaskGroup() as group:
        async with held(postgres):
            group.create_task(start())
            async with connected(postgres) as other:
                while not await other.fetchval(LOCKS + " AND NOT granted"):
                    assert not started.is_set()
            with pytest.raises(StoreLocked, match="another command"):
                async with held(postgres):
                    pass
        await started.wait()


async def test_a_hold_that_was_lost_is_told(postgres: str) -> None:
    """Whatever was done in the meantime, it was not done alone."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(held(postgres))
        async with connected(postgres) as other:
            pid = await other.fetchval(LOCKS)
            await other.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(StoreUnavailable):
            await stack.aclose()
