"""A replay of many while other nodes are at the same deliveries."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from bridge.model import DeliveryState, IdempotencyKey
from bridge.receivers import retry
from bridge.store import delivering, replaying, resuming, upkeep
from bridge.store.resuming import Kept
from bridge.store.steps import Step, ask
from tests.store.held import END, done_or_blocked, held
from tests.store.postgres import Server, connected
from tests.store.scene import ACCEPTED, BROKEN, DAY, GONE, Scene, succeeded
from tests.store.test_conformance_replaying import found, given_up, nothing_left, replay


@pytest.fixture
async def other(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """To look on."""
    async with connected(server.url()) as connection:
        yield connection


async def test_one_that_another_node_is_at_is_waited_for(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """The others are taken before; none is left out, and none counted that has arrived."""
    keys = await given_up(scene, 4)
    await scene.retry(keys[0])
    await scene.retry(keys[1])
    first, second = await scene.claim_deliveries()
    scene.later(1.0)
    [ids] = [[one.delivery_id for one in (first, second)]]
    [rest] = await found(scene)
    verdicts = [
        retry.decide(claim, reply, schedule=scene.schedule, now=scene.now, dice=0.0)
        for claim, reply in ((first, BROKEN), (second, ACCEPTED))
    ]
    database, record, box = (
        scene.store.database,
        delivering.record_attempt,
        scene.store._box,
    )
    one = (record, box, first, BROKEN, verdicts[0])
    two = (record, box, second, ACCEPTED, verdicts[1])
    async with (
        held(database, END, *one, now=scene.now),
        held(database, END, *two, now=scene.now),
    ):
        replayed = asyncio.create_task(
            scene.store.replay(
                [*ids, *rest], "exhausted", began_at=scene.now, now=scene.now
            )
        )
        await done_or_blocked(replayed, other)
        assert not replayed.done()
        claims = await scene.claim_deliveries()
        assert {claim.delivery_id for claim in claims} == set(rest)
    assert await replayed == 3
    assert (await scene.delivery(keys[1])).state is DeliveryState.ACCEPTED


async def test_one_that_another_node_is_at_is_not_forgotten_under_a_key(
    scene: Scene,
) -> None:
    """The request may break off before it has waited for that one; a repeat does."""
    await given_up(scene, 2)
    [ids] = await found(scene)
    used = IdempotencyKey(route="replay", key="k", body=b"body")
    store, kept = scene.store, Kept("shop", used)
    start = await store.begin_replay(kept, now=scene.now)

    def busy() -> Step[None]:
        yield ask("lock_delivery", delivery_id=ids[1])

    async with held(store.database, END, busy):
        go_on = partial(resuming.go_on, state="exhausted", shared=True)
        done = await store.database.write(
            go_on, store._box, kept, start, start, ids, now=scene.now
        )
    assert (done.taken, done.left) == (1, (ids[1],))
    so_far = await store.begin_replay(kept, now=scene.now)
    assert so_far == done
    rest = await store.replay_left(kept, so_far, "exhausted", now=scene.now)
    assert (rest.taken, rest.left) == (2, ())
    assert len(await scene.claim_deliveries()) == 2


async def test_it_holds_nobody_up_who_waits_for_others_in_turn(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """Who tells a crowd takes deliveries in an order of its own: neither must wait for the
    other.
    """
    await given_up(scene, 2)
    [[low, high]] = await found(scene)

    def downwards() -> Step[None]:
        yield ask("lock_delivery", delivery_id=high)
        yield ask("mark_lost", delivery_id=low)

    async with held(scene.store.database, "mark_lost", downwards) as crowd:
        replayed = asyncio.create_task(replay(scene))
        await done_or_blocked(replayed, other)
    assert await replayed == 2
    assert crowd.done()
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await other.fetchval(count) == 0


async def test_two_nodes_replay_the_same_once(scene: Scene) -> None:
    """Two operators at two consoles."""
    await given_up(scene, 6)
    counts = await asyncio.gather(*(replay(scene, size=size) for size in (1, 2, 3, 100)))
    assert sum(counts) == 6
    assert len(await scene.claim_deliveries()) == 6


async def test_a_pruning_that_comes_first_has_taken_them(
    scene: Scene, other: asyncpg.Connection
) -> None:
    await given_up(scene, 3)
    [ids] = await found(scene)
    scene.later(DAY)
    prune = (upkeep.prune,)
    async with held(scene.store.database, END, *prune, before=scene.now, shared=False):
        replayed = asyncio.create_task(
            scene.store.replay(ids, "exhausted", began_at=scene.now, now=scene.now)
        )
        await done_or_blocked(replayed, other)
    assert await replayed == 0
    await nothing_left(scene)


async def test_a_pruning_that_comes_second_leaves_them(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """What was answered is kept: the attempts are made."""
    await given_up(scene, 3)
    [ids] = await found(scene)
    scene.later(DAY)
    step = (replaying.replay, ids, "exhausted")
    async with held(
        scene.store.database, END, *step, began_at=0, now=scene.now
    ) as replayed:
        pruned = asyncio.create_task(scene.store.prune(before=scene.now))
        await done_or_blocked(pruned, other)
    assert (await pruned, len(replayed.result())) == (0, 3)
    assert len(await scene.claim_deliveries()) == 3


async def test_a_delete_waits_for_the_chunk_and_drops_what_it_has_made(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """After the DELETE was answered nothing is sent any more."""
    key, other_key = [await scene.add(f"task-{n}") for n in range(2)]
    await scene.poll(succeeded())
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, BROKEN)
    [ids] = await found(scene, state="retrying")
    step = (replaying.replay, ids, "retrying")
    async with held(scene.store.database, END, *step, began_at=0, now=scene.now):
        stopped = asyncio.create_task(scene.stop(key))
        await done_or_blocked(stopped, other)
    assert await stopped
    [claimed] = await scene.claim_deliveries()
    assert claimed.subscription_id == f"sub_{other_key}"


async def test_a_410_that_crosses_the_chunk_stands(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """It was heard by an attempt from after the replay began."""
    await given_up(scene, 3)
    began = scene.now
    scene.later(1.0)
    new = await scene.ended("new")
    attempt = await scene.claim_delivery()
    [ids] = await found(scene)
    verdict = retry.decide(attempt, GONE, schedule=scene.schedule, now=scene.now, dice=0.0)
    heard = (delivering.record_attempt, scene.store._box, attempt, GONE, verdict)
    async with held(scene.store.database, END, *heard, now=scene.now):
        replayed = asyncio.create_task(
            scene.store.replay(ids, "exhausted", began_at=began, now=scene.now)
        )
        await done_or_blocked(replayed, other)
    await replayed
    assert (await scene.delivery(new)).state is DeliveryState.GONE
    await nothing_left(scene)
