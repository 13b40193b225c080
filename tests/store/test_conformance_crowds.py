"""A task with a crowd behind it: told in chunks, each soon on disk, and none forgotten."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from bridge import transition
from bridge.model import DeliveryState, Outcome, SubscriptionState
from bridge.store import Doubt
from bridge.store.live import Mark
from bridge.store.telling import CHUNK
from tests.store.scene import (
    GONE,
    MEMORY_S,
    MINUTE,
    NOT_FOUND,
    Scene,
    each,
    everything,
    pending,
    succeeded,
)

CROWD = CHUNK + 7


class Died(Exception):
    """The process, after a commit."""


async def crowd(scene: Scene, size: int = CROWD, **changes: Any) -> list[str]:
    """They come a few at a time: more of them would only wait for each other."""
    keys: list[str] = []
    for start in range(0, size, 8):
        numbers = range(start, min(start + 8, size))
        added = (scene.add(metadata={"n": n}, **changes) for n in numbers)
        keys += await asyncio.gather(*added)
    return keys


async def states(scene: Scene, keys: list[str]) -> set[SubscriptionState]:
    return {(await scene.show(key)).state for key in keys}


def died_after(scene: Scene, writes: int) -> Callable[[], None]:
    """Let so many more writes through; undo it by calling what is returned."""
    database, left = scene.store.database, [writes]
    write = database.write

    async def dying(*args: Any, **kwargs: Any) -> Any:
        if not left[0]:
            raise Died
        left[0] -= 1
        return await write(*args, **kwargs)

    setattr(database, "write", dying)  # noqa: B010 - a process that dies is no mock of ours
    return lambda: setattr(database, "write", write)


async def test_everybody_in_a_crowd_is_told_once(scene: Scene) -> None:
    keys = await crowd(scene)
    assert sorted(await scene.poll(succeeded())) == sorted(keys)
    claims = await scene.claim_deliveries(choose=everything)
    assert sorted(one.subscription_id[4:] for one in claims) == sorted(keys)


@pytest.mark.parametrize("cut", [False, True])
async def test_each_part_of_a_crowd_has_the_time_at_which_it_is_told(
    scene: Scene, cut: bool
) -> None:
    """Whoever looks for new events does not look back to when the first were told."""
    await crowd(scene, 2 * CHUNK)
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id
    revive = died_after(scene, 1 if cut else 9)
    times = count(scene.now + MINUTE, MINUTE)
    ending = scene.store.record_end(
        watch_id, succeeded(), now=scene.now, memory_until=0.0, clock=lambda: next(times)
    )
    if cut:
        with pytest.raises(Died):
            await ending
        revive()
        await scene.store.finish_ends(now=scene.now + MINUTE, clock=lambda: next(times))
    else:
        await ending
        revive()
    marks = await scene.store.new_events(Mark(0.0))
    while len(page := await scene.store.new_events(marks[-1])):
        marks = [*marks, *page]
    told = Counter(mark.at for mark in marks)
    assert list(told.values()) == 2 * [CHUNK]
    assert min(told) == scene.now


@pytest.mark.parametrize("writes", [1, 2])
async def test_what_was_cut_short_goes_on(scene: Scene, writes: int) -> None:
    """The end is on disk with the first chunk; the next process tells the others of it."""
    size = writes * CHUNK + 7
    keys = await crowd(scene, size)
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id
    revive = died_after(scene, writes)
    with pytest.raises(Died):
        await scene.end(watch_id)
    revive()
    assert await states(scene, keys) == {SubscriptionState.ENDED, SubscriptionState.ACTIVE}
    assert await scene.store.sweep(now=scene.now) == 0, "this is no fault to be repaired"
    assert not await scene.claim_polls()
    told = await scene.store.finish_ends(now=scene.now)
    assert len(told) == 7
    assert await states(scene, keys) == {SubscriptionState.ENDED}
    assert await scene.store.finish_ends(now=scene.now) == []
    scene.later(1.0)
    assert len(await scene.claim_deliveries(choose=everything)) == size


async def test_who_joins_a_crowd_that_is_being_told_is_told_at_once(scene: Scene) -> None:
    """And does not tell the rest of them: that is for whoever is at it."""
    keys = await crowd(scene)
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.end(watch_id)
    revive()
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.outcome is Outcome.SUCCEEDED
    assert SubscriptionState.ACTIVE in await states(scene, keys)
    await scene.store.finish_ends(now=scene.now)


async def test_an_end_is_kept_until_all_have_been_told(scene: Scene) -> None:
    """Its links may have run out meanwhile; it is their end all the same."""
    keys = await crowd(scene)
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.end(watch_id)
    revive()
    scene.later(2 * MEMORY_S)
    await scene.store.forget(now=scene.now, idempotency_before=0)
    await scene.store.finish_ends(now=scene.now)
    assert await states(scene, keys) == {SubscriptionState.ENDED}


@pytest.mark.parametrize("wanted", [{"include_raw": True}, {"metadata": {"late": True}}])
async def test_nobody_takes_an_end_from_those_who_have_not_heard_it(
    scene: Scene, wanted: dict[str, Any]
) -> None:
    """Its links have run out, or its body was not kept: one would ask again otherwise."""
    keys = await crowd(scene)
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.end(watch_id)
    revive()
    scene.later(2 * MEMORY_S)
    keys.append(await scene.add(**wanted))
    await scene.store.finish_ends(now=scene.now)
    assert {(await scene.show(key)).outcome for key in keys} == {Outcome.SUCCEEDED}


async def test_updates_that_were_cut_short_are_told_with_the_next_poll(
    scene: Scene,
) -> None:
    """What is not yet told to all is still new."""
    keys = await crowd(scene, events=("task.updated", "task.ended"))
    scene.later(1.0)
    claimed = await scene.claim_poll()
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.answer(claimed, pending(progress=50))
    revive()
    await scene.poll(pending(progress=50), after_s=5.0)
    claims = await scene.claim_deliveries(choose=everything)
    assert {one.subscription_id[4:] for one in claims} == set(keys)


async def test_a_crowd_waits_for_what_is_not_there(scene: Scene) -> None:
    """Our own word ends them in chunks as well."""
    keys = await crowd(scene)
    for _ in range(transition.STRIKES + 1):
        ended = await scene.poll(NOT_FOUND, after_s=130.0)
    assert sorted(ended) == sorted(keys)


async def test_the_deadlines_of_a_crowd_pass_together(scene: Scene) -> None:
    keys = await crowd(scene, deadline_s=10.0)
    scene.later(10.0)
    found = await scene.store.check_deadlines(lambda _: scene.policy, Doubt.none(scene.now))
    while found.more:
        found = await scene.store.check_deadlines(
            lambda _: scene.policy, Doubt.none(scene.now)
        )
    assert sorted(await scene.poll(pending(), after_s=0.0)) == sorted(keys)


async def test_updates_reach_all_of_a_crowd(scene: Scene) -> None:
    keys = await crowd(scene, events=("task.updated", "task.ended"))
    await scene.poll(pending(progress=10))
    claims = await scene.claim_deliveries(choose=everything)
    assert sorted(one.subscription_id[4:] for one in claims) == sorted(keys)


async def test_410_drops_a_backlog_in_chunks(scene: Scene) -> None:
    keys = await crowd(scene)
    await scene.poll(succeeded())
    [first] = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
    await scene.hear(first, GONE)
    assert {(await scene.delivery(key)).state for key in keys} == {DeliveryState.GONE}
    assert not await scene.claim_deliveries()
    assert (await scene.store.backlog(scene.now))["deliveries"] == 0


async def test_what_a_410_could_not_drop_is_dropped_when_it_is_due(scene: Scene) -> None:
    """The process died between two chunks."""
    keys = await crowd(scene)
    await scene.poll(succeeded())
    [first] = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.hear(first, GONE)
    revive()
    for _ in range(CROWD):
        assert not await scene.claim_deliveries(choose=everything)
        if not await scene.lanes():
            break
    assert {(await scene.delivery(key)).state for key in keys} == {DeliveryState.GONE}
