"""Promise 11: a stall is noticed; what must not exist is found, mended and counted."""

import asyncio
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette

from bridge.api.app import create_app
from bridge.health import Health
from bridge.model import Answer, Outcome, SubscriptionState
from bridge.receivers.retry import Schedule
from bridge.running import Server, Stop, run
from bridge.store import Store
from tests import world as w
from tests.api.conftest import served
from tests.conftest import FakeClock
from tests.promises.wired import wired
from tests.store.postgres import connected
from tests.world import Gate, World, sqlite

MINUTE_S = 60.0
LOOPS = ("poller", "dispatcher", "upkeep")


class Bug(Exception):
    """Nobody expects it."""


def server() -> tuple[Server, socket.socket]:
    config = uvicorn.Config(Starlette(), lifespan="off", log_config=None)
    return Server(config), socket.create_server(("127.0.0.1", 0))


async def reachable(listening: tuple[str, int]) -> bool:
    try:
        _, writer = await asyncio.open_connection(*listening)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_bug_in_one_loop_stops_the_others_and_the_server() -> None:
    """A node that serves but polls no more looks healthy, and loses everything."""
    stop, cancelled = Stop(), asyncio.Event()
    http, listening = server()
    address = listening.getsockname()

    async def sound(_stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def broken(_stop: asyncio.Event) -> None:
        assert await reachable(address)
        raise Bug

    with pytest.raises(BaseExceptionGroup) as failed:
        await run(
            [sound, broken], [(http, listening)], stop, grace_s=5, on_stop=lambda: None
        )
    assert failed.group_contains(Bug)
    assert cancelled.is_set()
    assert not await reachable(address)


def test_the_process_of_a_broken_loop_ends_with_an_error() -> None:
    """Which is what a supervisor restarts it for."""
    script = """
import asyncio
from bridge.running import Stop, run

async def broken(stop):
    raise ValueError("a bug")

asyncio.run(run([broken], [], Stop(), grace_s=5, on_stop=lambda: None))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert b"a bug" in ended.stderr


@pytest.mark.parametrize("still", LOOPS)
def test_a_loop_that_has_not_turned_for_a_minute_is_named(still: str) -> None:
    """The others turning on does not hide it."""
    health = Health()
    for loop in LOOPS:
        health.beat(loop, 1_000.0)
    for loop in set(LOOPS) - {still}:
        health.beat(loop, 1_050.0)
    assert not health.stalled(1_000.0 + MINUTE_S)
    assert health.stalled(1_000.5 + MINUTE_S) == {still: MINUTE_S + 0.5}


@asynccontextmanager
async def stuck(store: Store) -> AsyncIterator[None]:
    """Nothing that is to be read or written comes back."""
    free = threading.Event()
    database = sqlite(store)
    async with asyncio.TaskGroup() as held:
        for connection in (database._writer, database._reader, database._scanner):
            held.create_task(connection.run(lambda _: free.wait()))
        try:
            yield
        finally:
            free.set()


async def test_a_database_that_stands_still_is_seen_at_livez(
    tmp_path: Path, clock: FakeClock
) -> None:
    """It neither answers nor fails: every loop waits, and only a restart may help."""
    async with (
        wired(tmp_path, clock) as node,
        served(create_app(node.bridge.deps)) as url,
        aiohttp.ClientSession() as http,
    ):

        async def live() -> tuple[int, set[str]]:
            async with http.get(f"{url}/livez") as answer:
                return answer.status, set((await answer.json()).get("stalled", ()))

        async with node.running():
            await node.subscribe("slow-60s", f"{node.receiver.url}/ok")
            await node.until(lambda: node.provider.requests == 1)
            assert await live() == (200, set())
            async with stuck(node.bridge.store):
                for _ in range(12):  # each of them looks for work, and waits for it
                    clock.advance(1)
                    assert await live() == (200, set())
                clock.advance(MINUTE_S)
                assert await live() == (503, set(LOOPS))
            await node.until(lambda: not node.bridge.health.stalled(clock.now()))
            assert await live() == (200, set())


async def test_a_node_with_every_slot_taken_is_not_taken_for_dead(world: World) -> None:
    """Restarting it would only ask everybody again."""
    gate = Gate()

    async def hang(_: str) -> Answer:
        await gate.wait()
        return w.pending("t")

    world.providers.says = hang
    await asyncio.gather(*(world.subscribe(f"t{n}") for n in range(200)))
    async with world.running():
        await world.until(lambda: gate.held >= 60)
        until = world.clock.now() + 3 * MINUTE_S
        await world.until(lambda: world.clock.now() >= until, step_s=4)
        assert not world.health.stalled(world.clock.now())
        gate.open()


def figure(world: World, name: str) -> float | None:
    return world.metrics.registry.get_sample_value(name)


async def test_how_long_the_oldest_work_has_waited_is_a_figure(world: World) -> None:
    """The number of rows tells nothing; their age tells that somebody is late."""
    await world.subscribe("t", first_poll_s=10.0)
    world.providers.says = w.succeeded
    await world.upkeep.turn()
    assert figure(world, "bridge_poll_backlog_age_seconds") == 0
    world.clock.advance(100)
    await world.upkeep.turn()
    assert figure(world, "bridge_poll_backlog_age_seconds") == 90
    await world.poller.worker.drain()
    world.clock.advance(60)
    await world.upkeep.turn()
    assert figure(world, "bridge_poll_backlog_age_seconds") == 0
    assert figure(world, "bridge_delivery_backlog_age_seconds") == 60
    assert figure(world, "bridge_deliveries_owed") == 1
    await world.turn()
    world.clock.advance(60)
    await world.upkeep.turn()
    assert figure(world, "bridge_delivery_backlog_age_seconds") == 0


OF_THE_DATABASE = (
    "bridge_dead_letters",
    "bridge_deliveries_owed",
    "bridge_callback_hosts_silent",
    "bridge_poll_backlog_age_seconds",
    "bridge_delivery_backlog_age_seconds",
)


async def test_a_figure_of_the_database_is_none_until_it_was_taken(
    tmp_path: Path, clock: FakeClock
) -> None:
    """From a 0 to the dead letters of last week is growth, and somebody would be woken."""
    world = await World(tmp_path, clock, schedule=Schedule((1.0,))).up()
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 500
    await world.subscribe("t")
    await world.pass_time(120.0)
    assert figure(world, "bridge_dead_letters") == 1
    await world.down()

    world = await World(tmp_path, clock).up()
    assert [figure(world, name) for name in OF_THE_DATABASE] == [None] * 5
    await world.upkeep.turn()
    assert [figure(world, name) for name in OF_THE_DATABASE] == [1, 0, 0, 0, 0]
    await world.upkeep.measure(clock.now())
    assert figure(world, "bridge_dead_letters") == 1
    await world.down()


FORGET_EVENT = """
    DELETE FROM attempts; DELETE FROM delivery_schedule; DELETE FROM deliveries;
    DELETE FROM events;
    UPDATE subscriptions
    SET state = 'active', outcome = NULL, finished_at = NULL, check_at = deadline_at
"""
FORGET_ANSWER = "UPDATE watches SET answer = NULL, memory_until = NULL"
# While the task runs; and what the subscription must come to all the same.
WHILE_RUNNING = {
    "nobody polls for it": "DELETE FROM poll_schedule",
    "nobody minds its deadline": "UPDATE subscriptions SET check_at = NULL",
}
# After its end, before it was told.
AFTER_THE_END = {
    "it missed the end of its watch": FORGET_EVENT,
    "it missed an end that is forgotten": ";".join([FORGET_EVENT, FORGET_ANSWER]),
    "its end is owed to nobody": """
        DELETE FROM delivery_schedule; DELETE FROM deliveries""",
    "its delivery is not scheduled": "DELETE FROM delivery_schedule",
}


@pytest.fixture
async def damaged(tmp_path: Path, clock: FakeClock, database: str) -> AsyncIterator[World]:
    one = await World(tmp_path, clock, database=database).up()
    yield one
    await one.down()


async def damage(world: World, script: str) -> None:
    """By somebody who works on the database directly."""
    if world.store.database.shared:
        async with connected(world.database) as connection:
            await connection.execute(script)
        return
    with closing(sqlite3.connect(world.path)) as connection:
        connection.executescript(script)


async def mended(world: World) -> float:
    """Let the minutely sweep find everything; how much it has counted."""
    for _ in range(3):
        world.clock.advance(61)
        await world.upkeep.turn()
    counted = figure(world, "bridge_sweep_repairs_total")
    assert counted is not None
    world.clock.advance(61)
    await world.upkeep.turn()
    assert figure(world, "bridge_sweep_repairs_total") == counted
    return counted


@pytest.mark.parametrize("kind", WHILE_RUNNING)
async def test_a_running_task_that_was_lost_is_found_again(
    damaged: World, kind: str
) -> None:
    """Whatever bug, or hand in the database, did it: the end is told."""
    made = await damaged.subscribe("t", deadline_s=1_000.0)
    await damaged.pass_time(20)
    await damage(damaged, WHILE_RUNNING[kind])
    assert await mended(damaged) == 1
    await damaged.pass_time(1_400, step_s=50)
    [post] = damaged.ends(made)
    assert post.event["type"] == "task.timed_out"
    assert (await damaged.show(made)).outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize("kind", AFTER_THE_END)
async def test_an_end_that_was_lost_is_told(damaged: World, kind: str) -> None:
    """Under the id it has had all along."""
    made = await damaged.subscribe("t", deadline_s=1_000.0)
    damaged.providers.says = w.succeeded
    damaged.clock.advance(1)
    await damaged.poller.worker.drain()
    await damage(damaged, AFTER_THE_END[kind])
    assert await mended(damaged) in (1, 2)
    await damaged.pass_time(60)
    [post] = damaged.ends(made)
    assert (post.event["type"], post.id) == ("task.succeeded", f"msg_{made.id[4:]}_0")


async def test_a_retry_that_was_lost_is_made(damaged: World) -> None:
    made = await damaged.subscribe("t")
    damaged.providers.says, damaged.receivers.says = w.succeeded, lambda _: 500
    await damaged.pass_time(4)
    await damage(damaged, "DELETE FROM delivery_schedule")
    assert await mended(damaged) == 1
    damaged.receivers.says = lambda _: 200
    await damaged.pass_time(60)
    assert [post.status for post in damaged.ends(made)] == [500, 200]


async def test_what_nobody_waits_for_is_polled_no_more(damaged: World) -> None:
    made = await damaged.subscribe("t")
    await damaged.pass_time(10)
    await damage(
        damaged,
        """UPDATE subscriptions
        SET state = 'stopped', finished_at = created_at, check_at = NULL""",
    )
    assert await mended(damaged) == 1
    asked = len(damaged.providers.asked)
    await damaged.pass_time(60)
    assert len(damaged.providers.asked) == asked
    assert (await damaged.show(made)).state is SubscriptionState.STOPPED


async def test_in_an_ordinary_life_there_is_nothing_to_mend(world: World) -> None:
    """Ends, retries, stops, deadlines, a restart: none of them is damage."""
    answers = [w.pending, w.rubbish, w.throttled, w.pending, w.succeeded]
    world.receivers.says = lambda url: 500 if "/blog/" in url else 200
    for n in range(12):
        client = "blog" if n % 3 else "shop"
        one = await world.subscribe(f"t{n % 4}", client=client, deadline_s=40.0 + 9 * n)
        if n % 5 == 0:
            await world.stop(one)
    for answer in answers:
        world.providers.says = answer
        await world.pass_time(70)
    await world.down()
    await world.up()
    await world.pass_time(300, step_s=20)
    assert figure(world, "bridge_sweep_repairs_total") == 0
