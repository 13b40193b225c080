"""Ends: one for each subscription, whoever saw it, in whatever order things happen."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from bridge.model import (
    AttemptOutcome,
    DeliveryState,
    Outcome,
    Reply,
    Status,
    Subscription,
    SubscriptionState,
)
from bridge.store import Subscribed
from bridge.store.rows import listener_of
from bridge.store.steps import Step, ask
from bridge.store.telling import tell_end
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GAP_S,
    GONE,
    HOUR,
    Scene,
    destination,
    failed,
    key_of,
    pending,
    succeeded,
)


async def test_an_end_is_shown_and_owed(scene: Scene) -> None:
    """A state change and what it owes are one write."""
    key = await scene.add(metadata={"order": 7})
    assert await scene.poll(succeeded(progress=100)) == [key]
    shown = await scene.show(key)
    assert (shown.state, shown.status) == (SubscriptionState.ENDED, Status.SUCCEEDED)
    assert (shown.outcome, shown.progress) == (Outcome.SUCCEEDED, 100)
    assert (shown.ended_at, shown.next_poll_at) == (scene.now, None)
    assert shown.last_poll is not None
    assert (shown.last_poll.at, shown.last_poll.count) == (scene.now, 1)
    assert shown.event is not None
    assert shown.event["type"] == "task.succeeded"
    assert shown.event["data"]["metadata"] == {"order": 7}
    assert shown.delivery.state is DeliveryState.WAITING
    claimed = await scene.claim_delivery()
    assert (claimed.subscription_id, claimed.type) == (shown.id, "task.succeeded")
    assert b'"order":7' in claimed.body


@pytest.mark.parametrize("status", [s for s in Status if s.terminal])
async def test_each_word_of_the_provider_has_its_event(
    scene: Scene, status: Status
) -> None:
    """Four words end a watch, and each has an event of its name."""
    seen = succeeded() if status is Status.SUCCEEDED else failed(status=status)
    await scene.add()
    await scene.poll(seen)
    [shown] = await scene.list_subscriptions()
    assert (shown.status, shown.outcome) == (status, Outcome(status.value))
    assert (await scene.claim_delivery()).type == f"task.{status}"


async def test_the_first_writer_of_an_end_wins(scene: Scene) -> None:
    """Two nodes may see two ends; subscribers hear one."""
    key = await scene.add()
    scene.later(1.0)
    claimed = await scene.claim_poll()
    assert await scene.end(claimed.watch_id, succeeded()) == [key]
    assert await scene.end(claimed.watch_id, failed()) == []
    shown = await scene.show(key)
    assert shown.outcome is Outcome.SUCCEEDED
    assert len(await scene.list_deliveries()) == 1
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.outcome is Outcome.SUCCEEDED


async def test_an_end_is_written_whatever_the_claim(scene: Scene) -> None:
    """Fencing ends would lose them for ever when answers take longer than the gap."""
    key = await scene.add()
    scene.later(1.0)
    slow = await scene.claim_poll()
    for _ in range(3):
        scene.later(GAP_S)
        await scene.answer(await scene.claim_poll(), pending())
    assert await scene.answer(slow, succeeded()) == [key]


async def test_the_providers_end_after_ours_is_not_told_again(scene: Scene) -> None:
    """One end per subscription: the late one is kept for who asks next."""
    key = await scene.add(deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    claimed = await scene.claim_poll()
    assert await scene.answer(claimed, pending()) == [key]
    assert await scene.end(claimed.watch_id, succeeded()) == []
    shown = await scene.show(key)
    assert (shown.outcome, shown.status) == (Outcome.TIMED_OUT, Status.RUNNING)
    assert len(await scene.list_deliveries()) == 1
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.outcome is Outcome.SUCCEEDED


async def test_a_subscription_is_not_closed_twice(scene: Scene) -> None:
    """Whoever comes second has nothing to write and nothing to tell."""
    key = await scene.add()
    scene.later(1.0)
    watch_id = (await scene.claim_poll()).watch_id

    def close_twice() -> Step[list[list[str]]]:
        [row] = yield ask("listeners", watch_id=watch_id, after=0, limit=1)
        listener = listener_of(scene.store._box, row)
        closed: list[list[str]] = []
        for _ in range(2):
            one = yield from tell_end(scene.store._box, listener, failed(), now=scene.now)
            closed.append(one)
        return closed

    assert await scene.store.database.write(close_twice) == [[key], []]
    assert len(await scene.list_deliveries()) == 1
    assert await scene.end(watch_id) == []


async def test_an_end_that_is_filtered_is_recorded_and_not_sent(scene: Scene) -> None:
    """`events` says what to send, not what to know."""
    key = await scene.ended(events=("task.failed",))
    shown = await scene.show(key)
    assert (shown.state, shown.outcome) == (SubscriptionState.ENDED, Outcome.SUCCEEDED)
    assert shown.event is not None
    assert shown.delivery.state is DeliveryState.FILTERED
    scene.later(DAY)
    assert not await scene.claim_deliveries()
    assert await scene.refusal_of_retry(key) == "delivery_not_retryable"


async def test_each_subscriber_has_its_own_filter(scene: Scene) -> None:
    await scene.add(events=("task.failed",))
    wants = await scene.add(events=("task.succeeded",))
    await scene.poll(succeeded())
    assert (await scene.claim_delivery()).message_id == f"msg_{wants}_0"


async def test_message_ids_are_derived(scene: Scene) -> None:
    """A crash or a fencing fault repeats an id instead of inventing one."""
    key = await scene.add(events=("task.ended", "task.updated"))
    await scene.poll(pending(progress=1))
    assert (await scene.claim_delivery()).message_id == f"msg_{key}_1"
    await scene.poll(succeeded(), after_s=GAP_S)
    claimed = await scene.claim_delivery()
    assert claimed.message_id == f"msg_{key}_0"
    shown = await scene.show(key)
    assert shown.event is not None
    assert (shown.event["id"], shown.event["event_id"]) == (f"msg_{key}_0", f"evt_{key}_0")


async def test_an_answer_no_json_can_carry_still_ends_the_task(scene: Scene) -> None:
    """Whatever a provider puts into its answer must not stop the bridge for good."""
    deep: list[object] = []
    for _ in range(600):
        deep = [deep]
    key = await scene.add(include_raw=True)
    assert await scene.poll(succeeded(raw={"deep": deep, "big": 2**80})) == [key]
    late = await scene.subscribe(include_raw=True, metadata={"late": True})
    assert late.subscription.outcome is Outcome.SUCCEEDED


async def test_the_raw_answer_is_only_for_who_asked(scene: Scene) -> None:
    """It may be large, and it is the provider's own shape."""
    await scene.add(include_raw=True, metadata={"raw": True})
    await scene.add(metadata={"raw": False})
    await scene.poll(succeeded(raw={"own": "shape"}))
    for shown in await scene.list_subscriptions():
        assert shown.event is not None
        data = shown.event["data"]
        assert data.get("raw") == ({"own": "shape"} if data["metadata"]["raw"] else None)


async def test_a_stop_before_the_end_means_no_end(scene: Scene) -> None:
    """DELETE: no end is recorded and nothing is sent."""
    key = await scene.add()
    assert await scene.stop(key)
    shown = await scene.show(key)
    assert (shown.state, shown.outcome) == (SubscriptionState.STOPPED, None)
    assert (shown.event, shown.ended_at, shown.next_poll_at) == (None, None, None)
    assert shown.delivery.state is DeliveryState.STOPPED
    scene.later(DAY)
    assert not await scene.claim_polls()
    assert not await scene.claim_deliveries()


async def test_a_second_stop_is_as_good_as_the_first(scene: Scene) -> None:
    """204, again 204."""
    key = await scene.add()
    assert await scene.stop(key)
    before = await scene.show(key)
    scene.later(5.0)
    assert await scene.stop(key)
    assert await scene.show(key) == before


async def test_a_stop_after_the_end_only_drops_what_is_owed(scene: Scene) -> None:
    """The end stays readable."""
    key = await scene.ended()
    assert await scene.stop(key)
    shown = await scene.show(key)
    assert (shown.state, shown.outcome) == (SubscriptionState.ENDED, Outcome.SUCCEEDED)
    assert shown.delivery.state is DeliveryState.STOPPED
    assert shown.delivery.next_attempt_at is None
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_a_stop_of_what_is_active_leaves_what_is_over_alone(scene: Scene) -> None:
    """Who has seen it active does not drop its end."""
    over, active = await scene.ended(), await scene.add("task-2")
    before = await scene.show(over)
    assert await scene.stop_active(over) is False
    assert await scene.show(over) == before
    assert await scene.claim_delivery()

    assert await scene.stop_active(active, "blog") is None
    assert await scene.stop_active("unknown") is None
    assert await scene.stop_active(active) is True
    assert (await scene.show(active)).state is SubscriptionState.STOPPED
    assert await scene.stop_active(active) is False


async def test_a_stop_drops_an_attempt_asked_for_by_hand(scene: Scene) -> None:
    """Who says stop last is obeyed; what was accepted stays so."""
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    await scene.retry(key)
    assert await scene.stop(key)
    scene.later(DAY)
    assert not await scene.claim_deliveries()
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


async def test_a_stop_drops_an_update_too(scene: Scene) -> None:
    key = await scene.add(events=("task.updated",))
    await scene.poll(pending(progress=1))
    assert await scene.stop(key)
    assert (await scene.delivery(key, 1)).state is DeliveryState.STOPPED
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_an_attempt_in_flight_may_still_arrive_after_a_stop(scene: Scene) -> None:
    """It cannot be called back; what came of it is written down."""
    key = await scene.ended()
    claimed = await scene.claim_delivery()
    await scene.stop(key)
    await scene.hear(claimed, ACCEPTED)
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


@pytest.mark.parametrize("reply", [BROKEN, GONE, Reply(outcome=AttemptOutcome.TIMEOUT)])
async def test_a_failure_after_a_stop_starts_nothing_again(
    scene: Scene, reply: Reply
) -> None:
    key = await scene.ended()
    claimed = await scene.claim_delivery()
    await scene.stop(key)
    await scene.hear(claimed, reply)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.STOPPED, None)
    assert [attempt.outcome for attempt in delivery.log] == [reply.outcome]
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_nobody_stops_what_is_anothers(scene: Scene) -> None:
    """An id of another client is no id."""
    key = await scene.add()
    assert not await scene.stop(key, "blog")
    assert not await scene.stop("unknown")
    assert (await scene.show(key)).state is SubscriptionState.ACTIVE
    assert await scene.stop(key, None), "the operator may"


Act = Callable[[], Awaitable[object]]


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("end", "stop", "subscribe"))), ids="-".join
)
async def test_end_stop_and_subscribe_in_every_order(
    scene: Scene, order: tuple[str, ...]
) -> None:
    """A subscription may neither join a watch that ends unheard nor be told twice."""
    first = await scene.add()
    scene.later(1.0)
    claimed = await scene.claim_poll()
    acts: dict[str, Act] = {
        "end": lambda: scene.end(claimed.watch_id),
        "stop": lambda: scene.stop(first),
        "subscribe": lambda: scene.subscribe(metadata={"second": True}),
    }
    for name in order:
        await acts[name]()
    second, _first = await scene.list_subscriptions()
    assert second.outcome is Outcome.SUCCEEDED
    stopped = order.index("stop") < order.index("end")
    expected = SubscriptionState.STOPPED if stopped else SubscriptionState.ENDED
    assert (await scene.show(first)).state is expected
    scene.later(2.0)
    assert [d.subscription_id for d in await scene.claim_deliveries()] == [second.id]


async def test_all_at_once_every_subscription_has_one_end_or_was_stopped(
    scene: Scene,
) -> None:
    """Subscribing, stopping and ending at the same instant, on few tasks, many times."""
    dice = Random(7)
    tasks = [f"task-{n}" for n in range(4)]
    old = [
        await scene.subscribe(task, metadata={"old": n}) for n in range(5) for task in tasks
    ]
    scene.later(1.0)
    claims = await scene.claim_polls()
    acts: list[Awaitable[object]] = [
        *(scene.end(claimed.watch_id) for claimed in claims for _ in range(2)),
        *(scene.stop(key_of(one)) for one in dice.sample(old, 8)),
        *(scene.subscribe(task, metadata={"n": n}) for n in range(10) for task in tasks),
    ]
    dice.shuffle(acts)
    results = await asyncio.gather(*acts)
    told = Counter(key for keys in results if isinstance(keys, list) for key in keys)
    born_ended = {
        key_of(one)
        for one in results
        if isinstance(one, Subscribed) and one.subscription.outcome is not None
    }
    assert set(told.values()) <= {1}
    everyone = await scene.list_subscriptions()
    assert len(everyone) == 60
    for shown in everyone:
        ended = shown.state is SubscriptionState.ENDED
        assert ended or shown.state is SubscriptionState.STOPPED
        assert ended == (key_of(shown) in told or key_of(shown) in born_ended)
    await scene.deliver_all()
    accepted = Counter(d.subscription_id for d in await scene.list_deliveries())
    assert set(accepted.values()) == {1}


async def test_many_tasks_at_once(scene: Scene) -> None:
    """Hundreds of steps in one go: each is answered by its own result."""
    subscribed = await asyncio.gather(*(scene.subscribe(f"task-{n}") for n in range(80)))
    assert len({key_of(one) for one in subscribed}) == 80
    scene.later(2.0)
    claims = await scene.claim_polls()
    ended = await asyncio.gather(*(scene.answer(c, succeeded()) for c in claims))
    by_task = {one.subscription.task_id: key_of(one) for one in subscribed}
    assert ended == [[by_task[claimed.task_id]] for claimed in claims]


async def test_a_destination_gone_while_a_task_runs_keeps_its_end(scene: Scene) -> None:
    """410 silences; it does not forget. The end is readable and replayable."""
    key = await scene.add("running")
    other = await scene.add("other-hook", destination=destination("other"))
    await scene.ended()
    await scene.deliver(GONE)
    await scene.poll(succeeded(), after_s=GAP_S)
    shown = await scene.show(key)
    assert (shown.state, shown.delivery.state) == (
        SubscriptionState.ENDED,
        DeliveryState.GONE,
    )
    assert shown.event is not None
    assert (await scene.claim_delivery()).message_id == f"msg_{other}_0"


async def test_gone_silences_updates_too(scene: Scene) -> None:
    await scene.add("running", events=("task.updated",))
    await scene.ended()
    await scene.deliver(GONE)
    await scene.poll(pending(progress=1), after_s=GAP_S)
    assert {d.type for d in await scene.list_deliveries(state="gone")} == {
        "task.succeeded",
        "task.updated",
    }
    assert not await scene.claim_deliveries()


async def test_gone_concerns_one_client_and_one_set_of_headers(scene: Scene) -> None:
    """One client never silences another, nor one workflow its neighbour."""
    await scene.add("t", client="blog")
    await scene.add("t", destination=destination("hook", **{"X-Flow": "2"}))
    await scene.add("t")
    await scene.ended()
    gone = await scene.deliver(GONE)
    assert (gone.client, dict(gone.destination.headers)) == ("shop", {})
    await scene.poll(succeeded(), after_s=GAP_S)
    told = {(d.client, *d.destination.headers) for d in await scene.claim_deliveries()}
    assert told == {("blog",), ("shop", "X-Flow")}


async def test_an_end_of_a_watch_without_subscribers_is_remembered(scene: Scene) -> None:
    """Who stopped too early and subscribes again is answered at once."""
    key = await scene.add()
    scene.later(1.0)
    claimed = await scene.claim_poll()
    await scene.stop(key)
    scene.later(10.0)
    assert await scene.end(claimed.watch_id) == []
    again = await scene.subscribe()
    assert again.subscription.outcome is Outcome.SUCCEEDED


async def test_the_end_of_a_second_life_is_told_to_its_subscribers_only(
    scene: Scene,
) -> None:
    """A watch polled anew has ended before: those told then are not told again."""
    first = await scene.ended()
    await scene.deliver(ACCEPTED)
    scene.later(2 * HOUR)
    second = await scene.add(metadata={"second": True})
    assert await scene.poll(failed()) == [second]
    assert (await scene.show(first)).outcome is Outcome.SUCCEEDED
    assert (await scene.claim_delivery()).message_id == f"msg_{second}_0"


async def test_statuses_are_those_of_the_subscriptions_end(scene: Scene) -> None:
    """A list filtered by status agrees with the status that it shows."""
    timed_out = await scene.add(deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    claimed = await scene.claim_poll()
    await scene.answer(claimed, pending(Status.RUNNING))
    await scene.end(claimed.watch_id)
    for status in Status:
        found: list[Subscription] = await scene.list_subscriptions(status=status.value)
        assert [one.status for one in found] == [status] * len(found)
    [running] = await scene.list_subscriptions(status="running")
    assert key_of(running) == timed_out
