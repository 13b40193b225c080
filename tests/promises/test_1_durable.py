"""Promise 1: a 202 means durable, whatever becomes of process, power or disk."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bridge.assembly import Current, built
from bridge.clock import SystemClock
from bridge.config import Config
from bridge.messages.ids import message_id
from bridge.providers.configured import configured
from bridge.service import take_over
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.store import open_store
from bridge.store.sqlite import Sqlite
from bridge.store.timed import Timed
from bridge.vault import Vault
from tests.promises.node import OPERATOR, Node, settings
from tests.promises.shim import Disk

IN_TURN, AT_ONCE = 20, 64


async def test_the_disk_has_it_before_the_caller_has_its_202(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """A SIGKILL keeps the page cache, so only the order of system calls can tell."""
    disk = Disk(tmp_path)
    async with Node(tmp_path, settings(provider.url), **disk.environment) as node:
        await node.start()
        for number in range(IN_TURN):
            await node.promised(f"slow-60s-{number}", "http://127.0.0.1:9/")
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(
                    node.promised(f"slow-60s-x{number}", "http://127.0.0.1:9/")
                )
        await node.kill()
    answers = disk.answers()
    assert len(answers) == IN_TURN + AT_ONCE
    assert [answer for answer in answers if not answer.synced] == []


async def test_what_a_power_failure_leaves_has_every_202(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """For each 202, a disk that kept no byte more than it had to when that 202 left."""
    disk = Disk(tmp_path, keep=IN_TURN)
    config = settings(provider.url)
    async with Node(tmp_path, config, **disk.environment) as node:
        await node.start()
        ids = [
            await node.promised(f"succeed-1s-{number}", receiver.url + "/ok")
            for number in range(IN_TURN)
        ]
        await node.kill()
    assert receiver.requests == []

    for number in range(1, IN_TURN + 1):
        disk.restore(number, tmp_path / str(number))
        url = f"sqlite:///{tmp_path / str(number) / 'bridge.db'}"
        async with open_store(url, Vault(config["encryption_keys"])) as (store, _):
            for each in ids[:number]:
                assert await store.subscription(each.removeprefix("sub_"), "shop")

    async with Node(tmp_path / str(IN_TURN), config) as node:
        await node.start()
        await receiver.wait_until(lambda: len(receiver.received) == len(ids), 20)
        assert await node.stop() == 0
    assert receiver.received.keys() == {message_id(each, 0) for each in ids}


@pytest.mark.parametrize("fault", ["no-sync", "no-space"])
async def test_without_a_disk_there_is_no_202(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator, fault: str
) -> None:
    """The caller is told at once, and taken once the disk is there again."""
    disk = Disk(tmp_path)
    async with Node(tmp_path, settings(provider.url), **disk.environment) as node:
        await node.start()
        before = await node.promised("succeed-0.2s-before", receiver.url + "/ok")
        disk.break_(fault)
        answers = [
            await node.subscribe(f"succeed-0.2s-{number}", receiver.url + "/ok")
            for number in range(IN_TURN)
        ]
        codes = Counter((answer.status, answer.json["code"]) for answer in answers)
        assert codes.keys() <= {(503, "store_unavailable"), (503, "not_ready")}
        assert codes[503, "store_unavailable"]
        assert all("Retry-After" in answer.headers for answer in answers)
        assert (await node.subscription(before))["state"] == "active"
        everything = (await node.call("GET", "/subscriptions", key=OPERATOR)).json["items"]
        assert [one["id"] for one in everything] == [before]

        disk.mend(fault)
        await _ready(node)
        after = await node.promised("succeed-0.2s-0", receiver.url + "/ok")
        await receiver.wait_until(lambda: len(receiver.received) == 2, 20)
        assert receiver.received.keys() == {message_id(before, 0), message_id(after, 0)}
        listed = (await node.call("GET", "/subscriptions", key=OPERATOR)).json["items"]
        assert sorted(one["id"] for one in listed) == sorted([before, after])
        assert await node.stop() == 0
        assert not node.events("http.crashed")


async def test_a_full_disk_in_the_middle_of_deliveries_repeats_them_and_loses_none(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """What a receiver answered meanwhile is asked of it again, at most."""
    disk = Disk(tmp_path)
    async with Node(tmp_path, settings(provider.url), **disk.environment) as node:
        await node.start()
        ids = [
            await node.promised(f"succeed-0.1s-{number}", receiver.url + "/slow/0.3")
            for number in range(IN_TURN)
        ]
        await receiver.wait_for(1, 10)
        disk.break_("no-space")
        await node.until(lambda: bool(node.events("attempt.unrecorded")))
        disk.mend("no-space")
        for each in ids:
            await _accepted(node, each)
        assert await node.stop() == 0
    assert receiver.received.keys() == {message_id(each, 0) for each in ids}
    assert all(post.fault is None for post in receiver.requests)


async def test_each_connection_waits_for_the_disk(tmp_path: Path) -> None:
    """Asked of the connections themselves: a build of SQLite may have other defaults."""
    key = ["3f1b9c0d5e7a2846b1c3d5e7f9a0b2c4"]
    async with open_store(f"sqlite:///{tmp_path}/bridge.db", Vault(key)) as (store, _):
        assert await store.database.synced()
        database = store.database
        assert isinstance(database, Sqlite)
        for connection in (database._writer, database._reader):
            level = await connection.run(
                lambda opened: opened.execute("PRAGMA synchronous").fetchone()[0]
            )
            journal = await connection.run(
                lambda opened: opened.execute("PRAGMA journal_mode").fetchone()[0]
            )
            assert (level, journal) == (2, "wal")


@pytest.mark.parametrize("pragma", ["synchronous = NORMAL", "synchronous = OFF"])
async def test_a_database_that_does_not_sync_is_never_ready(
    tmp_path: Path, pragma: str
) -> None:
    """It would promise what it cannot keep; nobody would notice until the power fails."""
    given = settings("http://127.0.0.1:9", database=f"sqlite:///{tmp_path}/bridge.db")
    config = Config.model_validate(given)
    current = Current(config, configured(config))
    async with built(current, lambda: False) as bridge:
        assert isinstance(bridge.store.database, Timed)
        database = bridge.store.database._database
        assert isinstance(database, Sqlite)
        await database._writer.run(
            lambda opened: opened.execute(f"PRAGMA {pragma}").fetchall()
        )
        assert not await bridge.store.database.synced()
        await take_over(bridge, current, abandon=False)
        assert "sync" in bridge.health.unready


async def _ready(node: Node) -> None:
    async with asyncio.timeout(60):
        while (await node.call("GET", "/readyz")).status != 200:
            await SystemClock().wait(asyncio.Event(), 0.1)


async def _accepted(node: Node, subscription_id: str) -> None:
    async with asyncio.timeout(60):
        while (await node.subscription(subscription_id))["delivery"]["state"] != "accepted":
            await SystemClock().wait(asyncio.Event(), 0.1)
