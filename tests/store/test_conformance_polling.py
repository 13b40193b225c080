"""Polling: who is due, who is fenced, and what an answer that is no end changes."""

import pytest

from bridge.lanes import Window
from bridge.model import AttemptOutcome, DeliveryState, Outcome, PollOutcome, Status
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GAP_S,
    HOUR,
    NOT_FOUND,
    THROTTLED,
    TRANSIENT,
    Every,
    Scene,
    destination,
    each,
    pending,
    saw,
    succeeded,
)


async def test_only_what_is_due_is_claimed(scene: Scene) -> None:
    """Nobody is asked before its time."""
    await scene.add("early", first_poll_s=1.0)
    await scene.add("late", first_poll_s=10.0)
    assert not await scene.claim_polls()
    scene.later(1.0)
    assert (await scene.claim_poll()).task_id == "early"
    scene.later(9.0)
    assert {c.task_id for c in await scene.claim_polls()} == {"early", "late"}


async def test_a_claim_says_all_that_the_poll_needs(scene: Scene) -> None:
    """Between claim and record nothing is read, so all must be in the claim."""
    await scene.add(
        params={"region": "eu"},
        provider_key="sk-own",
        events=("task.updated",),
        include_raw=True,
    )
    began_at = scene.now
    scene.later(1.0)
    claimed = await scene.claim_poll()
    assert (claimed.provider, claimed.task_id) == ("amux", "task-1")
    assert (claimed.params, claimed.own_key) == ({"region": "eu"}, "sk-own")
    assert (claimed.claimed_at, claimed.next_at) == (scene.now, scene.now + GAP_S)
    assert (claimed.created_at, claimed.born_at) == (began_at, began_at)
    assert (claimed.key_worked, claimed.key_refused_at) == (False, None)
    assert (claimed.status, claimed.progress, claimed.outcome) == (None, None, None)
    assert (claimed.failures, claimed.strikes, claimed.closing_at) == (0, 0, None)
    assert claimed.wants_updates
    assert claimed.wants_raw


async def test_a_claim_knows_the_answer_before(scene: Scene) -> None:
    """The rules compare the new answer with the last one."""
    await scene.add()
    await scene.poll(pending(Status.QUEUED, progress=7))
    since = scene.now
    scene.later(GAP_S)
    claimed = await scene.claim_poll()
    assert (claimed.status, claimed.progress) == (Status.QUEUED, 7)
    assert (claimed.outcome, claimed.outcome_since) == (PollOutcome.PENDING, since)
    assert claimed.key_worked
    assert (claimed.wants_updates, claimed.wants_raw) == (False, False)


async def test_one_who_wants_more_is_enough(scene: Scene) -> None:
    """A second subscriber may want updates or the raw answer where the first did not."""
    await scene.add()
    await scene.add(events=("task.updated",))
    await scene.add(include_raw=True)
    scene.later(1.0)
    claimed = await scene.claim_poll()
    assert claimed.wants_updates
    assert claimed.wants_raw


async def test_a_claim_moves_on_to_the_next_poll(scene: Scene) -> None:
    """An unchanged answer then needs no write, and a crash costs one poll."""
    key = await scene.add()
    scene.later(1.0)
    first = await scene.claim_poll()
    assert not await scene.claim_polls()
    assert (await scene.show(key)).next_poll_at == scene.now + GAP_S
    scene.later(GAP_S)
    second = await scene.claim_poll()
    assert second.claim_no == first.claim_no + 1


class Noting(Every):
    """Keeps what it is asked about."""

    asked: tuple[object, ...] = ()

    def gap_s(self, *about: object) -> float:
        self.asked = about
        return self.interval_s


async def test_the_gap_is_computed_from_provider_model_and_age(scene: Scene) -> None:
    """As the schedule is learned; the age is counted from the subscription's time."""
    pace = Noting(7.0)
    await scene.add(model="veo")
    scene.later(3.0)
    picks = each(await scene.poll_lanes())
    claims = await scene.store.claim_polls(picks, now=scene.now, pace=pace)
    assert pace.asked == ("amux", "~veo", 3.0, 1.0)
    assert [claimed.next_at for claimed in claims.items] == [scene.now + 7]


async def test_each_credential_is_a_lane(scene: Scene) -> None:
    """A queue behind one key never stands before another's."""
    for task_id in ("a", "b", "c"):
        await scene.add(task_id)
    await scene.add("d", provider_key="sk-own")
    await scene.add("e", provider="rong")
    scene.later(2.0)
    lanes = await scene.poll_lanes()
    assert sorted(lane.key for lane in lanes) == ["amux", "amux", "rong"]
    assert all(lane.ready_at == scene.now - 1 for lane in lanes)
    claims = await scene.claim_polls(choose=lambda lanes: each(lanes, limit=1))
    assert sorted(c.task_id for c in claims) == ["a", "d", "e"]


async def test_a_lane_gives_the_longest_due_first(scene: Scene) -> None:
    """Else a busy lane would starve some of its rows for ever."""
    for wait_s, task_id in ((3.0, "c"), (1.0, "a"), (2.0, "b")):
        await scene.add(task_id, first_poll_s=wait_s)
    scene.later(5.0)
    claims = await scene.claim_polls(choose=lambda lanes: each(lanes, limit=2))
    assert [c.task_id for c in claims] == ["a", "b"]
    [rest] = await scene.claim_polls()
    assert rest.task_id == "c"


async def test_a_lane_that_is_not_chosen_gives_nothing(scene: Scene) -> None:
    """Pauses, budgets and slots are the chooser's, and it has the last word."""
    await scene.add()
    scene.later(1.0)
    assert not await scene.claim_polls(choose=lambda _lanes: [])
    assert await scene.claim_polls()


async def test_a_claim_tells_when_its_lanes_are_ready_again(scene: Scene) -> None:
    """The loop sleeps until the next of them is due: a stale due time would spin it."""
    await scene.add()
    scene.later(1.0)
    [lane] = await scene.poll_lanes()
    claims = await scene.store.claim_polls(each([lane]), now=scene.now, pace=Every(9.0))
    assert claims.moved == {lane.place: scene.now + 9}
    assert [one.ready_at for one in await scene.poll_lanes()] == [scene.now + 9]


async def test_what_is_in_flight_is_moved_on_and_not_asked_again(scene: Scene) -> None:
    """An answer may take longer than the gap; a second question would not hurry it."""
    await scene.add("slow")
    await scene.add("other")
    scene.later(1.0)
    slow, other = sorted(await scene.claim_polls(), key=lambda c: c.task_id, reverse=True)
    scene.later(GAP_S)
    claims = await scene.claim_polls(in_flight=[slow.watch_id])
    assert [c.watch_id for c in claims] == [other.watch_id]
    scene.later(1.0)
    assert not await scene.claim_polls(in_flight=[slow.watch_id])
    await scene.answer(slow, TRANSIENT)
    [shown] = await scene.list_subscriptions(task_id="slow")
    assert shown.last_poll is not None
    assert shown.last_poll.outcome is PollOutcome.TRANSIENT


async def test_what_is_in_flight_takes_no_room(scene: Scene) -> None:
    """Ten slow answers at the head of a lane do not hide the row behind them."""
    for n in range(4):
        await scene.add(f"slow-{n}")
    scene.later(1.0)
    slow = [c.watch_id for c in await scene.claim_polls()]
    await scene.add("fresh", first_poll_s=5.0)
    scene.later(GAP_S)
    claims = await scene.claim_polls(
        in_flight=slow, choose=lambda lanes: each(lanes, limit=1, held=4)
    )
    assert [c.task_id for c in claims] == ["fresh"]


async def test_a_stale_answer_writes_nothing(scene: Scene) -> None:
    """The poll that came after it knows better."""
    key = await scene.add()
    scene.later(1.0)
    stale = await scene.claim_poll()
    scene.later(GAP_S)
    fresh = await scene.claim_poll()
    await scene.answer(fresh, pending(Status.RUNNING, progress=50))
    before = await scene.show(key)
    assert await scene.answer(stale, TRANSIENT) == []
    assert await scene.show(key) == before


async def test_a_stale_answer_ends_nothing_by_our_own_word(scene: Scene) -> None:
    """Three strikes that are out of date are no strikes."""
    scene.policy = scene.policy.__class__(grace_s=0.0)
    key = await scene.add()
    for _ in range(2):
        await scene.poll(NOT_FOUND, after_s=GAP_S)
    scene.later(GAP_S)
    stale = await scene.claim_poll()
    scene.later(GAP_S)
    await scene.answer(await scene.claim_poll(), pending())
    assert await scene.answer(stale, NOT_FOUND) == []
    assert (await scene.show(key)).outcome is None


async def test_an_answer_after_the_end_changes_nothing(scene: Scene) -> None:
    """An end is not taken back by a slower poll."""
    key = await scene.add()
    scene.later(1.0)
    slow = await scene.claim_poll()
    await scene.end(slow.watch_id)
    before = await scene.show(key)
    assert await scene.answer(slow, pending(progress=3)) == []
    assert await scene.show(key) == before


async def test_an_answer_after_the_last_stop_changes_nothing(scene: Scene) -> None:
    """A watch at rest stays at rest."""
    key = await scene.add()
    scene.later(1.0)
    claimed = await scene.claim_poll()
    await scene.stop(key)
    assert await scene.answer(claimed, TRANSIENT) == []
    scene.later(DAY)
    assert not await scene.claim_polls()


async def test_a_poll_is_shown_beside_its_subscription(scene: Scene) -> None:
    """`last_poll` tells a person what is wrong, since when and how often."""
    key = await scene.add()
    await scene.poll(pending(Status.QUEUED, progress=0))
    first_trouble = scene.now + GAP_S
    await scene.poll(
        saw(PollOutcome.TRANSIENT, http_status=502, detail="HTML, not JSON"), after_s=GAP_S
    )
    await scene.poll(TRANSIENT, after_s=60.0)
    shown = await scene.show(key)
    assert (shown.status, shown.progress) == (Status.QUEUED, 0)
    assert shown.last_poll is not None
    assert shown.last_poll.outcome is PollOutcome.TRANSIENT
    assert shown.last_poll.http_status == 503
    assert shown.last_poll.detail is None
    assert (shown.last_poll.since, shown.last_poll.at) == (first_trouble, scene.now)
    assert shown.last_poll.count == 2


async def test_unchanged_answers_are_counted_without_being_written(scene: Scene) -> None:
    """The claim is the count: "still running" costs no second write."""
    key = await scene.add()
    for _ in range(4):
        await scene.poll(pending(), after_s=GAP_S)
    shown = await scene.show(key)
    assert shown.last_poll is not None
    assert (shown.last_poll.count, shown.last_poll.at) == (4, scene.now)


async def test_a_failure_waits_longer_than_the_claim_said(scene: Scene) -> None:
    """A provider in trouble is asked less and less."""
    key = await scene.add()
    waits = []
    for _ in range(4):
        shown = await scene.show(key)
        scene.later((shown.next_poll_at or 0) - scene.now)
        await scene.poll(TRANSIENT, after_s=0.0)
        waits.append(((await scene.show(key)).next_poll_at or 0) - scene.now)
    assert waits == pytest.approx([4.5, 9.0, 18.0, 36.0])


async def test_the_first_answer_after_trouble_forgets_the_trouble(scene: Scene) -> None:
    """Failures are counted in a row."""
    await scene.add()
    await scene.poll(TRANSIENT)
    await scene.poll(pending(), after_s=HOUR)
    scene.later(GAP_S)
    assert (await scene.claim_poll()).failures == 0


async def test_the_providers_patience_lengthens_the_wait(scene: Scene) -> None:
    """`Retry-After` on a good answer is a wish about this task."""
    key = await scene.add()
    await scene.poll(pending(retry_after_s=40.0))
    assert (await scene.show(key)).next_poll_at == scene.now + 40
    await scene.poll(pending(retry_after_s=1.0), after_s=40.0)
    assert (await scene.show(key)).next_poll_at == scene.now + GAP_S


async def test_what_one_poll_learned_is_not_unlearned(scene: Scene) -> None:
    """A later answer without progress or status does not say that there is none."""
    key = await scene.add()
    await scene.poll(pending(Status.RUNNING, progress=30))
    await scene.poll(TRANSIENT, after_s=GAP_S)
    await scene.poll(pending(None), after_s=HOUR)
    shown = await scene.show(key)
    assert (shown.status, shown.progress) == (Status.RUNNING, 30)


async def test_an_update_is_owed_only_to_who_asked(scene: Scene) -> None:
    """`task.updated` is opt-in."""
    wants = await scene.add(events=("task.ended", "task.updated"))
    await scene.add()
    await scene.poll(pending(Status.RUNNING, progress=10))
    claimed = await scene.claim_delivery()
    assert (claimed.type, claimed.message_id) == ("task.updated", f"msg_{wants}_1")
    assert claimed.body.count(b'"progress":10')
    assert len(await scene.list_deliveries()) == 1, "nothing is stored for the other"


async def test_no_change_is_no_update(scene: Scene) -> None:
    """Polls are ours; updates are the task's."""
    await scene.add(events=("task.updated",))
    await scene.poll(pending(Status.RUNNING, progress=10))
    await scene.deliver(ACCEPTED)
    await scene.poll(pending(Status.RUNNING, progress=10), after_s=GAP_S)
    await scene.poll(TRANSIENT, after_s=GAP_S)
    assert not await scene.claim_deliveries()
    await scene.poll(pending(Status.RUNNING, progress=11), after_s=HOUR)
    assert (await scene.claim_delivery()).message_id.endswith("_2")


async def test_a_newer_update_supersedes_one_not_yet_told(scene: Scene) -> None:
    """A receiver that was away hears where things stand, not the whole story."""
    key = await scene.add(events=("task.updated",))
    await scene.poll(pending(progress=10), gap_s=GAP_S - 1)
    await scene.deliver(BROKEN)
    due_at = (await scene.delivery(key, 1)).next_attempt_at
    await scene.poll(pending(progress=20), after_s=GAP_S - 1)
    old, new = await scene.delivery(key, 1), await scene.delivery(key, 2)
    assert (old.state, old.next_attempt_at) == (DeliveryState.SUPERSEDED, None)
    assert (new.state, new.next_attempt_at) == (DeliveryState.WAITING, due_at)
    assert new.id != old.id
    claimed = await scene.deliver(ACCEPTED, after_s=1.0)
    assert (claimed.message_id, claimed.failures) == (new.id, 1)


async def test_updates_have_three_attempts_however_often_superseded(scene: Scene) -> None:
    """The place in the schedule is inherited, so a dead receiver costs three attempts."""
    key = await scene.add(events=("task.updated",))
    for progress in (1, 2, 3):
        await scene.poll(pending(progress=progress), after_s=HOUR)
        await scene.deliver(BROKEN)
    assert (await scene.delivery(key, 3)).state is DeliveryState.EXHAUSTED
    assert [(await scene.delivery(key, n)).attempts for n in (1, 2, 3)] == [1, 1, 1]


async def test_an_update_in_flight_does_not_hold_up_the_next(scene: Scene) -> None:
    """It is superseded all the same, and what comes of it is still written down."""
    key = await scene.add(events=("task.updated",))
    await scene.poll(pending(progress=10))
    in_flight = await scene.claim_delivery()
    await scene.poll(pending(progress=20), after_s=GAP_S)
    newer = await scene.claim_delivery()
    assert newer.message_id == f"msg_{key}_2"
    await scene.hear(in_flight, BROKEN)
    old = await scene.delivery(key, 1)
    assert (old.state, old.next_attempt_at) == (DeliveryState.SUPERSEDED, None)
    assert [attempt.outcome for attempt in old.log] == [AttemptOutcome.REFUSED]
    await scene.hear(newer, ACCEPTED)
    assert (await scene.delivery(key, 2)).state is DeliveryState.ACCEPTED


async def test_an_update_accepted_after_it_was_superseded_counts(scene: Scene) -> None:
    """What the receiver took, it took."""
    key = await scene.add(events=("task.updated",))
    await scene.poll(pending(progress=10))
    in_flight = await scene.claim_delivery()
    await scene.poll(pending(progress=20), after_s=GAP_S)
    await scene.hear(in_flight, ACCEPTED)
    assert (await scene.delivery(key, 1)).state is DeliveryState.ACCEPTED
    assert (await scene.claim_delivery()).message_id == f"msg_{key}_2"


async def test_the_end_supersedes_all_updates(scene: Scene) -> None:
    """An update after the end would be a lie."""
    key = await scene.add(events=("task.ended", "task.updated"))
    await scene.poll(pending(progress=10))
    in_flight = await scene.claim_delivery()
    await scene.poll(succeeded(), after_s=GAP_S)
    assert (await scene.delivery(key, 1)).state is DeliveryState.SUPERSEDED
    await scene.hear(in_flight, BROKEN)
    await scene.deliver(ACCEPTED)
    scene.later(DAY)
    assert not await scene.claim_deliveries()
    shown = await scene.show(key)
    assert shown.delivery.id == f"msg_{key}_0"
    assert shown.delivery.state is DeliveryState.ACCEPTED


async def test_the_newest_update_is_shown_until_the_end(scene: Scene) -> None:
    """`delivery` beside a subscription is the one a person would ask about."""
    key = await scene.add(events=("task.updated",))
    await scene.poll(pending(progress=10))
    await scene.deliver(ACCEPTED)
    await scene.poll(pending(progress=20), after_s=GAP_S)
    assert (await scene.show(key)).delivery.id == f"msg_{key}_2"


async def test_a_watch_only_subscription_has_updates_too(scene: Scene) -> None:
    """They are read, not sent."""
    key = await scene.add(destination=None, events=("task.updated",))
    assert await scene.poll(pending(progress=10)) == []
    shown = await scene.show(key)
    assert shown.progress == 10
    assert shown.delivery.state is DeliveryState.NONE
    assert not await scene.claim_deliveries()


async def test_an_own_key_is_wiped_after_its_last_use(scene: Scene) -> None:
    """A caller's key is kept as long as it is of use, and no longer."""
    await scene.ended(provider_key="sk-own")
    scene.later(2 * HOUR)
    await scene.add(provider_key="sk-own", metadata={"again": True})
    scene.later(1.0)
    assert (await scene.claim_poll()).own_key == "sk-own"


async def test_an_own_key_is_kept_while_another_watch_uses_it(scene: Scene) -> None:
    """One task's end does not take the key away from another task."""
    await scene.add("long", provider_key="sk-own")
    await scene.ended("short", provider_key="sk-own")
    scene.later(GAP_S)
    claimed = await scene.claim_poll()
    assert (claimed.task_id, claimed.own_key) == ("long", "sk-own")


async def test_an_own_key_is_kept_after_another_watchs_stop(scene: Scene) -> None:
    await scene.add("long", provider_key="sk-own")
    key = await scene.add("short", provider_key="sk-own")
    await scene.stop(key)
    scene.later(1.0)
    assert (await scene.claim_poll()).own_key == "sk-own"


async def test_the_configured_key_is_never_stored(scene: Scene) -> None:
    """The poller adds it from the configuration."""
    await scene.add()
    scene.later(1.0)
    assert (await scene.claim_poll()).own_key is None


async def test_throttling_pauses_the_credential(scene: Scene) -> None:
    """429 is about the account, not about one task."""
    await scene.add("a")
    await scene.add("b")
    await scene.add("other", provider="rong")
    scene.later(1.0)
    first, *_ = [c for c in await scene.claim_polls() if c.provider == "amux"]
    await scene.answer(first, saw(PollOutcome.THROTTLED, retry_after_s=30.0))
    ready = {lane.key: lane.ready_at for lane in await scene.poll_lanes()}
    assert ready == {"amux": scene.now + 30, "rong": scene.now + GAP_S}
    scene.later(29.0)
    assert {c.provider for c in await scene.claim_polls()} == {"rong"}
    scene.later(1.0)
    assert {c.provider for c in await scene.claim_polls()} == {"amux"}


async def test_throttling_again_and_again_pauses_longer(scene: Scene) -> None:
    """Without Retry-After we find out how patient to be."""
    await scene.add()
    pauses = []
    for _ in range(4):
        await scene.poll(THROTTLED, after_s=20.0)
        pauses.append((await scene.credential())["paused_until"] - scene.now)
    assert pauses == [1.0, 2.0, 4.0, 8.0]


async def test_a_burst_of_429_counts_once(scene: Scene) -> None:
    """What was in flight when the limit was hit says nothing new."""
    for n in range(8):
        await scene.add(f"task-{n}")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        scene.later(0.1)
        await scene.answer(claimed, THROTTLED)
    credential = await scene.credential()
    assert credential["throttles"] == 1
    assert credential["paused_until"] - scene.now == pytest.approx(1.0, abs=0.01)


async def test_a_long_calm_forgets_the_throttling(scene: Scene) -> None:
    """Polls that bring no news write nothing: the calm itself is what counts."""
    await scene.add()
    await scene.poll(pending())
    for _ in range(4):
        await scene.poll(THROTTLED, after_s=20.0)
    for _ in range(20):
        await scene.poll(pending(), after_s=20.0)
    await scene.poll(THROTTLED, after_s=20.0)
    assert (await scene.credential())["paused_until"] == scene.now + 1


async def test_a_success_in_flight_does_not_end_the_pause(scene: Scene) -> None:
    """Retry-After is obeyed, whatever was answered to questions put before it."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    throttled, done = await scene.claim_polls()
    await scene.answer(throttled, saw(PollOutcome.THROTTLED, retry_after_s=60.0))
    await scene.answer(done, succeeded())
    credential = await scene.credential()
    assert (credential["throttles"], credential["paused_until"]) == (1, scene.now + 60)
    scene.later(59.0)
    assert not await scene.claim_polls()


async def test_a_shorter_pause_does_not_cut_a_longer_one(scene: Scene) -> None:
    """The provider's longest wish holds."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    first, second = await scene.claim_polls()
    await scene.answer(first, saw(PollOutcome.THROTTLED, retry_after_s=60.0))
    await scene.answer(second, saw(PollOutcome.THROTTLED, retry_after_s=5.0))
    assert (await scene.credential())["paused_until"] == scene.now + 60


async def test_one_subscriber_that_leaves_takes_nothing_from_the_others(
    scene: Scene,
) -> None:
    """A shared watch is polled as long as anybody waits."""
    first = await scene.add()
    second = await scene.add(client="blog", destination=destination("blog"))
    await scene.stop(first)
    assert await scene.poll(succeeded()) == [second]


async def test_a_pause_between_the_look_and_the_claim_counts(scene: Scene) -> None:
    """The one is a read, the other a write; a 429 may come in between."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    [first] = await scene.claim_polls(choose=lambda lanes: each(lanes, limit=1))
    picks = each((await scene.store.poll_lanes(now=scene.now, window=Window())).lanes)
    await scene.answer(first, saw(PollOutcome.THROTTLED, retry_after_s=30.0))
    claims = await scene.store.claim_polls(picks, now=scene.now, pace=Every(GAP_S))
    assert not claims.items
    assert list(claims.moved.values()) == [scene.now + 30.0]


async def test_whatever_a_provider_says_can_be_written(scene: Scene) -> None:
    """Not every database takes every character, and an answer is a stranger's."""
    key = await scene.add()
    scene.later(1.0)
    odd = saw(PollOutcome.TRANSIENT, detail="a\0b\ud800", model="m\0", status=None)
    await scene.answer(await scene.claim_poll(), odd)
    shown = await scene.show(key)
    assert shown.last_poll is not None
    assert shown.last_poll.detail == "a\ufffdb?"
    await scene.poll(succeeded(model="m\0"), after_s=60.0)
    assert (await scene.show(key)).outcome is Outcome.SUCCEEDED
