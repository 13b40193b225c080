"""Upkeep: pruning, abandoning, taking over, and the figures."""

import asyncio

import pytest

from bridge.model import (
    ClaimedDelivery,
    ClaimedPoll,
    DeliveryState,
    PollOutcome,
    Reply,
    SubscriptionState,
)
from bridge.receivers.retry import Schedule
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GAP_S,
    GONE,
    HOUR,
    REFUSED,
    THROTTLED,
    Scene,
    destination,
    everything,
    pending,
    saw,
    succeeded,
)

FOREVER = 10**12


async def prune_all(scene: Scene, before: float = FOREVER) -> int:
    """How many subscriptions it was."""
    pruned = 0
    while count := await scene.store.prune(before=before):
        pruned += count
    return pruned


async def test_what_is_finished_and_old_is_deleted(scene: Scene) -> None:
    """Old ends are other people's links and metadata: no reason to keep them."""
    ended = await scene.ended("a", metadata={"order": 7})
    await scene.deliver(ACCEPTED)
    stopped = await scene.add("b")
    await scene.stop(stopped)
    scene.later(1.0)
    assert await prune_all(scene, before=scene.now) == 2
    for key in (ended, stopped):
        assert await scene.store.subscription(key, None) is None
        assert await scene.store.delivery(key, 0, None) is None
    assert await scene.list_subscriptions() == []
    assert await scene.list_deliveries() == []
    assert await prune_all(scene, before=scene.now) == 0


async def test_what_is_finished_and_young_is_kept(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    assert await prune_all(scene, before=scene.now) == 0
    assert (await scene.show(key)).state is SubscriptionState.ENDED


async def test_what_is_active_is_never_deleted(scene: Scene) -> None:
    """However old it is."""
    key = await scene.add()
    assert await prune_all(scene) == 0
    assert await scene.poll(succeeded()) == [key]


@pytest.mark.parametrize("tries", [0, 1, 2])
async def test_what_is_owed_is_never_deleted(scene: Scene, tries: int) -> None:
    """A receiver that is away for a month is still owed."""
    key = await scene.ended()
    for _ in range(tries):
        await scene.deliver(BROKEN, after_s=20.0)
    assert await prune_all(scene) == 0
    await scene.deliver(ACCEPTED, after_s=DAY)
    assert await prune_all(scene) == 1
    assert await scene.store.subscription(key, None) is None


async def test_an_attempt_in_flight_keeps_its_subscription(scene: Scene) -> None:
    await scene.ended()
    claimed = await scene.claim_delivery()
    assert await prune_all(scene) == 0
    await scene.hear(claimed, ACCEPTED)
    assert await prune_all(scene) == 1


async def test_an_attempt_asked_for_by_hand_keeps_its_subscription(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    await scene.retry(key)
    assert await prune_all(scene) == 0
    await scene.deliver(BROKEN)
    assert await prune_all(scene) == 1


async def test_pruning_one_leaves_its_neighbours_whole(scene: Scene) -> None:
    """They share a watch and a destination."""
    old = await scene.add()
    young = await scene.add(metadata={"young": True})
    await scene.stop(old)
    assert await prune_all(scene) == 1
    assert await scene.poll(succeeded(), after_s=5.0) == [young]
    assert (await scene.claim_delivery()).destination == destination()


async def test_a_pruned_task_is_polled_anew(scene: Scene) -> None:
    """Its memory goes with it."""
    await scene.ended()
    await scene.deliver(ACCEPTED)
    await prune_all(scene)
    again = await scene.add()
    assert await scene.poll(succeeded()) == [again]


async def test_a_result_that_comes_after_pruning_fits_nothing_else(scene: Scene) -> None:
    """An end told to the wrong subscriber would be the worst of lies."""
    old = await scene.ended("old")
    poll, attempt = await last_claims(scene, old)
    await prune_all(scene)
    new = await scene.ended("new")
    other = await scene.add("other")
    for seen in (pending(), REFUSED, THROTTLED, succeeded()):
        assert await scene.answer(poll, seen) == []
    await scene.hear(attempt, ACCEPTED)
    assert (await scene.show(other)).state is SubscriptionState.ACTIVE
    assert (await scene.delivery(new)).state is DeliveryState.WAITING


async def last_claims(scene: Scene, key: str) -> tuple[ClaimedPoll, ClaimedDelivery]:
    """A poll and an attempt whose results will come too late: all is over before."""
    attempt = await scene.claim_delivery()
    again = await scene.add("poll", destination=None, provider_key="sk-own")
    scene.later(1.0)
    poll = await scene.claim_poll()
    for one in (key, again):
        await scene.stop(one)
    return poll, attempt


async def test_pruning_goes_in_chunks(scene: Scene) -> None:
    """A month's worth at once would hold up every subscribe."""
    for n in range(501):
        await scene.stop(await scene.add(f"task-{n}"))
    assert await scene.store.prune(before=FOREVER) == 500
    assert await scene.store.prune(before=FOREVER) == 1
    assert await scene.store.prune(before=FOREVER) == 0


async def test_pruning_leaves_no_trace_of_what_is_no_longer_used(scene: Scene) -> None:
    """Each key and each host ever seen would otherwise stay for ever."""
    await scene.ended("a", provider_key="sk-of-a-user")
    await scene.deliver(ACCEPTED)
    await scene.add("b")
    await prune_all(scene)
    assert len(await scene.store.credentials()) == 1
    assert (await scene.credential())["worked_at"] is None


async def test_a_credential_in_use_keeps_its_state(scene: Scene) -> None:
    """Pruning one task does not forget that the key of another has worked."""
    await scene.add("long")
    await scene.ended("short")
    await scene.deliver(ACCEPTED)
    worked_at = (await scene.credential())["worked_at"]
    assert worked_at is not None
    await prune_all(scene)
    assert (await scene.credential())["worked_at"] == worked_at


async def test_forgetting_goes_on_until_all_is_forgotten(scene: Scene) -> None:
    """However many ended within the hour, none is left behind for the next minute."""
    for n in range(501):
        await scene.add(f"task-{n}", destination=None)
    scene.later(2.0)
    claims = await scene.claim_polls(choose=everything)
    await asyncio.gather(*(scene.answer(claimed, succeeded()) for claimed in claims))
    while await scene.store.forget(now=scene.now + 2 * HOUR, idempotency_before=0):
        pass
    again = await asyncio.gather(
        *(
            scene.subscribe(f"task-{n}", metadata={"again": True}, destination=None)
            for n in range(501)
        )
    )
    assert {one.subscription.state for one in again} == {SubscriptionState.ACTIVE}


# Abandon


async def test_abandoning_a_client_stops_all_it_has_in_flight(scene: Scene) -> None:
    """It was removed from the configuration on purpose."""
    active = await scene.add("a")
    owed = await scene.ended("b")
    others = await scene.add("c", client="blog")
    assert await scene.store.in_use() == ({"shop", "blog"}, {"amux"})
    assert await scene.store.abandon(["shop"], [], now=scene.now) == 2
    assert (await scene.show(active)).state is SubscriptionState.STOPPED
    assert (await scene.show(owed)).delivery.state is DeliveryState.STOPPED
    assert (await scene.show(others)).state is SubscriptionState.ACTIVE
    assert await scene.store.in_use() == ({"blog"}, {"amux"})
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_abandoning_a_provider_stops_its_tasks_and_sends_its_ends(
    scene: Scene,
) -> None:
    """What has ended is owed, whether or not the provider is still known."""
    ended = await scene.ended("a")
    active = await scene.add("b")
    other = await scene.add("c", provider="rong")
    assert await scene.store.abandon([], ["amux"], now=scene.now) == 1
    assert (await scene.show(active)).state is SubscriptionState.STOPPED
    assert (await scene.show(other)).state is SubscriptionState.ACTIVE
    assert await scene.store.in_use() == ({"shop"}, {"rong"})
    assert (await scene.claim_delivery()).message_id == f"msg_{ended}_0"


@pytest.mark.parametrize("first", [ACCEPTED, GONE, BROKEN])
async def test_abandoning_ends_with_attempts_asked_for_by_hand(
    scene: Scene, first: Reply
) -> None:
    """`--abandon` must come to an end, whatever is owed."""
    scene.schedule = Schedule(())
    key = await scene.ended()
    await scene.deliver(first)
    await scene.retry(key)
    assert await scene.store.abandon(["shop"], [], now=scene.now) == 1
    assert await scene.store.in_use() == (set(), set())


async def test_abandoning_goes_in_chunks(scene: Scene) -> None:
    for n in range(501):
        await scene.add(f"task-{n}")
    assert await scene.store.abandon(["shop"], ["amux"], now=scene.now) == 501
    assert await scene.store.abandon(["shop"], ["amux"], now=scene.now) == 0


async def test_what_is_over_is_not_in_use(scene: Scene) -> None:
    """A client with nothing in flight may be removed without a word."""
    await scene.ended()
    assert await scene.store.in_use() == ({"shop"}, set())
    await scene.deliver(ACCEPTED)
    assert await scene.store.in_use() == (set(), set())


# Figures


async def test_the_backlog_is_told_with_its_age(scene: Scene) -> None:
    """A stall is noticed by the age of what is due."""
    assert dict(await scene.store.backlog(scene.now)) == {
        "watches": 0,
        "paused": 0,
        "deliveries": 0,
        "oldest_poll_at": None,
        "oldest_delivery_at": None,
        "exhausted": 0,
        "silent_hosts": 0,
    }
    await scene.add("a", first_poll_s=1.0)
    await scene.add("b", first_poll_s=2.0)
    assert (await scene.store.backlog(scene.now))["oldest_poll_at"] is None
    due_at = scene.now + 1
    scene.later(2.0)
    figures = await scene.store.backlog(scene.now)
    assert (figures["watches"], figures["oldest_poll_at"]) == (2, due_at)
    await scene.poll(succeeded(), after_s=0.0)
    figures = await scene.store.backlog(scene.now + 1)
    assert (figures["watches"], figures["deliveries"]) == (0, 2)
    assert figures["oldest_delivery_at"] == scene.now


async def test_what_waits_for_a_provider_is_told_apart(scene: Scene) -> None:
    """Of its watches none is asked about until the provider's pause is over."""
    for n in range(2):
        await scene.add(f"task-{n}")
    await scene.add("other", provider="rong")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        throttled = claimed.provider == "amux"
        seen = saw(PollOutcome.THROTTLED, retry_after_s=600.0) if throttled else pending()
        await scene.answer(claimed, seen)
    figures = await scene.store.backlog(scene.now)
    assert (figures["watches"], figures["paused"]) == (3, 2)
    assert (await scene.store.backlog(scene.now + 601))["paused"] == 0


async def test_active_subscriptions_are_counted_for_each_client(scene: Scene) -> None:
    """Limits are kept by these figures."""
    await scene.ended("a")
    for n in range(3):
        await scene.add(f"task-{n}", client="blog")
    await scene.add("b")
    await scene.stop(await scene.add("c"))
    assert await scene.store.active_counts() == {"blog": 3, "shop": 1}


async def test_credentials_tell_their_state(scene: Scene) -> None:
    """`GET /providers` is made of this."""
    await scene.add("a")
    await scene.add("b", provider="rong")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        amux = claimed.provider == "amux"
        await scene.answer(claimed, THROTTLED if amux else REFUSED)
    throttled, refused = await scene.credential("amux"), await scene.credential("rong")
    assert throttled["throttles"] == 1
    assert throttled["paused_until"] > scene.now
    assert (throttled["refused_at"], throttled["worked_at"]) == (None, None)
    assert refused["refused_at"] == scene.now
    await scene.poll(pending(), after_s=HOUR)
    assert {c["worked_at"] for c in await scene.store.credentials()} == {scene.now}


async def test_a_configured_key_is_told_apart_from_callers_own(scene: Scene) -> None:
    """One caller's wrong key must not make the provider look refused to all."""
    await scene.add("a")
    await scene.add("b", provider_key="sk-typo")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        await scene.answer(claimed, REFUSED if claimed.own_key else pending())
    found = await scene.store.configured_credentials(["amux", "rong"])
    assert list(found) == ["amux"]
    assert found["amux"]["refused_at"] is None
    assert found["amux"]["worked_at"] == scene.now


async def test_taking_over_nothing_is_nothing(scene: Scene) -> None:
    """A first start has no former process."""
    assert await scene.store.begin(now=scene.now) == 0
    await scene.add()
    assert await scene.store.begin(now=scene.now) == 0


async def test_the_sweep_finds_nothing_to_repair_in_a_full_life(scene: Scene) -> None:
    """Whatever a subscription can go through, between any two steps of it."""

    async def swept() -> None:
        assert await scene.store.sweep(now=scene.now) == 0

    await scene.store.begin(now=scene.now)
    key = await scene.add(events=("task.ended", "task.updated"))
    await scene.add(destination=None)
    await scene.add(events=("task.failed",))
    await swept()
    scene.later(1.0)
    claimed = await scene.claim_poll()
    await swept()
    await scene.answer(claimed, pending(progress=1))
    await swept()
    scene.later(1.0)
    update = await scene.claim_delivery()
    await swept()
    await scene.hear(update, BROKEN)
    await swept()
    await scene.poll(succeeded(), after_s=GAP_S)
    await swept()
    end = await scene.claim_delivery()
    await scene.retry(key)
    await swept()
    await scene.hear(end, GONE)
    await swept()
    await scene.retry(key)
    await swept()
    await scene.deliver(BROKEN, after_s=1.0)
    await swept()
    await scene.stop(key)
    await swept()
    await prune_all(scene)
