"""Two nodes at the same rows at once: whoever comes first, the outcome is right."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import asyncpg
import pytest

from bridge import transition
from bridge.cadence import fixed
from bridge.messages.notices import TYPES, Seen
from bridge.model import (
    ClaimedDelivery,
    ClaimedPoll,
    DeliveryState,
    Outcome,
    Reply,
    SubscriptionState,
)
from bridge.receivers import retry
from bridge.store import (
    Doubt,
    NoticesTo,
    Subscribed,
    asking,
    breaking,
    hooks,
    meta,
    noticing,
    polling,
    subscribing,
    upkeep,
)
from bridge.store.steps import Step, ask
from bridge.store.upkeep import KEY_CHANCE_S
from bridge.transition import Move
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY
from tests.store.held import END, done_or_blocked, held
from tests.store.hooking import FULL, add_hook, hook_wish, hooked, remove
from tests.store.postgres import Server, connected
from tests.store.scene import (
    ACCEPTED,
    GONE,
    HOUR,
    MINUTE,
    NOT_FOUND,
    REFUSED,
    TOO_MANY,
    Scene,
    destination,
    key_of,
    pending,
    succeeded,
    wish,
)

FIRST = {"after": 0, "sequence": -1, "limit": 10}


@pytest.fixture
async def other(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """To look on."""
    async with connected(server.url()) as connection:
        yield connection


def heard(scene: Scene, claimed: ClaimedDelivery, reply: Reply) -> tuple[Any, ...]:
    """The step that records it, and what it is given but for the time."""
    verdict = retry.decide(claimed, reply, schedule=scene.schedule, now=scene.now, dice=0.0)
    return breaking.record, scene.store._box, claimed, reply, verdict


async def test_who_are_told_410_at_once_do_not_wait_for_each_other(scene: Scene) -> None:
    """Each has its own delivery locked when it drops all that is owed to the URL."""
    keys = [await scene.ended(f"task-{n}") for n in range(3)]
    scene.later(10.0)
    one, other, late = await scene.claim_deliveries()
    database = scene.store.database
    async with held(database, "drop_planned", *heard(scene, one, GONE), now=scene.now):
        await scene.hear(other, GONE)
        assert (await scene.delivery(keys[2])).state is DeliveryState.GONE
    await scene.hear(late, GONE)
    states = [(await scene.delivery(key)).state for key in keys]
    assert states == [DeliveryState.GONE] * 3


async def test_a_retry_by_hand_does_not_land_in_a_lane_that_is_pruned(scene: Scene) -> None:
    """The lane of the whole host is nobody's any more, and a person is about to use it."""
    await scene.ended("old", destination=destination("old"))
    await scene.deliver(ACCEPTED, after_s=3.0)
    scene.later(HOUR)
    key = await scene.ended()
    await scene.deliver(TOO_MANY, after_s=3.0)
    await scene.deliver(ACCEPTED, after_s=HOUR)
    step, database = asking.ask_for_attempt, scene.store.database
    async with held(database, "ask_attempt", step, key, 0, "shop", now=scene.now) as asked:
        assert await scene.store.prune(before=scene.now - 1.5 * HOUR) == 1
    assert asked.result()
    assert (await scene.claim_delivery()).manual


async def test_who_subscribes_to_a_url_while_it_is_told_gone_is_told_all_the_same(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """The 410 is to an attempt from before: it says nothing of what is asked for now."""
    await scene.ended("old")
    scene.later(3.0)
    attempt = await scene.claim_delivery()
    scene.later(1.0)
    database = scene.store.database
    async with held(database, END, *adding(scene, "new"), now=scene.now) as added:
        gone = asyncio.create_task(scene.hear(attempt, GONE))
        await done_or_blocked(gone, other)
    await gone
    await the_end_is_owed(scene, added.result())


async def test_a_url_that_was_told_gone_just_before_is_reopened(scene: Scene) -> None:
    """Between the look at the URL and the new subscription to it."""
    await scene.ended("old")
    scene.later(3.0)
    attempt = await scene.claim_delivery()
    scene.later(1.0)
    database, adds = scene.store.database, "add_subscription"
    async with held(database, adds, *adding(scene, "new"), now=scene.now) as added:
        await scene.hear(attempt, GONE)
    await the_end_is_owed(scene, added.result())


async def test_a_hook_that_is_made_while_its_url_is_told_gone_stays(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """The tool was switched on again; the 410 is to an attempt from before."""
    same = destination("old")
    await scene.ended("old", destination=same)
    scene.later(3.0)
    attempt = await scene.claim_delivery()
    scene.later(1.0)
    wish = hook_wish(destination=same)
    add = partial(hooks.add, most=9, full=FULL)
    made = (add, scene.store._box, wish, "anew")
    async with held(scene.store.database, END, *made, now=scene.now):
        gone = asyncio.create_task(scene.hear(attempt, GONE))
        await done_or_blocked(gone, other)
    await gone
    assert await scene.store.hook("anew", "shop") is not None
    key = await scene.ended("new", destination=None)
    assert (await scene.claim_delivery()).message_id == f"msg_{key}_0_anew"


async def test_a_hook_that_is_removed_while_it_is_told_hears_nothing(scene: Scene) -> None:
    """Whoever tells has seen it; the claim sees that it is gone."""
    hook = await hooked(scene)
    key = await scene.add(destination=None)
    scene.later(2.0)
    watch_id = (await scene.claim_poll()).watch_id
    step = partial(polling.record_end, memory_until=scene.now)
    told = (step, scene.store._box, watch_id, succeeded())
    async with held(scene.store.database, "add_delivery", *told, now=scene.now):
        assert await remove(scene, hook)
    assert not await scene.claim_deliveries()
    [listed] = await scene.list_deliveries()
    assert (listed.id, listed.state) == (f"msg_{key}_0_{hook}", DeliveryState.STOPPED)


async def test_of_equal_hooks_that_are_made_at_once_there_is_one(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """Through two nodes, because the answer of the first was slow."""
    add = partial(hooks.add, most=9, full=FULL)
    first = (add, scene.store._box, hook_wish(), "first")
    async with held(scene.store.database, END, *first, now=scene.now):
        second = asyncio.create_task(add_hook(scene))
        await done_or_blocked(second, other)
    again = await second
    assert (again.created, again.hook.id) == (False, "hook_first")


async def test_of_nodes_that_tell_the_operator_at_once_one_does(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """Each has seen the same; the second waits, and finds it told."""
    to = NoticesTo(destination=destination("ops"), format="standard", types=TYPES)
    seen = Seen(down={"amux": scene.now}, late={"polls": 900.0})
    look = partial(noticing.look, mint=scene.store._mint)
    first = (look, scene.store._box, to, seen)
    async with held(scene.store.database, END, *first, now=scene.now):
        second = asyncio.create_task(scene.store.notice(to, seen, now=scene.now))
        await done_or_blocked(second, other)
    assert await second == []
    assert len(await scene.claim_deliveries()) == 2


def adding(scene: Scene, task_id: str, **changes: Any) -> tuple[Any, ...]:
    store = scene.store
    add = partial(subscribing.subscribe, mint=store._mint, full=None)
    return add, store._box, wish(task_id, first_poll_s=0.0, **changes), None


async def the_end_is_owed(scene: Scene, added: Subscribed) -> None:
    await scene.poll(succeeded())
    assert (await scene.delivery(key_of(added))).state is DeliveryState.WAITING


async def test_who_subscribes_while_a_crowd_is_ended_is_polled(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """By an answer that is told in chunks: each takes the watch, as the first does."""
    key = await scene.add("crowd", destination=destination("old"), first_poll_s=0.0)
    claimed, move = await closing(scene)
    database, answer = scene.store.database, (scene.store._box, claimed, NOT_FOUND, move)
    async with held(database, END, *adding(scene, "crowd"), now=scene.now):
        more = database.write(polling.tell_more, *answer, 0, now=scene.now)
        telling = asyncio.create_task(more)
        await done_or_blocked(telling, other)
    assert (await telling).keys == [key]


async def closing(scene: Scene) -> tuple[ClaimedPoll, Move]:
    """The poll whose answer, that there is no such task, is believed at last."""
    while True:
        scene.later(MINUTE)
        claimed, plan = await scene.claim_poll(), fixed(scene.policy)
        move = transition.after(claimed, NOT_FOUND, plan, now=scene.now, dice=0.0)
        if move.closes:
            return claimed, move
        await scene.answer(claimed, NOT_FOUND)


async def test_a_key_that_is_mended_while_its_tasks_are_ended_keeps_them(
    scene: Scene,
) -> None:
    """They were looked up when it had not worked yet."""
    keys = [await scene.add(f"task-{n}", first_poll_s=0.0) for n in range(3)]
    await scene.poll(REFUSED)
    scene.later(KEY_CHANCE_S + MINUTE)
    claimed, *_ = await scene.claim_polls()
    end, database, box = upkeep.end_keyless, scene.store.database, scene.store._box
    async with held(database, "lock_watch", end, box, Doubt.none(scene.now)) as ended:
        await scene.answer(claimed, pending())
    assert ended.result() == []
    assert {(await scene.show(key)).state for key in keys} == {SubscriptionState.ACTIVE}


async def test_a_key_that_is_repeated_while_its_last_task_ends_is_not_kept(
    scene: Scene,
) -> None:
    """The repeat has found the subscription active, and comes after the key was wiped."""
    await scene.add("own", provider_key="sk-own", first_poll_s=0.0)
    scene.later(1.0)
    claimed = await scene.claim_poll()
    repeat = adding(scene, "own", provider_key="sk-own")
    database, lock = scene.store.database, "lock_own_credential"
    async with held(database, lock, *repeat, now=scene.now) as repeated:
        await scene.answer(claimed, succeeded())
    assert not repeated.result().created
    assert await database.read(meta.rows, "sealed_credentials", **FIRST) == []


async def test_nothing_is_attempted_by_hand_after_a_delete(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """Whichever of the two comes first."""
    key = await scene.ended()
    step, database = asking.ask_for_attempt, scene.store.database
    async with held(database, "ask_attempt", step, key, 0, "shop", now=scene.now):
        stopping = asyncio.create_task(scene.stop(key))
        await done_or_blocked(stopping, other)
    assert await stopping
    scene.later(HOUR)
    assert await scene.claim_deliveries() == []


async def test_nobody_waits_for_a_node_that_is_frozen_while_it_prunes(
    scene: Scene,
) -> None:
    """What it deletes is undone when the server has had enough of it."""
    key = await scene.add()
    await scene.stop(key)
    scene.later(HOUR)
    store, times = scene.store, {"now": scene.now, "idempotency_before": scene.now}
    assert await store.prune(before=0.0) == 0  # not the first of all
    prune = partial(upkeep.prune, before=scene.now, shared=True)
    async with held(store.database, END, prune) as pruned:
        assert await store.prune(before=scene.now) == 0
        assert await store.forget(**times) == 0
    assert pruned.result() == 1


async def test_nobody_waits_for_a_node_that_is_frozen_while_it_takes_a_job(
    scene: Scene,
) -> None:
    store, job = scene.store, {"now": scene.now, "every_s": MINUTE}
    await store.take_job("job", now=scene.now - HOUR, every_s=MINUTE)
    async with held(store.database, END, meta.take_job, "job", **job) as taken:
        assert not await store.take_job("job", now=scene.now, every_s=MINUTE)
    assert taken.result()


async def test_deadlines_do_not_wait_for_a_node_that_is_frozen_at_others(
    scene: Scene,
) -> None:
    """It has taken the watches it is at; the next second is anybody's."""
    late = [await scene.add(name, deadline_s=10.0) for name in ("a", "b")]
    await scene.add("c", deadline_s=20.0)
    scene.later(10.0)
    check, database, policy = upkeep.check_deadlines, scene.store.database, scene.policy
    given = scene.store._box, lambda _: policy, Doubt.none(scene.now)
    async with held(database, END, check, *given) as checked:
        scene.later(10.0)
        await scene.check_deadlines()
        assert [one.task_id for one in await scene.claim_polls()] == ["c"]
    assert checked.result().polled
    await scene.poll(pending())
    assert {(await scene.show(key)).outcome for key in late} == {Outcome.TIMED_OUT}


async def test_an_end_that_a_frozen_node_tells_holds_up_no_other(scene: Scene) -> None:
    """Deadlines have their turn after it."""
    await scene.ended()
    store, database = scene.store, scene.store.database
    await database.write(mark_untold)
    tell = polling.tell_rest, store._box, 1
    async with held(database, END, *tell, now=scene.now):
        assert await store.finish_ends(now=scene.now) == []


def mark_untold() -> Step[None]:
    yield ask("set_untold", watch_id=1, untold=1)


NEWER = "a-newer-encryption-key-of-40-characters-1"
NEWEST = "the-newest-encryption-key-of-40-chars-002"


async def test_nodes_that_start_with_different_newest_keys_are_both_noted(
    scene: Scene, other: asyncpg.Connection
) -> None:
    """Either key may be taken away too early, and has to be missed then."""
    one, two = Vault([NEWER, ENCRYPTION_KEY]), Vault([NEWEST, NEWER, ENCRYPTION_KEY])
    database = scene.store.database
    async with held(database, "set_meta", meta.open_meta, one):
        starting = asyncio.create_task(database.write(meta.open_meta, two))
        await done_or_blocked(starting, other)
    await starting
    used = await database.read(meta.used_keys, two)
    assert set(used) == {Vault([key]).newest_id for key in (ENCRYPTION_KEY, NEWER, NEWEST)}
