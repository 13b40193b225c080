"""Promise 3: nothing is held while we wait on somebody else's server."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bridge.model import Answer, DeliveryState, SubscriptionState
from bridge.simulator.reactions import Reaction
from bridge.simulator.script import Fault, Step, Task
from bridge.store import Store, SubscriptionFilter
from bridge.store.postgres import Postgres
from bridge.store.sqlite import Sqlite
from tests import world as w
from tests.conftest import FakeClock
from tests.promises.wired import wired
from tests.store.postgres import connected
from tests.world import Gate, World, counted

MANY = 40
LOCKS = """
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE c.relnamespace = current_schema()::regnamespace AND l.pid <> pg_backend_pid()
"""
HOST_SLOTS = 16


async def anything_held(store: Store, url: str) -> bool:
    """A transaction, a lock, or a connection of the pool."""
    database = counted(store).inner
    if isinstance(database, Postgres):
        pool = database._pool
        return pool.get_idle_size() < pool.get_size() or await rows_locked(url)
    assert isinstance(database, Sqlite)
    connections = (database._writer, database._reader, database._scanner)
    in_transaction = [await one.run(lambda it: it.in_transaction) for one in connections]
    return any(in_transaction) or locked(url.removeprefix("sqlite:///"))


def locked(path: str) -> bool:
    """Whether another process could not write to the file this very moment."""
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        other.close()
    return False


async def rows_locked(url: str) -> bool:
    """Whether anybody has so much as read a table in a transaction that is still open."""
    async with connected(url) as other:
        return bool(await other.fetchval(LOCKS))


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def hang(world: World, gate: Gate) -> None:
    """Polls of `slow-…` and deliveries to `slow` hosts wait at the gate."""

    async def provider(task_id: str) -> Answer:
        if task_id.startswith("slow-poll"):
            await gate.wait()
        return w.succeeded(task_id)

    async def receiver(url: str) -> int:
        if "//slow" in url:
            await gate.wait()
        return 200

    world.providers.says, world.receivers.says = provider, receiver
    await asyncio.gather(
        *(world.subscribe(f"slow-poll-{n}") for n in range(MANY)),
        *(world.subscribe(f"told-{n}", host=f"slow{n % 20}.test") for n in range(MANY)),
    )


async def test_no_transaction_is_open_while_eighty_requests_hang(
    world: World, gate: Gate
) -> None:
    """One that were would stop every other caller, and an online backup."""
    await hang(world, gate)
    async with world.running():
        await world.until(lambda: gate.held == 2 * MANY)
        assert not await anything_held(world.store, world.database)
        gate.open()
        await world.until(lambda: len(world.receivers.taken) == 2 * MANY)


async def test_everything_else_goes_on_while_eighty_requests_hang(
    world: World, gate: Gate
) -> None:
    """Subscribe, list, stop, retry, polls and deliveries of others: none of them waits."""
    await hang(world, gate)
    async with world.running():
        await world.until(lambda: gate.held == 2 * MANY)
        quick = await world.subscribe("quick")
        extra = await world.subscribe("extra", host="fine.test")
        wanted = SubscriptionFilter(client="shop", state="active")
        page = await world.store.subscriptions(wanted, limit=100)
        assert quick.id in {one.id for one in page.items}
        await world.until(lambda: len(world.receivers.taken) == 2)
        assert await world.retry(extra)
        await world.until(lambda: len(world.ends(extra)) == 2)
        slow = await world.subscribe("slow-poll-0", path="other")
        assert await world.stop(slow)
        assert gate.held == 2 * MANY
        gate.open()
        await world.until(lambda: len(world.receivers.taken) == 2 * MANY + 2)
    assert (await world.show(slow)).state is SubscriptionState.STOPPED


async def test_what_hangs_can_itself_be_stopped_and_joined(
    world: World, gate: Gate
) -> None:
    """The row that is being asked about, or told of, is no more locked than any other."""
    await hang(world, gate)
    watched = await world.subscribe("slow-poll-0")
    told = await world.subscribe("told-0", host="slow0.test")
    async with world.running():
        await world.until(lambda: gate.held == 2 * MANY)
        joined = await world.subscribe("slow-poll-0", client="blog")
        for one in (watched, told):
            assert await world.stop(one)
        assert (await world.delivery(told)).state is DeliveryState.STOPPED
        gate.open()
        await world.until(lambda: joined.id in world.receivers.taken)
    assert not world.ends(watched)
    assert (await world.show(joined)).state is SubscriptionState.ENDED


async def test_real_servers_that_hang_hold_nothing_either(
    tmp_path: Path, clock: FakeClock, database: str
) -> None:
    """The same through the HTTP client, where a connection could hide behind a session."""
    async with wired(tmp_path, clock, database=database) as node:
        mute = Task(phases=((0.0, Step(fault=Fault.HANG)),))
        node.receiver.script("/mute", [Reaction(delay_s=1e6)])
        for n in range(MANY):
            node.provider.add(f"mute-{n}", mute)
            await node.subscribe(f"mute-{n}", f"{node.receiver.url}/ok")
            await node.subscribe(f"no-url-0s-{n}", f"{node.receiver.url}/mute")
        async with node.running():
            await node.until(
                lambda: (
                    node.provider.mounts[""].in_flight == MANY
                    and len(node.receiver.requests) >= 3 * HOST_SLOTS // 4
                )
            )
            assert not await anything_held(node.bridge.store, database)
            other = await node.subscribe("no-url-0s", f"{node.receiver.url}/ok")
            page = await node.bridge.store.subscriptions(
                SubscriptionFilter(client="shop"), limit=100
            )
            assert page.items[0].id == other.id
            await node.hang_up()
