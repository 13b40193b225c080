"""Deadlines: they end a subscription by our own word, and only after a last question."""

import pytest

from bridge.cadence import PollPolicy
from bridge.model import Observation, Outcome, PollOutcome, Status, SubscriptionState
from bridge.store import Doubt
from tests.conftest import START
from tests.store.scene import (
    DAY,
    GAP_S,
    HOUR,
    NOT_FOUND,
    REFUSED,
    THROTTLED,
    TRANSIENT,
    Scene,
    everything,
    failed,
    pending,
    saw,
    succeeded,
)


async def overdue(scene: Scene, **changes: object) -> str:
    """A subscription whose time has just passed; its next poll is an hour away."""
    key = await scene.add(**{"deadline_s": 10.0} | changes)  # type: ignore[arg-type]
    await scene.poll(pending(), after_s=1.0, gap_s=HOUR)
    scene.later(9.0)
    return key


async def test_before_its_time_nothing_happens(scene: Scene) -> None:
    key = await scene.add(deadline_s=10.0, first_poll_s=100.0)
    scene.later(9.9)
    assert await scene.check_deadlines() == []
    assert not await scene.claim_polls()
    assert (await scene.show(key)).state is SubscriptionState.ACTIVE


async def test_a_deadline_asks_once_more_and_at_once(scene: Scene) -> None:
    """The last known word may be an hour old; the task may have ended meanwhile."""
    key = await overdue(scene)
    found = await scene.store.check_deadlines(lambda _: scene.policy, Doubt.none(scene.now))
    assert (found.ended, found.polled, found.more) == ([], True, False)
    claimed = await scene.claim_poll()
    assert claimed.closing_at == scene.now
    assert await scene.answer(claimed, succeeded()) == [key]
    assert (await scene.show(key)).outcome is Outcome.SUCCEEDED


async def test_still_running_at_its_deadline_is_timed_out(scene: Scene) -> None:
    """The subscription ends; the watch does not."""
    key = await overdue(scene)
    await scene.check_deadlines()
    assert await scene.poll(pending(Status.RUNNING, progress=80), after_s=1.0) == [key]
    shown = await scene.show(key)
    assert (shown.outcome, shown.status) == (Outcome.TIMED_OUT, Status.RUNNING)
    assert shown.progress == 80
    assert shown.event is not None
    assert shown.event["type"] == "task.timed_out"
    assert shown.event["data"]["error"]["code"] == "timed_out"
    scene.later(DAY)
    assert not await scene.claim_polls(), "nobody waits: the watch rests"


async def test_a_poll_begun_before_the_deadline_is_no_last_word(scene: Scene) -> None:
    """It may have been answered before the task ended."""
    key = await scene.add(deadline_s=10.0, first_poll_s=9.0)
    scene.later(9.0)
    early = await scene.claim_poll()
    scene.later(1.0)
    await scene.check_deadlines()
    assert await scene.answer(early, pending()) == []
    assert await scene.poll(pending(), after_s=GAP_S) == [key]


@pytest.mark.parametrize("seen", [TRANSIENT, THROTTLED, NOT_FOUND])
async def test_no_answer_is_waited_for_five_minutes(
    scene: Scene, seen: Observation
) -> None:
    """A provider that is down at the deadline has a little while to come back."""
    key = await overdue(scene)
    await scene.check_deadlines()
    assert await scene.poll(seen, after_s=0.0) == []
    scene.later(299.0)
    assert await scene.check_deadlines() == []
    scene.later(1.0)
    assert await scene.check_deadlines() == [key]
    lost = seen.outcome is PollOutcome.NOT_FOUND
    expected = Outcome.UNREACHABLE if lost else Outcome.TIMED_OUT
    shown = await scene.show(key)
    assert (shown.outcome, shown.status) == (expected, Status.RUNNING)
    assert (await scene.claim_delivery()).type == f"task.{expected}"


async def test_never_answered_at_all_is_timed_out(scene: Scene) -> None:
    """Also where no poll was ever recorded."""
    key = await scene.add(deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    await scene.claim_polls()
    scene.later(300.0)
    assert await scene.check_deadlines() == [key]
    shown = await scene.show(key)
    assert (shown.outcome, shown.status) == (Outcome.TIMED_OUT, None)


async def test_while_a_deadline_waits_the_polls_come_soon(scene: Scene) -> None:
    """Five minutes would be one question otherwise."""
    await scene.add(deadline_s=HOUR)
    for _ in range(8):
        await scene.poll(TRANSIENT, after_s=400.0)
    scene.later(HOUR)
    await scene.check_deadlines()
    await scene.poll(TRANSIENT, after_s=0.0)
    [shown] = await scene.list_subscriptions()
    assert (shown.next_poll_at or 0) - scene.now == pytest.approx(27.0)


@pytest.mark.parametrize(
    "outcome", [PollOutcome.FORBIDDEN, PollOutcome.MISCONFIGURED, PollOutcome.AUTH]
)
async def test_refused_at_its_deadline_is_unreachable(
    scene: Scene, outcome: PollOutcome
) -> None:
    """More asking would not help: this is the last word."""
    key = await scene.add(deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    assert await scene.poll(saw(outcome), after_s=0.0) == [key]
    assert (await scene.show(key)).outcome is Outcome.UNREACHABLE


async def test_each_subscriber_has_its_own_deadline(scene: Scene) -> None:
    """One's time is up, the other waits on with the same watch."""
    early = await overdue(scene)
    late = await scene.add(deadline_s=DAY)
    await scene.check_deadlines()
    assert await scene.poll(pending(), after_s=1.0) == [early]
    assert (await scene.show(late)).outcome is None
    assert await scene.poll(failed(), after_s=GAP_S) == [late]


async def test_two_deadlines_close_together_end_together(scene: Scene) -> None:
    """One last question serves all whose time is up."""
    first = await scene.add(deadline_s=10.0)
    second = await scene.add(deadline_s=11.0)
    scene.later(12.0)
    await scene.check_deadlines()
    assert sorted(await scene.poll(pending(), after_s=0.0)) == sorted([first, second])


async def test_after_a_deadline_the_others_are_polled_as_before(scene: Scene) -> None:
    """Closing is over: no last word is waited for, no poll is hurried, none is written."""
    await overdue(scene)
    await scene.add(deadline_s=DAY)
    await scene.check_deadlines()
    await scene.poll(TRANSIENT, after_s=0.0)
    scene.later(300.0)
    assert len(await scene.check_deadlines()) == 1
    assert (await scene.claim_poll()).closing_at is None


async def test_a_stop_ends_the_closing(scene: Scene) -> None:
    """The one whose time was up has left; the other is in no hurry."""
    key = await overdue(scene)
    await scene.add(deadline_s=DAY)
    await scene.check_deadlines()
    await scene.stop(key)
    assert (await scene.claim_poll()).closing_at is None


async def test_a_later_deadline_still_closes_after_an_earlier_one(scene: Scene) -> None:
    await overdue(scene)
    second = await scene.add(deadline_s=20.0)
    await scene.check_deadlines()
    await scene.poll(TRANSIENT, after_s=0.0)
    scene.later(20.0)
    await scene.check_deadlines()
    scene.later(280.0)
    assert len(await scene.check_deadlines()) == 1
    assert await scene.poll(pending(), after_s=0.0) == [second]


async def test_a_refused_key_that_worked_pauses_the_deadline(scene: Scene) -> None:
    """The task goes on; the operator may mend the key and fetch the end."""
    key = await overdue(scene)
    scene.later(HOUR)
    await scene.poll(REFUSED, after_s=0.0)
    for _ in range(10):
        scene.later(HOUR)
        assert await scene.check_deadlines() == []
    assert (await scene.show(key)).state is SubscriptionState.ACTIVE
    await scene.poll(succeeded(), after_s=HOUR)
    assert (await scene.show(key)).outcome is Outcome.SUCCEEDED


async def test_a_mended_key_leaves_as_much_time_as_there_was(scene: Scene) -> None:
    """However long it took: an hour was left when it broke, so an hour it is."""
    key = await scene.add("a", deadline_s=2 * HOUR)
    await scene.poll(pending())
    scene.later(HOUR)
    await scene.answer(await scene.claim_poll(), REFUSED)
    for _ in range(20):
        scene.later(HOUR)
        assert await scene.check_deadlines() == []
        left_s = (await scene.show(key)).deadline_at - scene.now
        assert 0 < left_s <= HOUR + 10


@pytest.mark.parametrize("until", [0.0, START - HOUR])
async def test_what_is_new_goes_by_the_time_it_is(scene: Scene, until: float) -> None:
    """The doubt is about what was there before the start; both times of this are ours."""
    await scene.add("t", deadline_s=10.0)
    scene.later(HOUR)
    doubt = Doubt(scene.now, until, scene.now)
    assert not (await scene.store.check_deadlines(lambda _: scene.policy, doubt)).polled
    await scene.add("new", deadline_s=10.0)
    scene.later(10.0)
    doubt = doubt._replace(now=scene.now)
    assert (await scene.store.check_deadlines(lambda _: scene.policy, doubt)).polled
    assert next(one.task_id for one in await scene.claim_polls()) == "new"


async def test_a_mended_key_is_asked_for_the_last_word(scene: Scene) -> None:
    """The deadline goes on where it was."""
    key = await overdue(scene)
    await scene.poll(REFUSED, after_s=HOUR)
    await scene.check_deadlines()
    await scene.poll(pending(), after_s=HOUR)
    assert (await scene.show(key)).state is SubscriptionState.ACTIVE
    scene.later(1.0)
    assert await scene.check_deadlines() == []
    assert await scene.poll(pending(), after_s=0.0) == [key]
    assert (await scene.show(key)).outcome is Outcome.TIMED_OUT


async def test_a_key_refused_during_the_five_minutes_pauses_them(scene: Scene) -> None:
    key = await overdue(scene)
    await scene.check_deadlines()
    await scene.poll(REFUSED, after_s=0.0)
    scene.later(HOUR)
    assert await scene.check_deadlines() == []
    assert (await scene.show(key)).state is SubscriptionState.ACTIVE


async def test_the_pause_ends_with_the_providers_memory(scene: Scene) -> None:
    """Past its retention the provider could not tell us anyway."""
    scene.policy = PollPolicy(retention_s=2 * HOUR)
    key = await overdue(scene)
    await scene.poll(REFUSED, after_s=HOUR)
    assert await scene.check_deadlines() == []
    scene.later(HOUR)
    assert await scene.check_deadlines() == []
    scene.later(301.0)
    assert await scene.check_deadlines() == [key]
    assert (await scene.show(key)).outcome is Outcome.UNREACHABLE


async def test_a_restart_gives_the_five_minutes_anew(scene: Scene) -> None:
    """They count only while we are up: a week of downtime is nobody's last word."""
    key = await overdue(scene)
    await scene.check_deadlines()
    scene.later(7 * DAY)
    await scene.store.begin(now=scene.now)
    assert await scene.check_deadlines() == []
    assert await scene.poll(TRANSIENT, after_s=0.0) == []
    scene.later(299.0)
    assert await scene.check_deadlines() == []
    scene.later(2.0)
    assert await scene.check_deadlines() == [key]


async def test_a_start_beside_others_gives_no_five_minutes_anew(scene: Scene) -> None:
    """They are up to ask. A node that starts again and again would put the end off."""
    key = await overdue(scene)
    await scene.check_deadlines()
    for _ in range(5):
        await scene.store.note_time(scene.now)  # by the others
        scene.later(60.0)
        await scene.store.begin(now=scene.now)
    scene.later(1.0)
    lone = not scene.store.database.shared
    assert await scene.check_deadlines() == ([] if lone else [key])


async def test_a_task_that_ended_while_we_were_down_has_its_true_end(scene: Scene) -> None:
    """Downtime past the deadline: the provider is asked before anybody is told."""
    key = await overdue(scene)
    scene.later(7 * DAY)
    await scene.store.begin(now=scene.now)
    await scene.check_deadlines()
    assert await scene.poll(succeeded(), after_s=0.0) == [key]
    assert (await scene.show(key)).outcome is Outcome.SUCCEEDED


async def test_three_strikes_after_the_grace_period_end_it(scene: Scene) -> None:
    """A gateway may hand out an id before it can find it; then it is believed."""
    key = await scene.add()
    for _ in range(24):
        assert await scene.poll(NOT_FOUND, after_s=GAP_S) == []
    ended: list[str] = []
    strikes = 0
    while not ended:
        ended = await scene.poll(NOT_FOUND, after_s=GAP_S)
        strikes += 1
    assert (ended, strikes) == ([key], 3)
    shown = await scene.show(key)
    assert (shown.outcome, shown.status) == (Outcome.UNREACHABLE, None)
    assert shown.event is not None
    assert shown.event["data"]["error"]["code"] == "task_not_found"


async def test_strikes_are_counted_in_a_row(scene: Scene) -> None:
    """A replica that is behind is contradicted by the next answer."""
    scene.policy = PollPolicy(grace_s=0.0)
    key = await scene.add()
    for seen in (NOT_FOUND, NOT_FOUND, pending(), NOT_FOUND, NOT_FOUND):
        assert await scene.poll(seen, after_s=GAP_S) == []
    assert await scene.poll(NOT_FOUND, after_s=GAP_S) == [key]


async def test_a_newcomer_has_a_grace_period_of_its_own(scene: Scene) -> None:
    """It may be the one to whom the gateway has just handed out the id."""
    early = await scene.add()
    for _ in range(24):
        await scene.poll(NOT_FOUND, after_s=GAP_S)
    late = await scene.add(metadata={"late": True})
    created_at = scene.now
    ended: list[str] = []
    while late not in ended:
        assert scene.now <= created_at + HOUR, "it must end some time"
        scene.later(GAP_S)
        for claimed in await scene.claim_polls():
            ended += await scene.answer(claimed, NOT_FOUND)
    assert ended == [early, late]
    assert scene.now >= created_at + 120


async def test_deadlines_come_in_chunks(scene: Scene) -> None:
    """A million due at once are many short transactions."""
    for n in range(501):
        await scene.add(f"task-{n}", deadline_s=10.0)
    scene.later(10.0)
    first = await scene.store.check_deadlines(lambda _: scene.policy, Doubt.none(scene.now))
    second = await scene.store.check_deadlines(
        lambda _: scene.policy, Doubt.none(scene.now)
    )
    assert (first.more, second.more) == (True, False)
    assert len(await scene.claim_polls(choose=everything)) == 501
