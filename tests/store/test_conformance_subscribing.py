"""Subscribing: one watch for many, one subscription for identical requests."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bridge.errors import RequestError
from bridge.model import (
    DeliveryState,
    Destination,
    Outcome,
    PollOutcome,
    Status,
    SubscriptionState,
)
from tests.store.scene import (
    ACCEPTED,
    DAY,
    GONE,
    HOUR,
    MEMORY_S,
    NOT_FOUND,
    TRANSIENT,
    Scene,
    destination,
    failed,
    key_of,
    pending,
    saw,
    succeeded,
    wish,
)


async def test_a_new_subscription_shows_what_was_asked(scene: Scene) -> None:
    """The 202 repeats the request: a caller can check what we understood."""
    subscribed = await scene.subscribe(
        events=("task.succeeded", "task.updated"), metadata={"order": 7}, deadline_s=900.0
    )
    shown = subscribed.subscription
    assert subscribed.created
    assert not subscribed.replayed
    assert (shown.client, shown.provider, shown.task_id) == ("shop", "amux", "task-1")
    assert shown.callback_url == "https://app.test/hook"
    assert shown.events == ("task.succeeded", "task.updated")
    assert shown.metadata == {"order": 7}
    assert shown.state is SubscriptionState.ACTIVE
    assert (shown.status, shown.outcome, shown.progress, shown.event) == (None,) * 4
    assert (shown.created_at, shown.deadline_at) == (scene.now, scene.now + 900)
    assert (shown.ended_at, shown.last_poll) == (None, None)
    assert shown.next_poll_at == subscribed.subscription.next_poll_at == scene.now + 1
    assert shown.delivery.state is DeliveryState.WAITING
    assert shown.delivery.id == f"msg_{key_of(subscribed)}_0"
    assert (shown.delivery.attempts, shown.delivery.next_attempt_at) == (0, None)
    assert shown == await scene.show(key_of(subscribed))


async def test_the_delivery_to_come_is_shown_with_its_id(scene: Scene) -> None:
    """A receiver can be told which `webhook-id` to wait for, and whether one will come."""
    watch_only = await scene.subscribe("a", destination=None)
    assert watch_only.subscription.delivery.state is DeliveryState.NONE
    updates = await scene.subscribe("a", events=("task.updated",))
    assert updates.subscription.delivery.state is DeliveryState.FILTERED
    stays = await scene.add("a", metadata={"stays": True})
    await scene.ended("b")
    await scene.deliver(GONE)
    shown = await scene.show(stays)
    assert (shown.delivery.id, shown.delivery.state) == (
        f"msg_{stays}_0",
        DeliveryState.GONE,
    )


async def test_a_pause_of_the_credential_shows_in_the_next_poll(scene: Scene) -> None:
    """`next_poll_at` is a promise: nothing is asked before."""
    key = await scene.add()
    await scene.poll(saw(PollOutcome.THROTTLED, retry_after_s=100.0))
    assert (await scene.show(key)).next_poll_at == scene.now + 100


async def test_memory_without_the_raw_answer_does_not_do_for_who_wants_it(
    scene: Scene,
) -> None:
    """It was not kept, because nobody had asked for it."""
    await scene.ended("a")
    late = await scene.subscribe("a", include_raw=True)
    assert late.subscription.state is SubscriptionState.ACTIVE
    await scene.poll(succeeded(raw={"own": "shape"}))
    again = await scene.subscribe("a", include_raw=True, metadata={"n": 2})
    assert again.subscription.event is not None
    assert again.subscription.event["data"]["raw"] == {"own": "shape"}


async def test_keys_are_long_and_never_alike(scene: Scene) -> None:
    """Ids travel in URLs; whoever could guess one could probe for others."""
    keys = {await scene.add(f"task-{n}") for n in range(20)}
    assert len(keys) == 20
    assert all(len(key) == 22 and key.isalnum() for key in keys)


async def test_a_repeat_while_active_is_the_same_subscription(scene: Scene) -> None:
    """A caller that lost our 202 asks again, and must not be told twice."""
    key = await scene.add()
    scene.later(10 * DAY)
    again = await scene.subscribe(deadline_s=DAY)
    assert (again.created, key_of(again)) == (False, key)
    assert len(await scene.list_subscriptions()) == 1


async def test_a_repeat_after_the_end_is_the_same_for_a_day(scene: Scene) -> None:
    """The lost 202 may be repeated after the end; the answer then shows the end."""
    key = await scene.ended()
    scene.later(DAY - 1)
    again = await scene.subscribe()
    assert (again.created, key_of(again)) == (False, key)
    assert again.subscription.outcome is Outcome.SUCCEEDED


async def test_a_repeat_more_than_a_day_after_the_end_is_new(scene: Scene) -> None:
    """A workflow that uses a task id anew after a day wants to be told anew."""
    key = await scene.ended()
    scene.later(DAY)
    again = await scene.subscribe()
    assert again.created
    assert key_of(again) != key
    assert again.subscription.state is SubscriptionState.ACTIVE
    assert (await scene.show(key)).state is SubscriptionState.ENDED


async def test_a_repeat_after_our_own_end_is_the_same_too(scene: Scene) -> None:
    """Identity does not ask who ended it."""
    key = await scene.add(deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    assert await scene.poll(pending(), after_s=1.0) == [key]
    again = await scene.subscribe(deadline_s=10.0)
    assert (again.created, key_of(again)) == (False, key)
    assert again.subscription.outcome is Outcome.TIMED_OUT


async def test_a_repeat_after_a_stop_is_new(scene: Scene) -> None:
    """DELETE and POST again is how a caller starts over."""
    key = await scene.add()
    assert await scene.stop(key)
    again = await scene.subscribe()
    assert again.created
    assert key_of(again) != key


DIFFERENCES: Mapping[str, Mapping[str, Any]] = {
    "client": {"client": "blog"},
    "callback": {"destination": destination("other")},
    "headers": {"destination": destination(**{"X-Token": "t"})},
    "no callback": {"destination": None},
    "events": {"events": ("task.succeeded",)},
    "metadata": {"metadata": {"a": 1}},
    "deadline": {"deadline_s": 60.0},
    "format": {"format": "flat"},
    "anything else": {"canonical": b"of another request"},
}


@pytest.mark.parametrize("change", DIFFERENCES.values(), ids=DIFFERENCES)
async def test_any_difference_makes_a_second_subscription(
    scene: Scene, change: Mapping[str, Any]
) -> None:
    """Two steps of one flow may watch one task for different reasons."""
    first = await scene.add()
    second = await scene.add(**change)
    assert first != second
    assert len(await scene.claim_polls()) == 0
    scene.later(1.0)
    assert len(await scene.claim_polls()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"task_id": "task-2"},
        {"provider": "rong"},
        {"params": {"region": "eu"}},
        {"provider_key": "sk-own"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_another_task_is_another_watch(
    scene: Scene, change: Mapping[str, Any]
) -> None:
    """Provider, params, credential and id say which task it is: all of them."""
    await scene.add()
    await scene.add(**change)
    scene.later(1.0)
    assert len({claimed.watch_id for claimed in await scene.claim_polls()}) == 2


async def test_an_identity_is_of_one_client(scene: Scene) -> None:
    """Two clients may send the same bytes, and neither is given the other's."""
    first = await scene.subscribe(canonical=b"the same")
    second = await scene.subscribe(canonical=b"the same", client="blog")
    assert second.created
    assert second.subscription.client == "blog"
    assert first.subscription.id != second.subscription.id


async def test_the_order_of_params_does_not_matter(scene: Scene) -> None:
    """Else a client that shuffles its JSON would double the polls."""
    await scene.add(params={"a": "1", "b": "2"})
    await scene.add(params={"b": "2", "a": "1"}, metadata={"other": True})
    scene.later(1.0)
    assert (await scene.claim_poll()).params == {"a": "1", "b": "2"}


async def test_many_subscribers_share_one_poll_and_each_hears_one_end(scene: Scene) -> None:
    """The provider is asked once however many listen."""
    keys = {
        await scene.add(destination=destination(f"hook-{n}"), client=client)
        for n in range(5)
        for client in ("shop", "blog")
    }
    scene.later(1.0)
    claimed = await scene.claim_poll()
    assert set(await scene.answer(claimed, succeeded())) == keys
    scene.later(1.0)
    deliveries = await scene.claim_deliveries()
    assert {d.message_id for d in deliveries} == {f"msg_{key}_0" for key in keys}
    assert len(deliveries) == 10
    assert (await scene.store.backlog(scene.now))["watches"] == 0


async def test_a_second_subscriber_does_not_move_the_next_poll(scene: Scene) -> None:
    """However many join, the provider is asked as often as before."""
    await scene.add(first_poll_s=3.0)
    later = await scene.subscribe(first_poll_s=1.0, metadata={"n": 2})
    assert later.subscription.next_poll_at == scene.now + 3


async def test_a_label_is_its_callers_own(scene: Scene) -> None:
    """What one client calls its model is not for the webhooks of another."""
    await scene.add(model="veo", metadata={"n": 2})
    await scene.add(client="blog")
    await scene.poll(succeeded())
    labels = {one.client: one.event for one in await scene.list_subscriptions()}
    assert labels["shop"] is not None
    assert labels["shop"]["data"]["model"] == "veo"
    assert labels["blog"] is not None
    assert labels["blog"]["data"]["model"] is None


async def test_a_known_end_is_answered_from_memory(scene: Scene) -> None:
    """The provider need not be asked for what it has said already."""
    await scene.ended()
    late = await scene.subscribe(metadata={"late": True})
    assert late.created
    assert late.subscription.outcome is Outcome.SUCCEEDED
    assert late.subscription.event is not None
    assert late.subscription.event["data"]["result"]["url"] == "https://cdn.test/a.mp4"
    assert late.subscription.event["data"]["metadata"] == {"late": True}
    assert late.subscription.next_poll_at is None
    scene.later(DAY)
    assert not await scene.claim_polls()


async def test_memory_tells_what_the_first_subscriber_was_told(scene: Scene) -> None:
    """Also what earlier polls had learned and the last answer did not repeat."""
    await scene.add()
    await scene.poll(pending(progress=40, model="veo", submitted_at=scene.now - 9))
    await scene.poll(failed(), after_s=GAP)
    [first] = await scene.list_subscriptions()
    late = (await scene.subscribe(metadata={"late": True})).subscription
    assert first.event is not None
    assert late.event is not None
    told = {"progress", "model", "submitted_at", "error", "status"}
    assert {name: late.event["data"][name] for name in told} == {
        name: first.event["data"][name] for name in told
    }
    assert first.event["data"]["progress"] == 40


GAP = 5.0


async def test_an_answer_from_memory_is_not_delivered_for_two_seconds(scene: Scene) -> None:
    """The caller reads its 202 first, and n8n reaches its Wait node."""
    await scene.ended()
    await scene.deliver(ACCEPTED)
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.delivery.next_attempt_at == scene.now + 2
    scene.later(1.9)
    assert not await scene.claim_deliveries()
    scene.later(0.1)
    assert (await scene.claim_delivery()).subscription_id == late.subscription.id


async def test_an_end_of_its_own_is_not_delivered_for_two_seconds(scene: Scene) -> None:
    """The same for a task that ends at the first poll."""
    await scene.add(first_poll_s=0.5)
    await scene.poll(succeeded(), after_s=0.5)
    scene.later(1.4)
    assert not await scene.claim_deliveries()
    scene.later(0.1)
    assert await scene.claim_deliveries()


async def test_memory_is_over_when_its_links_are(scene: Scene) -> None:
    """A link that no longer opens is worth less than a poll."""
    await scene.ended()
    scene.later(MEMORY_S)
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.state is SubscriptionState.ACTIVE
    assert late.subscription.next_poll_at == scene.now + 1
    assert await scene.poll(failed()) == [key_of(late)]
    assert (await scene.show(key_of(late))).status is Status.FAILED


async def test_a_forgotten_end_is_polled_anew(scene: Scene) -> None:
    """Upkeep wipes old answers; who asks after that is still served."""
    await scene.ended()
    scene.later(MEMORY_S + 1)
    await scene.store.forget(now=scene.now, idempotency_before=0)
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.state is SubscriptionState.ACTIVE
    assert await scene.poll(succeeded()) == [key_of(late)]


async def test_upkeep_forgets_nothing_before_its_time(scene: Scene) -> None:
    await scene.ended()
    scene.later(MEMORY_S - 1)
    await scene.store.forget(now=scene.now, idempotency_before=0)
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.outcome is Outcome.SUCCEEDED


async def test_a_watch_polled_anew_starts_without_a_past(scene: Scene) -> None:
    """A first life's status and trouble say nothing of the second."""
    first = await scene.ended()
    scene.later(2 * HOUR)
    late = await scene.subscribe(metadata={"late": True})
    assert (late.subscription.status, late.subscription.last_poll) == (None, None)
    shown = await scene.show(first)
    assert (shown.status, shown.progress) == (Status.SUCCEEDED, 100)
    reopened_at = scene.now
    scene.later(1.0)
    claimed = await scene.claim_poll()
    assert (claimed.status, claimed.outcome) == (None, None)
    assert (claimed.created_at, claimed.born_at) == (reopened_at, reopened_at)


async def test_our_own_end_is_never_answered_from_memory(scene: Scene) -> None:
    """The task may be running still: only the provider ends a watch."""
    await scene.add(deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    await scene.poll(pending(), after_s=1.0)
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.state is SubscriptionState.ACTIVE
    assert await scene.poll(succeeded()) == [key_of(late)]


async def test_another_credential_is_not_told_from_memory(scene: Scene) -> None:
    """Who does not hold the key that saw the end has to prove that its own sees it."""
    await scene.ended(provider_key="sk-mine")
    for key in ("sk-yours", None):
        other = await scene.subscribe(provider_key=key)
        assert other.subscription.state is SubscriptionState.ACTIVE
        assert other.subscription.event is None


async def test_another_client_with_the_same_key_is_told_from_memory(scene: Scene) -> None:
    """The key is what gives the right to know."""
    await scene.ended(provider_key="sk-mine")
    other = await scene.subscribe(provider_key="sk-mine", client="blog")
    assert other.subscription.outcome is Outcome.SUCCEEDED
    assert await scene.store.subscription(key_of(other), "shop") is None


async def test_memory_survives_a_stop_that_came_before_the_end(scene: Scene) -> None:
    """An end is a fact, whoever saw it and whether or not anybody still waited."""
    key = await scene.add()
    scene.later(1.0)
    claimed = await scene.claim_poll()
    await scene.stop(key)
    assert await scene.answer(claimed, succeeded()) == []
    late = await scene.subscribe()
    assert late.subscription.outcome is Outcome.SUCCEEDED


async def test_a_repeat_reopens_a_destination_that_was_gone(scene: Scene) -> None:
    """A caller that asks again for this URL means it."""
    key = await scene.add("task-2")
    await scene.ended()
    await scene.deliver(GONE)
    again = await scene.subscribe("task-2")
    assert (again.created, key_of(again)) == (False, key)
    await scene.poll(succeeded(), after_s=10.0)
    assert (await scene.claim_delivery()).subscription_id == again.subscription.id


async def test_a_client_that_is_full_still_finds_its_repeats(scene: Scene) -> None:
    """The lost 202 of the last one that had room can still be repeated."""
    key = await scene.add()
    full = RequestError("too_many_active", "stop some first")
    again = await scene.store.subscribe(wish(), now=scene.now, full=full)
    assert (again.created, key_of(again)) == (False, key)
    with pytest.raises(RequestError) as caught:
        await scene.store.subscribe(wish("task-2"), now=scene.now, full=full)
    assert caught.value is full
    assert [key_of(one) for one in await scene.list_subscriptions()] == [key]
    scene.later(1.0)
    assert (await scene.claim_poll()).task_id == "task-1"


async def test_a_watch_only_subscription_owes_nothing(scene: Scene) -> None:
    """It is read by `wait`, GET and the event stream."""
    key = await scene.ended(destination=None)
    assert key_of(await scene.subscribe(destination=None)) == key
    shown = await scene.show(key)
    assert shown.callback_url is None
    assert shown.outcome is Outcome.SUCCEEDED
    assert shown.event is not None
    assert (shown.delivery.id, shown.delivery.state) == (None, DeliveryState.NONE)
    scene.later(DAY)
    assert not await scene.claim_deliveries()
    assert await scene.store.delivery(key, 0, None) is None


async def test_a_subscriber_to_a_watch_in_trouble_sees_the_trouble(scene: Scene) -> None:
    """The 202 already says that the last poll failed."""
    await scene.add()
    await scene.poll(TRANSIENT)
    other = (await scene.subscribe(metadata={"n": 2})).subscription
    assert other.last_poll is not None
    assert other.last_poll.outcome is PollOutcome.TRANSIENT


async def test_a_watch_that_rested_has_its_strikes_back(scene: Scene) -> None:
    """Not-found answers of long ago do not count against a new subscriber."""
    scene.policy = scene.policy.__class__(grace_s=0.0)
    key = await scene.add()
    for _ in range(2):
        assert await scene.poll(NOT_FOUND, after_s=5.0) == []
    await scene.stop(key)
    again = await scene.add()
    for expected in ([], [], [again]):
        assert await scene.poll(NOT_FOUND, after_s=5.0) == expected


async def test_secrets_stay_out_of_what_is_printed(scene: Scene) -> None:
    """`repr` ends up in logs and tracebacks."""
    given = wish(
        destination=Destination(
            url="https://app.test/SECRET", host="app.test", headers={"X": "SECRET"}
        ),
        provider_key="SECRET",
        signing_secrets=("SECRET",),
        metadata={"m": "SECRET"},
    )
    subscribed = await scene.store.subscribe(given, now=scene.now)
    await scene.poll(succeeded())
    claimed = await scene.claim_delivery()
    assert "SECRET" in claimed.destination.url
    assert claimed.signing_secrets == ("SECRET",)
    for thing in (given, subscribed, claimed, await scene.show(key_of(subscribed))):
        assert "SECRET" not in repr(thing)


async def test_near_its_limit_a_client_is_counted_as_it_adds(scene: Scene) -> None:
    """Of several nodes none knows what the others are adding at this moment."""
    full = RequestError("limit_active", "stop some first")

    async def add(number: int) -> bool:
        try:
            await scene.store.subscribe(
                wish(f"task-{number}"), now=scene.now, full=full, most=3
            )
        except RequestError:
            return False
        return True

    added = await asyncio.gather(*(add(number) for number in range(8)))
    assert added.count(True) == 3
    assert len(await scene.list_subscriptions(state="active")) == 3
    [first, *_] = await scene.list_subscriptions(state="active")
    again = await scene.store.subscribe(
        wish(first.task_id), now=scene.now, full=full, most=3
    )
    assert not again.created, "a repeat needs no room"
    await scene.stop(key_of(first))
    assert await add(9)
