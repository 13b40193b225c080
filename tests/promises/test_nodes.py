"""Several nodes on one PostgreSQL: what they share, and what none of them may spoil."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.cli.place import place_of
from bridge.config import Config
from bridge.errors import StoreLocked
from bridge.model import DeliveryState, Subscription, SubscriptionState
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.store import open_store
from bridge.store.postgres.connecting import TIMEOUT_S
from bridge.vault import Vault
from bridge.worker import IDLE_S
from tests.conftest import FakeClock
from tests.promises.member import Machine, Member, member, members, total, until
from tests.promises.node import KEYS, settings
from tests.promises.wired import Wired, wired
from tests.store.postgres import Server, connected, running_alone

HOUR_S = 3_600.0
LIMIT = 50  # a second
BURST = LIMIT // 10
STEP_S = 0.01
QUICK = {"first": "0s", "min": "50ms", "interval": "100ms", "max": "100ms"}
GENEROUS = {"active": 10_000, "requests": "1000/s"}
ROUNDS, CROWD = 20, 4
HOLD_UP = "SELECT FROM jobs WHERE name = 'add for shop' FOR UPDATE"


@pytest.fixture
async def database(server: Server) -> str:
    """For nodes that call each other: they would wake those of other tests in the same."""
    return server.url(await server.fresh())


@pytest.fixture
def config(database: str, provider: ProviderSimulator) -> dict[str, Any]:
    return settings(provider.url, database=database, shutdown_grace="1s")


async def three(
    stack: AsyncExitStack, folder: Path, clock: FakeClock, database: str, **given: Any
) -> Sequence[Wired]:
    """The parts of three nodes that ask one provider, in standing time."""
    first = await stack.enter_async_context(
        wired(folder, clock, database=database, **given)
    )
    url = first.provider.url
    others = [
        await stack.enter_async_context(
            wired(folder, clock, database=database, provider_url=url, **given)
        )
        for _ in range(2)
    ]
    return [first, *others]


async def test_the_rate_of_one_key_is_kept_by_all_nodes_together(
    tmp_path: Path, clock: FakeClock, database: str
) -> None:
    """Three nodes that each kept it for themselves would ask three times as often."""
    async with AsyncExitStack() as stack:
        nodes = await three(
            stack,
            tmp_path,
            clock,
            database,
            rate_limit=f"{LIMIT}/s",
            poll=QUICK,
            limits=GENEROUS,
        )
        for number in range(3 * LIMIT):
            await nodes[number % 3].subscribe(
                f"succeed-900s-{number}", nodes[0].receiver.url, first_poll_s=0.0
            )
        for _ in range(round(3 / STEP_S)):
            clock.advance(STEP_S)
            await asyncio.gather(*(one.bridge.poller.worker.drain() for one in nodes))
        asked = [at for at, _ in nodes[0].provider.mounts[""].asked]
        each = [total(one.bridge, "bridge_polls") for one in nodes]
    busiest = max(sum(at <= other < at + 1 for other in asked) for at in asked)
    assert LIMIT - BURST <= busiest <= LIMIT + BURST
    assert sum(each) == len(asked) >= 2.5 * LIMIT
    # Who finds the account taken looks again soon; in standing time one may never have it.
    assert sum(count > 0 for count in each) >= 2, "one node alone would prove nothing"


async def test_a_node_whose_clock_is_off_does_nothing_until_it_is_set_right(
    config: dict[str, Any], receiver: ReceiverSimulator
) -> None:
    """It would end early what has an hour left, or sign what every receiver refuses."""
    machine = Machine(+HOUR_S)
    async with members(config, [machine, Machine(), Machine()]) as (off, *others):
        for one in others:
            await one.until_ready()
        await off.until_unready("clock")
        waits = await others[0].promised("succeed-900s", receiver.url, deadline="20m")
        await work(others, off, receiver)
        machine.offset_s = -HOUR_S
        await until(lambda: "-3600" in off.bridge.health.unready.get("clock", ""))
        await work(others, off, receiver)
        assert (off.polls, off.attempts) == (0, 0)

        machine.offset_s = 0.0
        await off.until_ready()
        assert abs(off.bridge.clock.now() - time.time()) < 1
        await until(lambda: off.polls > 0)
        await off.bridge.upkeep.turn()
        found = await off.subscription(waits)
        assert found["state"] == "active"
        polled = [one.polls for one in others]

        machine.offset_s = HOUR_S
        await off.until_unready("clock")
        await work(others, off, receiver)
        assert abs(off.bridge.clock.now() - time.time()) < 1
        assert [one.polls for one in others] > polled
        assert (await others[1].subscription(waits))["state"] == "active"


async def work(others: Sequence[Member], off: Member, receiver: ReceiverSimulator) -> None:
    """The others serve as if nothing were, and this one nobody."""
    before, had = off.polls, len(receiver.requests)
    key = await others[0].promised(f"succeed-0.2s-{had}", receiver.url)
    ended = await others[1].subscription(key, wait_s=20)
    assert ended["outcome"] == "succeeded"
    await receiver.wait_for(had + 1, 20)
    assert receiver.requests[-1].fault is None
    fields = {"provider": "amux", "task_id": "other", "callback_url": receiver.url}
    status, told = await off.call("POST", "/subscribe", json=fields)
    assert (status, told["code"]) == (503, "not_ready")
    assert off.polls == before


async def test_a_subscription_wakes_a_node_that_polls_and_is_awaited_at_another(
    config: dict[str, Any], receiver: ReceiverSimulator
) -> None:
    """Each in its role; else the caller would wait for the poller to look by itself."""
    async with (
        member(config, roles=["api"]) as asked,
        member(config, roles=["poller", "dispatcher"]) as worker,
        member(config, roles=["api"]) as told,
    ):
        for one in (asked, worker, told):
            await one.until_ready()
        for number in range(3):
            began_at = time.monotonic()
            key = await asked.promised(f"succeed-0s-{number}", receiver.url)
            ended = await told.subscription(key, wait_s=20)
            assert ended["outcome"] == "succeeded"
            # What woke it for the last one was long ago: by itself it looks every IDLE_S.
            assert time.monotonic() - began_at < IDLE_S / 2
        assert (asked.polls, told.polls) == (0, 0)
        await receiver.wait_for(3, 20)


async def test_a_node_that_finishes_what_is_in_flight_is_seen_to_be_at_work(
    config: dict[str, Any],
) -> None:
    """A rekey beside it would leave an end that the new key does not open."""
    asked, answer, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    up: asyncio.Queue[Member] = asyncio.Queue()

    async def last_poll(_request: web.Request) -> web.Response:
        asked.set()
        await answer.wait()
        return web.json_response({"id": "t1", "status": "failed"})

    async def serve(config: dict[str, Any]) -> None:
        async with member(config) as node:
            up.put_nowait(node)
            await stop.wait()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", last_poll)
    async with TestServer(app) as slow, asyncio.TaskGroup() as group:
        config["providers"]["amux"]["base_url"] = str(slow.make_url("/"))
        config["shutdown_grace"] = "20s"
        serving = group.create_task(serve(config))
        node = await up.get()
        key = await node.promised("t1", "http://127.0.0.1:9/")
        await asked.wait()
        place = place_of(Config.model_validate(config))
        stop.set()
        await until(lambda: "stop" in node.bridge.health.unready)
        for _ in range(4):
            with pytest.raises(StoreLocked, match="in use"):
                await place.check_free()
        answer.set()
        await serving
        await place.check_free()
    async with open_store(config["database"], Vault(config["encryption_keys"])) as (
        store,
        _,
    ):
        found = await store.subscription(key.removeprefix("sub_"), None)
        assert found is not None
        assert found.outcome == "failed"


async def test_while_the_database_is_down_nobody_is_ready_and_nothing_is_lost(
    provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """Neither the work in flight nor the loops; no 202 is given meanwhile."""
    with running_alone() as server:
        url = server.url(await server.fresh())
        config = settings(provider.url, database=url, shutdown_grace="1s")
        async with members(config) as nodes:
            for one in nodes:
                await one.until_ready()
            before = [
                await one.promised(f"succeed-3s-{at}", receiver.url)
                for at, one in enumerate(nodes)
            ]
            for _ in range(2):
                await asyncio.to_thread(server.stop)
                for one in nodes:
                    await one.until_unready("store")
                    fields = {
                        "provider": "amux",
                        "task_id": "x",
                        "callback_url": receiver.url,
                    }
                    status, told = await one.call("POST", "/subscribe", json=fields)
                    assert (status, told["code"]) == (503, "not_ready")
                await asyncio.to_thread(server.start)
                for one in nodes:
                    await one.until_ready()
            after = [
                await one.promised(f"succeed-0s-{at}", receiver.url)
                for at, one in enumerate(nodes)
            ]
            for key in (*before, *after):
                ended = await nodes[0].subscription(key, wait_s=30)
                assert ended["outcome"] == "succeeded"
            await receiver.wait_until(lambda: len(receiver.received) == 6, 30)
            for one in nodes:
                assert (await one.call("GET", "/livez"))[0] == 200
                assert total(one.bridge, "bridge_sweep_repairs") == 0


async def test_batches_that_cross_each_other_are_both_taken(
    config: dict[str, Any], receiver: ReceiverSimulator
) -> None:
    """Each waits for what the other has locked, and neither may be told to go away."""
    items = [
        {
            "provider": "amux",
            "task_id": f"succeed-60s-{number:04}",
            "callback_url": receiver.url,
        }
        for number in range(1_000)
    ]
    async with (
        member(config, roles=["api"]) as one,
        member(config, roles=["api"]) as another,
        member(config) as third,
    ):
        for node in (one, another, third):
            await node.until_ready()
        there, back = await asyncio.gather(
            one.call("POST", "/subscribe/batch", json=items),
            another.call("POST", "/subscribe/batch", json=items[::-1]),
        )
        assert (there[0], back[0]) == (200, 200)
        pairs = list(zip(there[1], reversed(back[1]), strict=True))
        statuses = Counter(tuple(sorted(one["status"] for one in pair)) for pair in pairs)
        refused = [one["problem"] for pair in pairs for one in pair if "problem" in one]
        assert statuses == {(200, 202): len(items)}, refused[:3]
        ids = [{one["subscription"]["id"] for one in pair} for pair in pairs]
        assert all(len(both) == 1 for both in ids)
        assert len(set.union(*ids)) == len(items)


async def test_a_client_that_is_counted_leaves_the_others_their_connections(
    config: dict[str, Any], receiver: ReceiverSimulator
) -> None:
    """Its subscriptions wait for each other; all of them at once would fill the pool."""
    config["clients"]["shop"]["limits"]["active"] = 400
    async with member(config), member(config, roles=["api"]) as node:
        await node.until_ready()
        await node.promised("succeed-60s", receiver.url)
        async with connected(config["database"]) as holder, asyncio.TaskGroup() as group:
            await holder.execute(f"BEGIN; {HOLD_UP}")
            crowd = [
                group.create_task(node.promised(f"succeed-60s-{at}", receiver.url))
                for at in range(40)
            ]
            await until_waited_for(holder)
            began_at = time.monotonic()
            fields = {"provider": "amux", "task_id": "x", "callback_url": receiver.url}
            for _ in range(5):
                status, told = await node.call(
                    "POST", "/subscribe", key=KEYS["blog"], json=fields
                )
                assert status in (200, 202), told
            assert time.monotonic() - began_at < TIMEOUT_S / 2
            await holder.execute("COMMIT")
        assert len({one.result() for one in crowd}) == len(crowd)


async def until_waited_for(holder: asyncpg.Connection) -> None:
    query = (
        "SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    while not await holder.fetchval(query):
        pass


async def test_whoever_subscribes_while_the_task_ends_is_told(
    tmp_path: Path, clock: FakeClock, database: str
) -> None:
    """READ COMMITTED: each sees what the other has committed, and only that."""
    made: list[Subscription] = []

    async def arrive(node: Wired, number: int) -> None:
        """One after the other, before the end is written, while it is, and after it."""
        for turn in range(CROWD):
            made.append(
                await node.subscribe(
                    f"succeed-0s-{number}",
                    f"{nodes[0].receiver.url}/ok?{len(made)}",
                    first_poll_s=0.0,
                    # Who wants a raw answer has the task asked anew.
                    include_raw=turn % 3 == 2,
                )
            )

    async with AsyncExitStack() as stack:
        nodes = await three(stack, tmp_path, clock, database, limits=GENEROUS, poll=QUICK)
        for number in range(ROUNDS):
            await nodes[0].subscribe(
                f"succeed-0s-{number}", nodes[0].receiver.url + "/ok", first_poll_s=0.0
            )
            await asyncio.gather(
                nodes[1].bridge.poller.worker.drain(),
                arrive(nodes[0], number),
                arrive(nodes[2], number),
            )
        assert await nodes[0].bridge.store.sweep(now=clock.now()) == 0
        for _ in range(20):
            for one in nodes:
                await one.turn(0.2)
        states = Counter([(await nodes[0].show(one)).state for one in made])
        assert states == {SubscriptionState.ENDED: 2 * CROWD * ROUNDS}
        told = Counter([(await nodes[0].delivery(one)).state for one in made])
        assert told == {DeliveryState.ACCEPTED: 2 * CROWD * ROUNDS}
        assert await nodes[0].bridge.store.sweep(now=clock.now()) == 0
