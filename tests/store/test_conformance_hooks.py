"""Standing hooks: every event of a client is owed to each of its hooks, once."""

import asyncio
from typing import Any

import pytest

from bridge.errors import RequestError
from bridge.model import DeliveryState, Outcome
from bridge.store import Doubt
from bridge.store.telling import CHUNK
from tests.store.hooking import ENDED, SECRET, UPDATED, add_hook, hooked, remove, said
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GONE,
    HOUR,
    MINUTE,
    NOT_FOUND,
    Scene,
    destination,
    each,
    everything,
    failed,
    key_of,
    pending,
    succeeded,
)
from tests.store.test_conformance_crowds import Died, crowd, died_after

HOST = "tool.test"


async def states(scene: Scene, hook: str, *keys: str) -> list[DeliveryState | None]:
    found = [await scene.store.delivery(key, 0, None, hook) for key in keys]
    return [one.state if one else None for one in found]


async def test_a_hook_is_told_beside_the_subscriptions_own_url(scene: Scene) -> None:
    """By ids, a secret, a format and a body of its own; the event is the same."""
    hook = await hooked(scene, format="flat")
    key = await scene.ended()
    own, standing = sorted(await scene.claim_deliveries(), key=lambda one: one.message_id)
    assert (own.message_id, standing.message_id) == (f"msg_{key}_0", f"msg_{key}_0_{hook}")
    assert (own.signing_secrets, standing.signing_secrets) == ((), (SECRET,))
    assert (own.format, standing.format) == ("standard", "flat")
    assert standing.destination.url == f"https://{HOST}/standing"
    assert said(own)["id"] == own.message_id
    assert said(standing) == {**said(own), "id": standing.message_id}


async def test_who_is_watch_only_is_told_by_the_clients_hooks(scene: Scene) -> None:
    """`callback_url` absent: the client's hooks, if it has any."""
    hook = await hooked(scene)
    key = await scene.ended(destination=None)
    claimed = await scene.deliver(ACCEPTED)
    assert claimed.message_id == f"msg_{key}_0_{hook}"
    assert (await scene.show(key)).delivery.state is DeliveryState.NONE


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ({}, True),
        ({"events": ("task.succeeded",)}, True),
        ({"events": ("task.failed", UPDATED)}, False),
        ({"provider": "amux"}, True),
        ({"provider": "rong"}, False),
        ({"client": "other"}, False),
    ],
)
async def test_a_hook_hears_what_it_asked_for(
    scene: Scene, hook: dict[str, Any], told: bool
) -> None:
    await hooked(scene, **hook)
    await scene.ended(destination=None)
    assert len(await scene.claim_deliveries()) == told


async def test_a_subscriptions_events_filter_its_own_deliveries_only(scene: Scene) -> None:
    hook = await hooked(scene)
    key = await scene.ended(events=("task.failed",))
    claimed = await scene.deliver(ACCEPTED)
    assert claimed.message_id == f"msg_{key}_0_{hook}"
    assert (await scene.delivery(key)).state is DeliveryState.FILTERED


async def test_hooks_count_as_of_the_event(scene: Scene) -> None:
    """Who comes later hears of what comes later."""
    key = await scene.ended(destination=None)
    late = await hooked(scene)
    assert not await scene.claim_deliveries()
    assert await states(scene, late, key) == [None]


async def test_an_end_that_is_known_already_is_told_to_hooks_as_well(scene: Scene) -> None:
    await scene.ended("a", destination=None)
    hook = await hooked(scene)
    second = await scene.subscribe("a", destination=None, metadata={"n": 2})
    assert second.subscription.outcome is Outcome.SUCCEEDED
    assert not await scene.claim_deliveries(), "the caller has not had its answer yet"
    claimed = await scene.deliver(ACCEPTED, after_s=2.0)
    assert claimed.message_id == f"msg_{key_of(second)}_0_{hook}"


async def test_what_ends_by_our_own_word_is_told(scene: Scene) -> None:
    hook = await hooked(scene)
    key = await scene.add(destination=None)
    for _ in range(4):
        await scene.poll(NOT_FOUND, after_s=130.0)
    claimed = await scene.claim_delivery()
    assert (claimed.message_id, claimed.type) == (f"msg_{key}_0_{hook}", "task.unreachable")


async def test_retries_of_a_hook_are_its_own(scene: Scene) -> None:
    """One receiver that is down says nothing of the other."""
    hook = await hooked(scene)
    key = await scene.ended()
    own, standing = sorted(await scene.claim_deliveries(), key=lambda one: one.message_id)
    await scene.hear(own, ACCEPTED)
    await scene.hear(standing, BROKEN)
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED
    assert await states(scene, hook, key) == [DeliveryState.RETRYING]
    again = await scene.deliver(ACCEPTED, after_s=10.0)
    assert (again.message_id, again.attempt) == (standing.message_id, 2)
    log = (await scene.store.delivery(key, 0, None, hook)).log  # type: ignore[union-attr]
    assert [attempt.http_status for attempt in log] == [500, 200]


async def test_a_newer_update_takes_the_place_of_the_older_one_at_each_hook(
    scene: Scene,
) -> None:
    """One that was refused keeps its place in the schedule; what is due stays due."""
    slow = await hooked(scene, "slow", events=(UPDATED,))
    quick = await hooked(scene, "quick", events=(ENDED, UPDATED))
    key = await scene.add(destination=None, events=(ENDED, UPDATED))
    await scene.poll(pending(progress=10), gap_s=4.0)
    first = {one.message_id: one for one in await scene.claim_deliveries()}
    assert set(first) == {f"msg_{key}_1_{slow}", f"msg_{key}_1_{quick}"}
    await scene.hear(first[f"msg_{key}_1_{slow}"], BROKEN)
    await scene.hear(first[f"msg_{key}_1_{quick}"], ACCEPTED)
    await scene.poll(pending(progress=20), after_s=4.0, gap_s=2.0)
    [now] = await scene.claim_deliveries()
    assert now.message_id == f"msg_{key}_2_{quick}"
    scene.later(1.0)
    [then] = await scene.claim_deliveries()
    assert (then.message_id, then.failures) == (f"msg_{key}_2_{slow}", 1)
    await scene.hear(now, ACCEPTED)
    await scene.hear(then, BROKEN)
    await scene.poll(succeeded())
    last = await scene.claim_deliveries()
    assert [one.message_id for one in last] == [f"msg_{key}_0_{quick}"]
    superseded = await scene.list_deliveries(state="superseded")
    assert {one.id for one in superseded} == {f"msg_{key}_1_{slow}", f"msg_{key}_2_{slow}"}


async def test_stopping_a_subscription_drops_what_hooks_are_owed_of_it(
    scene: Scene,
) -> None:
    hook = await hooked(scene)
    key = await scene.ended()
    assert await scene.stop(key)
    scene.later(DAY)
    assert not await scene.claim_deliveries()
    assert await states(scene, hook, key) == [DeliveryState.STOPPED]


async def test_removing_a_hook_drops_what_it_is_owed_and_nothing_else(
    scene: Scene,
) -> None:
    """Another hook and a subscription go to the same URL."""
    same: dict[str, Any] = {"destination": destination("same", host=HOST)}
    hook = await hooked(scene, **same)
    other = await hooked(scene, **same, format="flat")
    key = await scene.ended(**same)
    assert await remove(scene, hook)
    assert await states(scene, hook, key) == [DeliveryState.STOPPED]
    claims = await scene.claim_deliveries()
    assert {one.message_id for one in claims} == {f"msg_{key}_0", f"msg_{key}_0_{other}"}
    later = await scene.add("later", destination=None)
    for claimed in claims:
        await scene.hear(claimed, ACCEPTED)
    await scene.poll(succeeded())
    assert (await scene.claim_delivery()).message_id == f"msg_{later}_0_{other}"


async def test_an_attempt_in_flight_when_its_hook_is_removed_is_the_last(
    scene: Scene,
) -> None:
    hook = await hooked(scene)
    keys = [await scene.ended(task, destination=None) for task in ("a", "b")]
    one, other = await scene.claim_deliveries()
    assert await remove(scene, hook)
    await scene.hear(one, BROKEN)
    await scene.hear(other, ACCEPTED)
    scene.later(DAY)
    assert not await scene.claim_deliveries()
    found = await states(scene, hook, *keys)
    assert sorted(map(str, found)) == ["accepted", "stopped"]


async def test_a_backlog_of_a_removed_hook_goes_in_chunks(scene: Scene) -> None:
    """And what was cut short is dropped when it is due."""
    hook = await hooked(scene)
    keys = await crowd(scene, destination=None)
    await scene.poll(succeeded())
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await remove(scene, hook)
    revive()
    assert (await scene.store.backlog(scene.now))["deliveries"] == len(keys) - CHUNK
    assert not await scene.claim_deliveries(choose=everything)
    assert set(await states(scene, hook, *keys)) == {DeliveryState.STOPPED}
    assert (await scene.store.backlog(scene.now))["deliveries"] == 0


async def test_a_hook_that_answers_410_is_removed(scene: Scene) -> None:
    """So is every hook with that URL; nothing more is sent, also to its subscriptions."""
    same: dict[str, Any] = {"destination": destination("same", host=HOST)}
    hook = await hooked(scene, **same)
    key = await scene.ended(**same)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
    await scene.hear(claims[0], GONE)
    assert await scene.store.hook(hook, "shop") is None
    assert not await scene.claim_deliveries()
    assert (await scene.delivery(key)).state is DeliveryState.GONE
    assert await states(scene, hook, key) == [DeliveryState.GONE]
    assert await remove(scene, hook), "it is gone already, and that is fine"
    anew = await hooked(scene, **same)
    await scene.ended("b", destination=None)
    assert (await scene.claim_delivery()).message_id.endswith(anew)


async def test_a_410_to_what_was_begun_before_a_hook_was_made_spares_it(
    scene: Scene,
) -> None:
    """The tool was switched on again while an old attempt was on its way."""
    same: dict[str, Any] = {"destination": destination("same", host=HOST)}
    await scene.ended(**same)
    claimed = await scene.claim_delivery()
    scene.later(1.0)
    hook = await hooked(scene, **same)
    await scene.hear(claimed, GONE)
    assert await scene.store.hook(hook, "shop") is not None
    await scene.ended("b", destination=None)
    assert (await scene.deliver(ACCEPTED)).message_id.endswith(hook)


async def test_a_410_to_a_lone_hook_removes_it(scene: Scene) -> None:
    """No subscription has its URL."""
    hook = await hooked(scene)
    await scene.ended(destination=None)
    await scene.deliver(GONE)
    assert await scene.store.hook(hook, "shop") is None


async def test_a_delivery_to_a_hook_is_retried_by_hand(scene: Scene) -> None:
    hook = await hooked(scene)
    key = await scene.ended()
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, ACCEPTED)
    asked = scene.store.ask_for_attempt
    assert await asked(key, 0, "shop", now=scene.now, hook=hook)
    assert not await asked(key, 0, "other", now=scene.now, hook=hook)
    assert not await asked(key, 0, "shop", now=scene.now, hook="nobody")
    claimed = await scene.deliver(ACCEPTED)
    assert (claimed.message_id, claimed.manual) == (f"msg_{key}_0_{hook}", True)
    await remove(scene, hook)
    with pytest.raises(RequestError, match="its hook was removed"):
        await asked(key, 0, "shop", now=scene.now, hook=hook)


async def test_an_identical_request_finds_the_hook_that_is_there(scene: Scene) -> None:
    """The answer to the first was lost; two hooks would tell everything twice."""
    first = await add_hook(scene, minted=True)
    again = await add_hook(scene, minted=True)
    assert (again.created, again.hook) == (False, first.hook)
    assert again.hook.minted_secret == SECRET
    changes: list[dict[str, Any]] = [
        {"format": "flat"},
        {"provider": "amux"},
        {"client": "other"},
    ]
    for change in changes:
        assert (await add_hook(scene, minted=True, **change)).created
    assert await remove(scene, first.hook.id[5:])
    assert (await add_hook(scene, minted=True)).created


async def test_a_client_has_so_many_hooks_and_no_more(scene: Scene) -> None:
    """Also if it asks for all of them at once."""
    made = [add_hook(scene, f"h{n}", most=3) for n in range(8)]
    done = await asyncio.gather(*made, return_exceptions=True)
    assert sum(isinstance(one, RequestError) for one in done) == 5
    kept = (await scene.store.hooks("shop", limit=10)).items
    assert len(kept) == 3
    await remove(scene, kept[0].id[5:])
    assert (await add_hook(scene, "another", most=3)).created
    assert (await add_hook(scene, client="other", most=3)).created


async def test_a_hook_is_its_clients_alone(scene: Scene) -> None:
    hook = await hooked(scene)
    await hooked(scene, "theirs", client="other")
    assert await scene.store.hook(hook, "other") is None
    assert not await remove(scene, hook, "other")
    assert [one.client for one in (await scene.store.hooks("shop", limit=9)).items] == [
        "shop"
    ]
    assert len((await scene.store.hooks(None, limit=9)).items) == 2
    key = await scene.ended(destination=None)
    assert (await scene.deliver(ACCEPTED)).message_id == f"msg_{key}_0_{hook}"
    assert len(await scene.list_deliveries(client="shop")) == 1
    assert await scene.list_deliveries(client="other") == []


async def test_a_list_of_hooks_has_pages(scene: Scene) -> None:
    made = [await hooked(scene, f"h{n}") for n in range(5)]
    seen: list[str] = []
    page = await scene.store.hooks("shop", limit=2)
    while page.next_before is not None:
        seen += [one.id[5:] for one in page.items]
        page = await scene.store.hooks("shop", limit=2, before=page.next_before)
    assert [*seen, *(one.id[5:] for one in page.items)] == made[::-1]


async def test_what_was_removed_is_forgotten_once_nothing_speaks_of_it(
    scene: Scene,
) -> None:
    """The ids of its deliveries are read from it until then."""
    hook = await hooked(scene)
    key = await scene.ended(destination=None)
    await scene.deliver(ACCEPTED)
    unused = await hooked(scene, "unused")
    for each_ in (hook, unused):
        assert await remove(scene, each_)
    scene.later(DAY + HOUR)
    await scene.store.forget(now=scene.now, idempotency_before=0)
    assert not await remove(scene, unused)
    assert await remove(scene, hook)
    [listed] = await scene.list_deliveries()
    assert (listed.id, listed.hook_id) == (f"msg_{key}_0_{hook}", f"hook_{hook}")
    while await scene.store.prune(before=scene.now):
        pass
    await scene.store.forget(now=scene.now, idempotency_before=0)
    assert not await remove(scene, hook)
    assert await scene.list_deliveries() == []


async def test_pruning_leaves_the_url_of_a_hook(scene: Scene) -> None:
    """A subscription with the same one was old."""
    same: dict[str, Any] = {"destination": destination("same", host=HOST)}
    hook = await hooked(scene, **same)
    await scene.ended(**same)
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, ACCEPTED)
    scene.later(DAY)
    assert await scene.store.prune(before=scene.now) == 1
    key = await scene.ended("b", destination=None)
    assert (await scene.deliver(ACCEPTED)).message_id == f"msg_{key}_0_{hook}"


async def test_what_a_hook_is_owed_keeps_its_subscription(scene: Scene) -> None:
    await hooked(scene)
    await scene.ended(destination=None)
    await scene.deliver(BROKEN)
    assert await scene.store.prune(before=scene.now + DAY) == 0
    await scene.deliver(ACCEPTED, after_s=MINUTE)
    assert await scene.store.prune(before=scene.now + DAY) == 1


async def test_an_abandoned_clients_hooks_are_owed_nothing(scene: Scene) -> None:
    hook = await hooked(scene)
    key = await scene.ended(destination=None)
    assert (await scene.store.in_use())[0] == {"shop"}
    await scene.store.abandon({"shop"}, set(), now=scene.now)
    assert (await scene.store.in_use())[0] == set()
    assert await states(scene, hook, key) == [DeliveryState.STOPPED]


async def test_a_get_hook_says_what_fits_into_a_url(scene: Scene) -> None:
    """The subscription has its metadata checked against its own method only."""
    await hooked(scene, method="GET")
    await scene.ended("long", destination=None, metadata={"note": "x" * 9_000})
    assert said(await scene.deliver(ACCEPTED))["data"]["metadata"] == {}
    await scene.ended("short", destination=None, metadata={"order": 7})
    assert said(await scene.deliver(ACCEPTED))["data"]["metadata"] == {"order": 7}


HOOKS = 20
MANY = CHUNK // (HOOKS + 1) + 3


async def with_hooks(scene: Scene, **changes: Any) -> None:
    for n in range(HOOKS):
        await hooked(scene, f"h{n}", **changes)


async def test_a_crowd_with_hooks_is_told_in_chunks(scene: Scene) -> None:
    """So many deliveries to a transaction, whoever they are for; a crash in between loses
    none and repeats none.
    """
    await with_hooks(scene)
    keys = await crowd(scene, MANY, destination=None)
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.end(watch_id)
    revive()
    owed = (await scene.store.backlog(scene.now))["deliveries"]
    assert 0 < owed <= CHUNK
    assert await scene.store.sweep(now=scene.now) == 0
    assert len(await scene.store.finish_ends(now=scene.now)) == MANY - owed // HOOKS
    scene.later(1.0)
    claims = await scene.claim_deliveries(choose=everything)
    assert len({one.message_id for one in claims}) == len(claims) == len(keys) * HOOKS


async def test_updates_of_a_crowd_with_hooks_go_in_chunks(scene: Scene) -> None:
    await with_hooks(scene, events=(UPDATED,))
    await crowd(scene, MANY, destination=None, events=(ENDED, UPDATED))
    scene.later(1.0)
    claimed = await scene.claim_poll()
    revive = died_after(scene, 1)
    with pytest.raises(Died):
        await scene.answer(claimed, pending(progress=5))
    revive()
    assert 0 < (await scene.store.backlog(scene.now))["deliveries"] <= CHUNK
    await scene.poll(pending(progress=5), after_s=5.0)
    claims = await scene.claim_deliveries(choose=everything)
    assert len(claims) == MANY * HOOKS


async def test_deadlines_of_a_crowd_with_hooks_pass_in_chunks(scene: Scene) -> None:
    """Nobody answers, so that all are ended by our own word."""
    await with_hooks(scene)
    keys = await crowd(scene, MANY, destination=None, deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    scene.later(301.0)
    ended: list[str] = []
    rounds, more = 0, True
    while more:
        found = await scene.store.check_deadlines(
            lambda _: scene.policy, Doubt.none(scene.now)
        )
        more = found.more
        ended += found.ended
        rounds += bool(found.ended)
        assert len(found.ended) * (HOOKS + 1) <= CHUNK
    assert (sorted(ended), rounds) == (sorted(keys), 2)


async def test_failures_are_told_to_who_asked_for_failures(scene: Scene) -> None:
    """What most people want a standing hook for."""
    hook = await hooked(scene, events=("task.failed",))
    await scene.ended("good", destination=None)
    key = await scene.add("bad", destination=None)
    await scene.poll(failed())
    assert (await scene.claim_delivery()).message_id == f"msg_{key}_0_{hook}"
