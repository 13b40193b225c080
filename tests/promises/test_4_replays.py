"""Promise 4: a replay of many harms nobody, whatever their receivers do."""

import asyncio

import pytest

from bridge.store import After
from bridge.store.replaying import ReplayFilter
from bridge.store.steps import Step, ask
from tests import world as w
from tests.promises.test_4_no_harm_to_others import (
    HOST_SLOTS,
    SLOTS,
    SOON_S,
    told_within,
)
from tests.world import Gate, World

FULL = 60  # held of the 64 slots that replays of one client may have


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def accepted(world: World, count: int, hosts: int = 1) -> None:
    """Deliveries that went well, a while ago, to `old` paths of so many hosts."""
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 200
    await asyncio.gather(
        *(
            world.subscribe(f"old{n}", path="old", host=f"h{n % hosts}.test")
            for n in range(count)
        )
    )
    while len(world.receivers.taken) < count:
        world.clock.advance(SOON_S)
        await world.turn()
    world.clock.advance(SOON_S)


async def replay(world: World, state: str = "accepted") -> int:
    """As the API does it."""
    now, after, taken = world.clock.now(), After(), 0
    wanted = ReplayFilter(client="shop", state=state, until=now)
    page = await world.store.find_replays(wanted, began_at=now, limit=10_000, after=after)
    ids = [one.id for one in page.found]
    for at in range(0, len(ids), 500):
        chunk = ids[at : at + 500]
        taken += await world.store.replay(chunk, state, began_at=now, now=now)
    world.dispatcher.worker.wake.set()
    return taken


def old_hang(world: World, gate: Gate) -> None:
    async def receive(url: str) -> int:
        if url.endswith("/old"):
            await gate.wait()
        return 200

    world.receivers.says = receive


async def test_first_attempts_to_the_same_host_do_not_wait(
    world: World, gate: Gate
) -> None:
    """Hundreds to one URL, each hanging until the timeout."""
    await accepted(world, 150)
    old_hang(world, gate)
    assert await replay(world) == 150
    async with world.running():
        await world.until(lambda: gate.held >= HOST_SLOTS // 2)
        fine = [
            await world.subscribe(f"t{n}", client=client, path="new", host="h0.test")
            for n in range(5)
            for client in ("shop", "blog")
        ]
        await told_within(world, SOON_S, *(one.id for one in fine))
        assert gate.held <= 5 * HOST_SLOTS // 8, "some slots are kept from it"
        gate.open()


async def test_a_retry_that_falls_due_does_not_wait_for_it(
    world: World, gate: Gate
) -> None:
    """Of the same client, to the same host; it was refused a moment before."""
    await accepted(world, 150)
    world.receivers.says = lambda _: 500
    late = await world.subscribe("late", path="new", host="h0.test")
    world.clock.advance(3)
    await world.turn()

    async def slowly(url: str) -> int:
        if url.endswith("/old"):
            await world.clock.wait(gate._open, 1.0)
        return 200

    world.receivers.says = slowly
    assert await replay(world) == 150
    async with world.running():
        await told_within(world, 10.0, late.id)
        waiting = (await world.store.backlog(world.clock.now()))["deliveries"]
        assert waiting > 50, "most of the replay is still to come"
        gate.open()


async def test_a_replay_to_hundreds_of_dead_hosts_leaves_others_alone(
    world: World, gate: Gate
) -> None:
    """More hosts than are looked at, and than there are slots for."""
    await accepted(world, SLOTS, hosts=SLOTS)
    old_hang(world, gate)
    assert await replay(world) == SLOTS
    async with world.running():
        await world.until(lambda: gate.held >= FULL)
        fine = [
            await world.subscribe(f"t{n}", client=client, path="new", host=f"{n}.test")
            for n in range(10)
            for client in ("shop", "blog")
        ]
        await told_within(world, SOON_S, *(one.id for one in fine))
        for _ in range(5):
            world.clock.advance(0.1)
            await w.settled(world.store)
        assert (await world.dispatcher._claim()).wait_s > 0, "it would spin"
        gate.open()


async def test_replays_to_more_hosts_than_are_looked_at_hide_no_retry(
    world: World, gate: Gate
) -> None:
    """All of these hang, and are due for longer than the one that falls due now."""
    await accepted(world, 330, hosts=330)
    world.receivers.says = lambda _: 500
    late = await world.subscribe("late", path="new", host="fine.test")
    world.clock.advance(3)
    await world.turn()
    old_hang(world, gate)
    assert await replay(world) == 330
    async with world.running():
        await told_within(world, 10.0, late.id)
        assert gate.held >= FULL
        gate.open()


async def test_a_host_that_answers_429_to_all_is_left_in_peace(world: World) -> None:
    """Hundreds wait for it; it gets one now and then, and the loop sleeps meanwhile."""
    await accepted(world, 150)
    before = len(world.receivers.posts)
    world.receivers.says = lambda _: 429
    assert await replay(world) == 150
    async with world.running():
        began = world.clock.now()
        await world.until(lambda: world.clock.now() > began + 120)
        asked = len(world.receivers.posts) - before
        assert HOST_SLOTS // 2 < asked < 2 * HOST_SLOTS
        await w.settled(world.store)
        assert (await world.dispatcher._claim()).wait_s > 0


async def test_a_crash_in_the_middle_loses_none_that_was_taken(
    world: World, gate: Gate
) -> None:
    """Some were in flight; what had been answered is done by the next process."""
    await accepted(world, 40)
    old_hang(world, gate)
    assert await replay(world) == 40
    async with world.running():
        await world.until(lambda: gate.held >= HOST_SLOTS // 2)
        gate.open()
    await world.store.begin(now=world.clock.now())
    world.receivers.says = lambda _: 200
    world.clock.advance(60)
    await world.turn()
    attempts = await world.store.database.read(manual_attempts)
    assert sorted(attempts) == list(range(1, 41))
    world.clock.advance(1)
    assert await replay(world) == 40, "each may be asked for anew"


def manual_attempts() -> Step[set[int]]:
    """The deliveries that had one."""
    found: set[int] = set()
    for delivery_id in range(1, 41):
        for row in (yield ask("attempts", delivery_id=delivery_id, limit=9)):
            found |= {delivery_id} if row["manual"] else set()
    return found
