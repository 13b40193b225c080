"""Delivering: the log is written before the attempt, and nothing is lost or sent twice."""

from collections.abc import Sequence

import pytest

from bridge.lanes import Lane, Window
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    DeliveryState,
    Reply,
    SubscriptionState,
)
from bridge.receivers import retry
from bridge.receivers.retry import Schedule, Verdict
from bridge.store import Pick
from bridge.store.delivering import record_attempt
from bridge.store.steps import Step
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    FINISHED,
    GAP_S,
    GONE,
    HOUR,
    LEASE_S,
    MINUTE,
    TIMEOUT,
    Scene,
    destination,
    each,
    pending,
    succeeded,
)


async def test_a_claim_says_all_that_the_attempt_needs(scene: Scene) -> None:
    """Between claim and record nothing is read, so all must be in the claim."""
    key = await scene.ended(
        destination=destination("hook", **{"X-Token": "t"}),
        method="GET",
        format="flat",
        signing_secrets=("whsec_a", "whsec_b"),
    )
    claimed = await scene.claim_delivery()
    assert claimed.subscription_id == f"sub_{key}"
    assert claimed.message_id == f"msg_{key}_0"
    assert (claimed.client, claimed.type) == ("shop", "task.succeeded")
    assert claimed.destination == destination("hook", **{"X-Token": "t"})
    assert (claimed.method, claimed.format) == ("GET", "flat")
    assert claimed.signing_secrets == ("whsec_a", "whsec_b")
    assert (claimed.attempt, claimed.manual, claimed.failures) == (1, False, 0)
    assert (claimed.conflicts, claimed.seen_lost) == (0, False)
    assert claimed.created_at == scene.now
    assert claimed.body.startswith(b"{")


async def test_without_secrets_of_its_own_the_clients_are_used(scene: Scene) -> None:
    """An empty list means: look into the configuration, where they can be rotated."""
    await scene.ended()
    assert (await scene.claim_delivery()).signing_secrets == ()


async def test_an_attempt_is_in_the_log_before_it_is_made(scene: Scene) -> None:
    """A crash in the middle of it leaves `unknown`, never nothing."""
    key = await scene.ended()
    await scene.claim_delivery()
    delivery = await scene.delivery(key)
    assert delivery.attempts == 1
    assert delivery.next_attempt_at is None, "it is being made; a lease is no plan"
    [attempt] = delivery.log
    assert (attempt.number, attempt.manual) == (1, False)
    assert (attempt.started_at, attempt.finished_at) == (scene.now, None)
    assert attempt.outcome is AttemptOutcome.UNKNOWN


async def test_an_accepted_attempt_settles_the_delivery(scene: Scene) -> None:
    key = await scene.ended()
    claimed = await scene.claim_delivery()
    scene.later(0.5)
    await scene.hear(claimed, ACCEPTED)
    delivery = await scene.delivery(key)
    assert delivery.state is DeliveryState.ACCEPTED
    assert delivery.last_outcome is AttemptOutcome.ACCEPTED
    assert (delivery.next_attempt_at, delivery.updated_at) == (None, scene.now)
    [attempt] = delivery.log
    assert (attempt.finished_at, attempt.http_status) == (scene.now, 200)
    assert (attempt.outcome, attempt.answer) == (AttemptOutcome.ACCEPTED, b"thanks")
    assert (await scene.show(key)).delivery.state is DeliveryState.ACCEPTED
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_a_failure_waits_for_its_step(scene: Scene) -> None:
    """The step is the rule's; the store keeps to it."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    delivery = await scene.delivery(key)
    assert delivery.state is DeliveryState.RETRYING
    assert delivery.next_attempt_at == scene.now + 5
    assert delivery.last_outcome is AttemptOutcome.REFUSED
    assert delivery.hint == delivery.log[0].hint is not None
    scene.later(4.9)
    assert not await scene.claim_deliveries()
    claimed = await scene.deliver(ACCEPTED, after_s=0.1)
    assert (claimed.attempt, claimed.failures) == (2, 1)
    assert [a.number for a in (await scene.delivery(key)).log] == [1, 2]


async def test_every_attempt_bears_the_same_id(scene: Scene) -> None:
    """`webhook-id` is constant over retries: receivers tell repeats by it."""
    await scene.ended()
    ids = {(await scene.deliver(BROKEN, after_s=DAY)).message_id for _ in range(4)}
    assert len(ids) == 1


async def test_the_schedule_used_up_is_exhausted(scene: Scene) -> None:
    """It never goes on by itself after that."""
    scene.schedule = Schedule((5.0, 15.0))
    key = await scene.ended()
    for _ in range(3):
        await scene.deliver(BROKEN, after_s=20.0)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.attempts) == (DeliveryState.EXHAUSTED, 3)
    assert delivery.next_attempt_at is None
    assert (await scene.store.backlog(scene.now))["exhausted"] == 1
    scene.later(30 * DAY)
    assert not await scene.claim_deliveries()


async def test_conflicts_are_counted_apart_from_failures(scene: Scene) -> None:
    """Quick repeats after 409 take nothing from the schedule."""
    key = await scene.ended()
    conflict = Reply(outcome=AttemptOutcome.CONFLICT, http_status=409)
    for _ in range(2):
        await scene.deliver(conflict, after_s=2.0)
    claimed = await scene.deliver(ACCEPTED, after_s=2.0)
    assert (claimed.failures, claimed.conflicts) == (0, 2)
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


async def test_finished_already_after_a_lost_answer_is_presumed(scene: Scene) -> None:
    """n8n took the attempt whose answer we never saw."""
    key = await scene.ended()
    await scene.deliver(TIMEOUT)
    claimed = await scene.deliver(FINISHED, after_s=5.0)
    assert claimed.seen_lost
    delivery = await scene.delivery(key)
    assert delivery.state is DeliveryState.PRESUMED
    assert delivery.last_outcome is AttemptOutcome.PRESUMED
    assert delivery.next_attempt_at is None
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_an_answered_attempt_is_not_lost(scene: Scene) -> None:
    await scene.ended()
    await scene.deliver(BROKEN)
    scene.later(5.0)
    assert not (await scene.claim_delivery()).seen_lost


async def test_a_crash_makes_its_attempts_due_at_once(scene: Scene) -> None:
    """The next process does not wait for the leases of the last. Unless there are others,
    for it cannot tell whose they are.
    """
    key = await scene.ended()
    await scene.claim_delivery()
    scene.later(1.0)
    shared = scene.store.database.shared
    assert await scene.store.begin(now=scene.now) == (0 if shared else 1)
    assert await scene.store.begin(now=scene.now) == 0, "taken over already"
    if shared:
        assert not await scene.claim_deliveries()
        scene.later(LEASE_S)
    again = await scene.claim_delivery()
    assert (again.attempt, again.seen_lost, again.failures) == (2, True, 0)
    assert again.message_id == f"msg_{key}_0"
    await scene.hear(again, ACCEPTED)
    delivery = await scene.delivery(key)
    assert [a.outcome for a in delivery.log] == [
        AttemptOutcome.UNKNOWN,
        AttemptOutcome.ACCEPTED,
    ]
    assert delivery.log[0].finished_at == scene.now, "when it was known to be lost"
    assert delivery.log[0].hint is not None


async def test_an_attempt_in_flight_is_no_next_one(scene: Scene) -> None:
    """Its lease is when it would be repeated, which nobody needs to wait for."""
    key = await scene.ended()
    assert (await scene.delivery(key)).next_attempt_at is not None
    await scene.claim_delivery()
    assert (await scene.delivery(key)).next_attempt_at is None


async def test_begin_leaves_what_was_not_claimed_as_it_is(scene: Scene) -> None:
    """A restart is no reason to hurry a retry."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    due_at = (await scene.delivery(key)).next_attempt_at
    assert await scene.store.begin(now=scene.now) == 0
    assert (await scene.delivery(key)).next_attempt_at == due_at
    scene.later(5.0)
    assert not (await scene.claim_delivery()).seen_lost


async def test_a_lease_that_ran_out_is_claimed_anew(scene: Scene) -> None:
    """Another node takes over what one has dropped."""
    await scene.ended()
    first = await scene.claim_delivery()
    scene.later(LEASE_S - 0.1)
    assert not await scene.claim_deliveries()
    scene.later(0.1)
    second = await scene.claim_delivery()
    assert (second.attempt, second.seen_lost) == (2, True)
    assert second.claim_no == first.claim_no + 1
    await scene.hear(second, BROKEN)
    scene.later(5.0)
    assert (await scene.claim_delivery()).seen_lost, "the first may still have arrived"


async def test_what_is_in_flight_here_is_not_claimed_anew(scene: Scene) -> None:
    """A store that did not answer for a while must not double the attempt."""
    key = await scene.ended()
    slow = await scene.claim_delivery()
    scene.later(2 * LEASE_S)
    assert not await scene.claim_deliveries(in_flight=[slow.delivery_id])
    await scene.hear(slow, BROKEN)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.attempts) == (DeliveryState.RETRYING, 1)


async def test_2xx_counts_whatever_the_fence_says(scene: Scene) -> None:
    """The receiver has it: there is nothing more to send."""
    key = await scene.ended()
    slow = await scene.claim_delivery()
    scene.later(LEASE_S)
    fresh = await scene.claim_delivery()
    await scene.hear(slow, ACCEPTED)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.ACCEPTED, None)
    await scene.hear(fresh, BROKEN)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.ACCEPTED, None)
    assert [a.outcome for a in delivery.log] == [
        AttemptOutcome.ACCEPTED,
        AttemptOutcome.REFUSED,
    ]
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_presumed_does_not_take_back_accepted(scene: Scene) -> None:
    """2xx is a stronger word than our guess."""
    key = await scene.ended()
    slow = await scene.claim_delivery()
    scene.later(LEASE_S)
    fresh = await scene.claim_delivery()
    await scene.hear(slow, ACCEPTED)
    await scene.hear(fresh, FINISHED)
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


@pytest.mark.parametrize("reply", [BROKEN, GONE, TIMEOUT])
async def test_a_stale_failure_disturbs_nothing(scene: Scene, reply: Reply) -> None:
    """Only the attempt that holds the claim decides what is next."""
    key = await scene.ended()
    slow = await scene.claim_delivery()
    scene.later(LEASE_S)
    fresh = await scene.claim_delivery()
    before = (await scene.delivery(key)).next_attempt_at
    await scene.hear(slow, reply)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.WAITING, before)
    assert delivery.log[0].outcome is reply.outcome
    await scene.hear(fresh, BROKEN)
    assert (await scene.delivery(key)).next_attempt_at == scene.now + 5


async def test_a_stale_claim_never_touches_another_delivery(scene: Scene) -> None:
    """Rows of the schedule come and go; a fence must not fit a row made later."""
    first = await scene.ended("first")
    slow = await scene.claim_delivery()
    await scene.stop(first)
    second = await scene.ended("second")
    fresh = await scene.claim_delivery()
    lease_until = (await scene.delivery(second)).next_attempt_at
    for reply in (BROKEN, TIMEOUT):
        await scene.hear(slow, reply)
        delivery = await scene.delivery(second)
        assert (delivery.state, delivery.next_attempt_at) == (
            DeliveryState.WAITING,
            lease_until,
        )
    scene.schedule = Schedule(())
    await scene.hear(slow, BROKEN)
    assert (await scene.delivery(second)).next_attempt_at == lease_until
    assert (await scene.delivery(first)).state is DeliveryState.STOPPED
    await scene.hear(fresh, ACCEPTED)


async def test_lanes_are_of_one_client_and_one_host(scene: Scene) -> None:
    """A slow host holds up its own client's deliveries to it, and nothing else."""
    await scene.add("t", destination=destination("a", "one.test"))
    await scene.add("t", destination=destination("b", "one.test"))
    await scene.add("t", destination=destination("c", "two.test"))
    await scene.add("t", destination=destination("a", "one.test"), client="blog")
    await scene.poll(succeeded())
    lanes = {(lane.owner, lane.key): lane for lane in await scene.lanes()}
    assert set(lanes) == {
        ("shop", "one.test"),
        ("shop", "two.test"),
        ("blog", "one.test"),
    }
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
    assert len(claims) == 3


async def test_first_attempts_and_retries_are_lanes_apart(scene: Scene) -> None:
    """Retries must not crowd out what has never been tried, nor be starved by it."""
    await scene.add("b", first_poll_s=6.0)
    await scene.ended("a")
    await scene.deliver(BROKEN)
    await scene.poll(succeeded(), after_s=5.0)
    lanes = await scene.lanes()
    assert sorted(lane.retry for lane in lanes) == [False, True]
    assert len({lane.id for lane in lanes}) == 1
    [claimed] = await scene.claim_deliveries(
        choose=lambda lanes: each([lane for lane in lanes if lane.retry])
    )
    assert claimed.failures == 1


async def test_a_lane_gives_the_longest_due_first(scene: Scene) -> None:
    for n in range(3):
        await scene.add(f"task-{n}")
    for n in (2, 0, 1):
        scene.later(1.0)
        for claimed in await scene.claim_polls():
            if claimed.task_id == f"task-{n}":
                await scene.answer(claimed, succeeded())
        scene.later(GAP_S)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=2))
    shown = [await scene.show(c.subscription_id.removeprefix("sub_")) for c in claims]
    assert [one.task_id for one in shown] == ["task-2", "task-0"]


async def test_a_claim_tells_when_its_lanes_are_ready_again(scene: Scene) -> None:
    """The loop sleeps until the next of them is due."""
    await scene.ended()
    [lane] = await scene.lanes()
    claims = await scene.store.claim_deliveries(
        each([lane]), now=scene.now, lease_s=LEASE_S
    )
    assert claims.moved == {(lane.id, False): scene.now + LEASE_S, (lane.id, True): None}
    assert [one.ready_at for one in await scene.lanes()] == [scene.now + LEASE_S]


def slow_down(asked_s: float | None) -> Reply:
    return Reply(outcome=AttemptOutcome.THROTTLED, http_status=429, retry_after_s=asked_s)


async def test_429_rests_its_destination_alone(scene: Scene) -> None:
    """At a host that many share, one URL that is throttled says nothing of the others."""
    for task_id in ("first", "second"):
        await scene.add(task_id, destination=destination("a"))
    await scene.poll(succeeded())
    first, second = await scene.claim_deliveries()
    await scene.hear(first, slow_down(30.0))
    await scene.hear(second, BROKEN)
    await scene.add("third", destination=destination("a"))
    await scene.add("fourth", destination=destination("b"))
    await scene.poll(succeeded())
    [other] = await scene.claim_deliveries()
    assert other.destination.url.endswith("/b")
    scene.later(27.9)
    assert not await scene.claim_deliveries()
    scene.later(0.1)
    assert len(await scene.claim_deliveries()) == 3


async def test_two_throttled_destinations_rest_the_whole_lane(scene: Scene) -> None:
    """Then the host has asked for patience: all deliveries of this client to it wait."""
    for path in ("a", "b", "c"):
        await scene.add("t", destination=destination(path))
    await scene.add("t", destination=destination("a"), client="blog")
    await scene.poll(succeeded())
    a, b, _c = [d for d in await scene.claim_deliveries() if d.client == "shop"]
    await scene.hear(a, slow_down(30.0))
    shop = [lane for lane in await scene.lanes() if lane.owner == "shop"]
    assert {lane.retry: lane.probing for lane in shop} == {False: False, True: True}
    await scene.hear(b, slow_down(20.0))
    lanes = await scene.lanes()
    shop = [lane for lane in lanes if lane.owner == "shop"]
    assert all(lane.probing for lane in shop)
    assert min(lane.ready_at for lane in shop) == scene.now + 20
    assert [lane.probing for lane in lanes if lane.owner == "blog"] == [False]


@pytest.mark.parametrize("reply", [ACCEPTED, BROKEN, TIMEOUT])
async def test_any_other_answer_calms_the_lane(scene: Scene, reply: Reply) -> None:
    """Throttled, taken, throttled, taken: that is one bad URL beside a good one."""
    for path in ("a", "b"):
        for task_id in ("1", "2"):
            await scene.add(task_id, destination=destination(path))
    await scene.poll(succeeded())
    a, _a, b, _b = await scene.claim_deliveries()
    await scene.hear(a, slow_down(1.0))
    await scene.hear(b, reply)
    await scene.hear(_b, slow_down(9.0))
    await scene.add("fine", destination=destination("c"))
    await scene.poll(succeeded())
    assert [one.destination.url for one in await scene.claim_deliveries()] == [
        "https://app.test/c"
    ]


async def test_a_shorter_rest_does_not_cut_a_longer_one(scene: Scene) -> None:
    for task_id in ("1", "2"):
        await scene.add(task_id)
    await scene.poll(succeeded())
    for claimed, wait_s in zip(await scene.claim_deliveries(), (40.0, 3.0), strict=True):
        await scene.hear(claimed, slow_down(wait_s))
    await scene.add("3")
    await scene.poll(succeeded())
    assert not await scene.claim_deliveries()
    scene.later(37.9)
    assert not await scene.claim_deliveries()
    scene.later(0.1)
    assert await scene.claim_deliveries()


async def test_throttled_again_and_again_it_rests_longer(scene: Scene) -> None:
    """Without Retry-After we find out how patient to be; one answer begins anew."""
    scene.schedule = Schedule((1,) * 20)
    await scene.ended()
    claims, rests = await scene.claim_deliveries(), []
    for _ in range(8):
        await scene.hear(claims[0], slow_down(None))
        rests.append(0)
        while not (claims := await scene.claim_deliveries()):
            scene.later(1.0)
            rests[-1] += 1
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]
    await scene.hear(claims[0], BROKEN)
    await scene.deliver(slow_down(None), after_s=1.0)
    scene.later(1.0)
    assert await scene.claim_deliveries()


async def test_one_asks_by_hand_although_it_rests(scene: Scene) -> None:
    """A person wants to see what the receiver says now."""
    key = await scene.ended()
    await scene.deliver(slow_down(600.0))
    await scene.retry(key)
    assert (await scene.claim_delivery()).manual


# Gone


async def test_what_was_asked_by_hand_does_not_outlive_its_destination(
    scene: Scene,
) -> None:
    """It was accepted once; asked for again while another learns that the URL is gone."""
    old = await scene.ended("old")
    await scene.deliver(ACCEPTED)
    await scene.ended("new")
    await scene.retry(old)
    by_hand, new = sorted(await scene.claim_deliveries(), key=lambda d: not d.manual)
    await scene.hear(by_hand, BROKEN)
    await scene.retry(old)
    scene.later(1.0)
    await scene.hear(new, GONE)
    assert not await scene.claim_deliveries()
    assert not await scene.lanes(), (
        "a row that nobody may claim would be looked at for ever"
    )
    assert (await scene.delivery(old)).state is DeliveryState.ACCEPTED


async def test_a_410_by_hand_that_closes_nothing_ends_its_own_schedule(
    scene: Scene,
) -> None:
    """Somebody has asked for the URL anew meanwhile; this delivery is gone all the same."""
    key = await scene.ended("old")
    await scene.deliver(BROKEN)
    await scene.retry(key)
    by_hand = await scene.claim_delivery()
    scene.later(1.0)
    other = await scene.add("other")
    await scene.hear(by_hand, GONE)
    assert (await scene.delivery(key)).state is DeliveryState.GONE
    scene.later(60.0)
    assert not await scene.claim_deliveries()
    assert (await scene.show(other)).delivery.state is DeliveryState.WAITING


async def test_a_pause_between_the_look_and_the_claim_counts(scene: Scene) -> None:
    """The one is a read, the other a write; a 429 may come in between."""
    await scene.add("a", destination=destination("a"))
    await scene.add("b", destination=destination("b"))
    await scene.add("c", destination=destination("c"))
    await scene.poll(succeeded())
    a, b = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=2))
    ready = await scene.store.delivery_lanes(now=scene.now, window=Window())
    await scene.hear(a, slow_down(30.0))
    await scene.hear(b, slow_down(30.0))
    picks = each(ready.lanes)
    claims = await scene.store.claim_deliveries(picks, now=scene.now, lease_s=LEASE_S)
    assert not claims.items


async def test_what_is_tried_already_is_not_looked_at(scene: Scene) -> None:
    """Its first attempts and its retries alike, and no other lane to its host."""
    for number in range(3):
        await scene.add(f"task-{number}")
    await scene.add("busy", destination=destination("busy"))
    await scene.poll(succeeded())
    *_, failing, busy = await scene.claim_deliveries()
    await scene.hear(failing, BROKEN)
    await scene.hear(busy, slow_down(None))
    scene.later(3600.0)
    every = await scene.lanes()
    window = Window(probed={"shop": {failing.lane_id}})
    seen = (await scene.store.delivery_lanes(now=scene.now, window=window)).lanes
    assert {lane.place for lane in every} > {
        (failing.lane_id, True),
        (failing.lane_id, False),
    }
    assert seen == [lane for lane in every if lane.id != failing.lane_id]
    assert {lane.key for lane in seen} == {"app.test"}


async def test_a_backlog_is_moved_out_of_the_way_once(scene: Scene) -> None:
    """However often its URL is throttled: thousands of rows are not written each time."""
    for n in range(30):
        await scene.add(f"task-{n}")
    await scene.poll(succeeded())
    [first] = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
    await scene.hear(first, slow_down(None))
    for _ in range(3):
        due_at = [row.next_attempt_at for row in await scene.list_deliveries()]
        while not (claims := await scene.claim_deliveries(choose=one_of_each)):
            scene.later(1.0)
        await scene.hear(claims[0], slow_down(None))
        after = [row.next_attempt_at for row in await scene.list_deliveries()]
        assert sum(a != b for a, b in zip(due_at, after, strict=True)) <= 2


def one_of_each(lanes: Sequence[Lane]) -> list[Pick]:
    return each(lanes, limit=1)


async def test_what_a_crash_left_behind_is_sent_home(scene: Scene) -> None:
    """The URL has its own lane, and part of its backlog is still in the shared one."""
    for n in range(3):
        await scene.add(f"task-{n}")
    await scene.poll(succeeded())
    [first] = await scene.claim_deliveries(choose=one_of_each)
    verdict = retry.decide(
        first, slow_down(9.0), schedule=scene.schedule, now=scene.now, dice=0.0
    )
    await scene.store.database.write(throttled_and_died, scene, first, verdict)
    assert not await scene.claim_deliveries()
    scene.later(9.0)
    claims = [*await scene.claim_deliveries(), *await scene.claim_deliveries()]
    assert len(claims) == 3


def throttled_and_died(
    scene: Scene, claimed: ClaimedDelivery, verdict: Verdict
) -> Step[None]:
    step = record_attempt(scene.store._box, claimed, slow_down(9.0), verdict, now=scene.now)
    query = next(step)
    while query.name != "stray_deliveries":
        query = step.send((yield query))


async def test_410_drops_all_that_is_owed_there(scene: Scene) -> None:
    """The receiver wants nothing any more: neither this nor what waits behind it."""
    keys = [await scene.add(f"task-{n}") for n in range(3)]
    await scene.poll(succeeded())
    first, *others = await scene.claim_deliveries()
    await scene.hear(others[0], BROKEN)
    await scene.hear(first, GONE)
    for key in keys:
        delivery = await scene.delivery(key)
        assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.GONE, None)
        shown = await scene.show(key)
        assert (shown.state, shown.delivery.state) == (
            SubscriptionState.ENDED,
            DeliveryState.GONE,
        )
    await scene.hear(others[1], BROKEN)
    assert (await scene.delivery(keys[2])).state is DeliveryState.GONE
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_a_2xx_in_flight_while_another_is_told_410_counts(scene: Scene) -> None:
    await scene.add("a")
    await scene.add("b")
    await scene.poll(succeeded())
    first, second = await scene.claim_deliveries()
    await scene.hear(first, GONE)
    await scene.hear(second, ACCEPTED)
    states = {d.state for d in await scene.list_deliveries()}
    assert states == {DeliveryState.GONE, DeliveryState.ACCEPTED}


async def test_a_new_subscription_reopens_what_was_gone(scene: Scene) -> None:
    """Whoever subscribes with this URL says that somebody listens again."""
    old = await scene.ended()
    await scene.deliver(GONE)
    new = await scene.ended("task-2")
    scene.later(2.0)
    assert (await scene.claim_delivery()).message_id == f"msg_{new}_0"
    assert (await scene.delivery(old)).state is DeliveryState.GONE


async def test_an_answered_test_reopens_what_was_gone(scene: Scene) -> None:
    """For this client, this URL and these headers; what is unknown stays so."""
    old = await scene.ended()
    running = await scene.add("task-2")
    await scene.deliver(GONE)
    others = (destination(x="1"), destination("nowhere"))
    for to in others:
        await scene.store.reopen("shop", to, now=scene.now)
    await scene.store.reopen("other", destination(), now=scene.now)
    key = running.removeprefix("sub_")
    found = await scene.store.subscription(key, "shop")
    assert found is not None
    assert found.delivery.state is DeliveryState.GONE
    await scene.store.reopen("shop", destination(), now=scene.now)
    await scene.poll(succeeded())
    scene.later(2.0)
    assert (await scene.claim_delivery()).message_id == f"msg_{running}_0"
    assert (await scene.delivery(old)).state is DeliveryState.GONE


async def test_a_retry_by_hand_reopens_what_was_gone(scene: Scene) -> None:
    """The person has mended the receiver; what comes next is sent again, too."""
    old = await scene.ended()
    running = await scene.add("task-2")
    await scene.deliver(GONE)
    assert await scene.retry(old)
    claimed = await scene.deliver(ACCEPTED)
    assert (claimed.message_id, claimed.manual) == (f"msg_{old}_0", True)
    assert (await scene.delivery(old)).state is DeliveryState.ACCEPTED
    await scene.poll(succeeded())
    assert (await scene.claim_delivery()).message_id == f"msg_{running}_0"


async def test_410_to_an_attempt_by_hand_ends_the_schedule(scene: Scene) -> None:
    """It is the receiver's word, whoever asked."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    await scene.retry(key)
    await scene.deliver(GONE)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.GONE, None)
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_a_retry_by_hand_may_hear_410_again(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(GONE)
    await scene.retry(key)
    await scene.deliver(GONE)
    assert (await scene.delivery(key)).state is DeliveryState.GONE
    next_one = await scene.add("task-2")
    await scene.retry(key)
    await scene.deliver(GONE)
    await scene.poll(succeeded())
    assert (await scene.delivery(next_one)).state is DeliveryState.GONE


async def test_a_410_to_an_attempt_from_before_does_not_cancel_one_by_hand(
    scene: Scene,
) -> None:
    """Whoever asked knew better than a receiver that was asked earlier."""
    key = await scene.ended()
    [earlier] = await scene.claim_deliveries()
    scene.later(1.0)
    assert await scene.retry(key)
    await scene.hear(earlier, GONE)
    assert (await scene.delivery(key)).state is DeliveryState.GONE
    by_hand = await scene.deliver(ACCEPTED, after_s=1.0)
    assert by_hand.manual
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED
    scene.later(DAY)
    assert not await scene.claim_deliveries()


# By hand


async def test_a_retry_by_hand_while_waiting_is_extra(scene: Scene) -> None:
    """It neither restarts nor cancels the schedule."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    due_at = (await scene.delivery(key)).next_attempt_at
    assert due_at is not None
    scene.later(1.0)
    assert await scene.retry(key)
    claimed = await scene.deliver(BROKEN)
    assert (claimed.manual, claimed.attempt) == (True, 2)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.RETRYING, due_at)
    assert [attempt.manual for attempt in delivery.log] == [False, True]
    scheduled = await scene.deliver(ACCEPTED, after_s=due_at - scene.now)
    assert (scheduled.manual, scheduled.failures, scheduled.attempt) == (False, 1, 3)


async def test_a_retry_by_hand_that_is_accepted_ends_the_schedule(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(BROKEN)
    await scene.retry(key)
    await scene.deliver(ACCEPTED)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.ACCEPTED, None)
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_what_is_asked_for_by_hand_is_made_first(scene: Scene) -> None:
    """A person waits for it, before whom thousands may be overdue; of two, the first."""
    asked = [await scene.ended(f"asked-{n}") for n in range(2)]
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, GONE)
    for n in range(3):
        await scene.add(f"late-{n}")
    await scene.poll(succeeded())
    scene.later(HOUR)
    for key in asked:
        assert await scene.retry(key)
        scene.later(1.0)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=3))
    assert [one.message_id for one in claims[:2]] == [f"msg_{key}_0" for key in asked]
    assert [one.manual for one in claims] == [True, True, False]


async def test_what_is_asked_for_by_hand_is_shown_and_late_by_its_time(
    scene: Scene,
) -> None:
    """That it stands first in its lane is nobody's business."""
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    scene.later(HOUR)
    await scene.retry(key)
    asked_at = pytest.approx(scene.now, abs=1e-5)
    assert (await scene.delivery(key)).next_attempt_at == asked_at
    assert (await scene.show(key)).delivery.next_attempt_at == asked_at
    scene.later(MINUTE)
    assert (await scene.store.backlog(now=scene.now))["oldest_delivery_at"] == asked_at


async def test_asking_twice_is_one_attempt(scene: Scene) -> None:
    """An impatient finger on a button."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    for _ in range(3):
        assert await scene.retry(key)
    await scene.deliver(BROKEN)
    assert not await scene.claim_deliveries()


async def test_two_attempts_of_one_delivery_are_never_claimed_at_once(
    scene: Scene,
) -> None:
    """Both due at the same moment: the receiver must not get two posts at a time."""
    key = await scene.ended()
    await scene.retry(key)
    first = await scene.claim_delivery()
    scene.later(1.0)
    assert not await scene.claim_deliveries()
    await scene.hear(first, BROKEN)
    second = await scene.deliver(BROKEN, after_s=1.0)
    assert {first.manual, second.manual} == {True, False}


async def test_a_retry_and_an_attempt_by_hand_due_together_go_one_by_one(
    scene: Scene,
) -> None:
    """The same over the two lanes of first attempts and retries."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    scene.later(5.0)
    await scene.retry(key)
    first = await scene.claim_delivery()
    await scene.hear(first, ACCEPTED)
    scene.later(1.0)
    assert not await scene.claim_deliveries()


async def test_a_retry_by_hand_waits_for_the_attempt_in_flight(scene: Scene) -> None:
    key = await scene.ended()
    in_flight = await scene.claim_delivery()
    assert await scene.retry(key)
    assert not await scene.claim_deliveries()
    scene.later(1.0)
    assert not await scene.claim_deliveries(in_flight=[in_flight.delivery_id])
    await scene.hear(in_flight, BROKEN)
    extra = await scene.deliver(BROKEN, after_s=1.0)
    assert (extra.manual, extra.attempt) == (True, 2)


async def test_a_retry_by_hand_is_spared_when_the_one_in_flight_is_accepted(
    scene: Scene,
) -> None:
    """It was wanted because nothing had arrived."""
    key = await scene.ended()
    in_flight = await scene.claim_delivery()
    await scene.retry(key)
    await scene.hear(in_flight, ACCEPTED)
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_the_schedule_waits_for_an_attempt_by_hand_in_flight(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(BROKEN)
    await scene.retry(key)
    by_hand = await scene.claim_delivery()
    scene.later(5.0)
    assert not await scene.claim_deliveries()
    await scene.hear(by_hand, TIMEOUT)
    scheduled = await scene.deliver(FINISHED, after_s=1.0)
    assert (scheduled.manual, scheduled.seen_lost) == (False, True)
    assert (await scene.delivery(key)).state is DeliveryState.PRESUMED


async def test_a_retry_by_hand_of_an_exhausted_delivery(scene: Scene) -> None:
    """This is what the button is for. A failure leaves it exhausted."""
    scene.schedule = Schedule(())
    key = await scene.ended()
    await scene.deliver(BROKEN)
    assert (await scene.delivery(key)).state is DeliveryState.EXHAUSTED
    await scene.retry(key)
    await scene.deliver(BROKEN)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.EXHAUSTED, None)
    await scene.retry(key)
    await scene.deliver(ACCEPTED)
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


async def test_a_retry_by_hand_of_an_accepted_delivery(scene: Scene) -> None:
    """The receiver lost it and wants it again; a failure takes nothing back."""
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    await scene.retry(key)
    again = await scene.deliver(BROKEN)
    assert again.message_id == f"msg_{key}_0"
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.ACCEPTED, None)
    assert delivery.last_outcome is AttemptOutcome.REFUSED


async def test_a_retry_by_hand_survives_a_crash(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    await scene.retry(key)
    await scene.claim_delivery()
    await scene.store.begin(now=scene.now)
    if scene.store.database.shared:
        scene.later(LEASE_S)
    again = await scene.claim_delivery()
    assert (again.manual, again.attempt, again.seen_lost) == (True, 3, True)


async def test_the_last_of_the_schedule_fails_while_a_hand_is_at_work(
    scene: Scene,
) -> None:
    """Exhausted, and then accepted after all."""
    scene.schedule = Schedule(())
    key = await scene.ended()
    scheduled = await scene.claim_delivery()
    await scene.retry(key)
    await scene.hear(scheduled, BROKEN)
    assert (await scene.delivery(key)).state is DeliveryState.EXHAUSTED
    await scene.deliver(ACCEPTED, after_s=1.0)
    assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED


async def test_what_was_stopped_or_superseded_is_not_retried(scene: Scene) -> None:
    """An attempt would contradict what the client has asked for."""
    stopped = await scene.ended("a")
    await scene.stop(stopped)
    assert await scene.refusal_of_retry(stopped) == "delivery_not_retryable"
    key = await scene.add("b", events=("task.ended", "task.updated"))
    await scene.poll(pending(progress=1))
    await scene.poll(pending(progress=2), after_s=GAP_S)
    assert await scene.refusal_of_retry(key, 1) == "delivery_not_retryable"


async def test_nobody_retries_what_is_anothers(scene: Scene) -> None:
    """An id of another client is no id."""
    key = await scene.ended()
    assert not await scene.retry(key, client="blog")
    assert not await scene.retry(key, sequence=1)
    assert not await scene.retry("unknown")
    assert await scene.retry(key, client=None), "the operator may"


async def test_what_has_no_destination_is_not_retried(scene: Scene) -> None:
    key = await scene.ended(destination=None)
    assert not await scene.retry(key)


async def test_an_unknown_lane_gives_nothing(scene: Scene) -> None:
    """The chooser may hold a lane that has just become empty."""
    await scene.ended()

    gone = Lane(10**6, "shop", "gone.test")
    assert not await scene.claim_deliveries(choose=lambda _: each([gone]))


async def test_a_fault_of_our_own_proxy_calms_no_lane(scene: Scene) -> None:
    """It is no word of the receiver: the two URLs that are throttled stand side by side."""
    for path in ("a", "b"):
        for task_id in ("1", "2"):
            await scene.add(task_id, destination=destination(path))
    await scene.poll(succeeded())
    a, _a, b, _b = await scene.claim_deliveries()
    await scene.hear(a, slow_down(1.0))
    await scene.hear(b, Reply(outcome=AttemptOutcome.PROXY_ERROR))
    await scene.hear(_b, slow_down(9.0))
    await scene.add("fine", destination=destination("c"))
    await scene.poll(succeeded())
    assert await scene.claim_deliveries() == []
