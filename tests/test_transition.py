"""What an answer that is no end means: when to ask again, and when our own word ends it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cadence import PAUSE_MAX_S, RETRY_AFTER_MAX_S, PollPolicy, fixed
from bridge.model import ClaimedPoll, Observation, Outcome, PollOutcome, Status
from bridge.transition import STRIKES, Closing, Move, after, own_outcome
from tests.conftest import START

POLICY = PollPolicy(interval_s=5.0, grace_s=120.0)
NOT_ENDED = [one for one in PollOutcome if one is not PollOutcome.ENDED]
FAILING = [
    PollOutcome.TRANSIENT,
    PollOutcome.UNREACHABLE,
    PollOutcome.ANSWER_TOO_LARGE,
    PollOutcome.AUTH,
    PollOutcome.FORBIDDEN,
    PollOutcome.MISCONFIGURED,
]


def claimed(**changes: Any) -> ClaimedPoll:
    """A watch that has been running well for a while."""
    usual = ClaimedPoll(
        watch_id=1,
        claim_no=9,
        claimed_at=START,
        next_at=START + 5,
        credential_id=1,
        provider="amux",
        model=None,
        task_id="task-1",
        params={},
        own=False,
        own_key=None,
        key_worked=True,
        key_refused_at=None,
        key_refused_by=None,
        born_at=START - 600,
        created_at=START - 600,
        polled_at=START - 5,
        status=Status.RUNNING,
        progress=None,
        outcome=PollOutcome.PENDING,
        outcome_since=START - 600,
        failures=0,
        strikes=0,
        closing_at=None,
        wants_updates=False,
        wants_raw=False,
    )
    return replace(usual, **changes)


def fresh(**changes: Any) -> ClaimedPoll:
    """A watch that was never polled."""
    return claimed(
        **{"status": None, "outcome": None, "outcome_since": None, "key_worked": False}
        | changes
    )


def seen(outcome: PollOutcome = PollOutcome.PENDING, **more: Any) -> Observation:
    if outcome is PollOutcome.PENDING:
        more = {"status": Status.RUNNING} | more
    return Observation(outcome=outcome, **more)


def move(
    before: ClaimedPoll, now_seen: Observation, *, after_s: float = 1.0, dice: float = 0.5
) -> Move:
    return after(before, now_seen, fixed(POLICY), now=START + after_s, dice=dice)


def but(outcome: PollOutcome) -> list[PollOutcome]:
    """Every other outcome that is no end."""
    return [one for one in NOT_ENDED if one is not outcome]


# What is written


def test_an_unchanged_answer_writes_nothing() -> None:
    """The claim has scheduled the next poll: "still running" costs one write, not two."""
    assert move(claimed(), seen()).silent


def test_the_first_answer_is_written() -> None:
    assert not move(fresh(), seen()).silent
    assert move(fresh(), seen()).changed


def test_a_fault_of_our_own_proxy_is_no_strike_and_no_failure() -> None:
    """The task and its provider have said nothing; what was counted before stays."""
    before = claimed(failures=2, strikes=1)
    got = move(before, seen(PollOutcome.TRANSIENT, ours=True))
    assert (got.failures, got.strikes, got.closes) == (2, 1, None)


@pytest.mark.parametrize("outcome", but(PollOutcome.PENDING))
def test_any_other_outcome_is_written(outcome: PollOutcome) -> None:
    """A person who looks must see the trouble."""
    assert move(claimed(), seen(outcome)).changed


def test_a_change_of_status_is_written_and_told() -> None:
    moved = move(claimed(status=Status.QUEUED), seen())
    assert moved.changed
    assert moved.updated


def test_progress_is_news_only_if_somebody_asked() -> None:
    """It changes at nearly every poll; a write each would double the work."""
    assert move(claimed(progress=10), seen(progress=20)).silent
    told = move(claimed(progress=10, wants_updates=True), seen(progress=20))
    assert told.changed
    assert told.updated


@pytest.mark.parametrize("progress", [10, None])
def test_the_same_progress_or_none_is_no_news(progress: int | None) -> None:
    assert move(claimed(progress=10, wants_updates=True), seen(progress=progress)).silent


@pytest.mark.parametrize("outcome", FAILING)
def test_a_failed_poll_is_no_update(outcome: PollOutcome) -> None:
    """The task has not changed; only our sight of it has."""
    assert not move(claimed(wants_updates=True), seen(outcome)).updated


# When to ask again


@pytest.mark.parametrize("outcome", FAILING)
def test_failures_in_a_row_wait_longer_and_longer(outcome: PollOutcome) -> None:
    waits = [
        (move(claimed(failures=n), seen(outcome)).next_at or 0) - START - 1
        for n in range(8)
    ]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert move(claimed(failures=3), seen(outcome)).failures == 4


def test_a_good_answer_forgets_the_failures() -> None:
    good = move(claimed(failures=7, outcome=PollOutcome.TRANSIENT), seen())
    assert (good.failures, good.next_at, good.changed) == (0, None, True)


def test_throttling_is_the_lanes_affair() -> None:
    """The watch neither fails by it nor forgets that it failed."""
    throttled = move(claimed(failures=2), seen(PollOutcome.THROTTLED, retry_after_s=600.0))
    assert (throttled.failures, throttled.next_at) == (2, None)
    assert throttled.throttled
    assert throttled.throttle_pause_s(0) >= 600
    assert move(claimed(), seen(PollOutcome.THROTTLED)).throttle_pause_s(3) >= 8


@pytest.mark.parametrize("outcome", but(PollOutcome.THROTTLED))
def test_retry_after_lengthens_every_wait(outcome: PollOutcome) -> None:
    """A 503 may ask for patience as well as a 429 or a good answer."""
    patient = move(claimed(), seen(outcome, retry_after_s=1_000.0))
    assert patient.next_at == START + 1 + 1_000
    too_patient = move(claimed(), seen(outcome, retry_after_s=1e9))
    assert too_patient.next_at == START + 1 + RETRY_AFTER_MAX_S


def test_a_slow_answer_leaves_the_next_poll_where_it_is() -> None:
    """The claims that came meanwhile have moved it on."""
    assert move(claimed(), seen(), after_s=60.0).silent


@pytest.mark.parametrize("retry_after_s", [0.0, 1.0, 4.0])
def test_retry_after_shortens_no_wait(retry_after_s: float) -> None:
    assert move(claimed(), seen(retry_after_s=retry_after_s)).silent
    failed = move(claimed(), seen(PollOutcome.TRANSIENT, retry_after_s=retry_after_s))
    assert failed.next_at == START + 1 + 5


def test_while_a_deadline_waits_the_pauses_are_short() -> None:
    before = claimed(failures=9, closing_at=START - 10)
    assert move(before, seen(PollOutcome.TRANSIENT)).next_at == START + 1 + 30


@given(
    outcome=st.sampled_from(NOT_ENDED),
    failures=st.integers(0, 500),
    strikes=st.integers(0, 500),
    after_s=st.floats(0, 60),
    dice=st.floats(0, 1, exclude_max=True),
    closing_at=st.none() | st.floats(START - 900, START + 900),
    known=st.none() | st.sampled_from(NOT_ENDED),
)
def test_no_answer_can_stop_the_polling(
    outcome: PollOutcome,
    failures: int,
    strikes: int,
    after_s: float,
    dice: float,
    closing_at: float | None,
    known: PollOutcome | None,
) -> None:
    """Whatever comes, the next poll is in the future and not far in it."""
    before = claimed(
        failures=failures,
        strikes=strikes,
        closing_at=closing_at,
        outcome=known,
        outcome_since=None if known is None else START - 500,
    )
    now = START + after_s
    result = after(before, seen(outcome), fixed(POLICY), now=now, dice=dice)
    if result.next_at is not None:
        assert now < result.next_at <= now + 1.1 * PAUSE_MAX_S


# The key


def test_a_key_is_noted_when_it_first_works() -> None:
    """From then on a refusal may be mended; before, it is a typing mistake."""
    assert move(fresh(), seen()).key_worked
    assert not move(claimed(), seen()).key_worked


@pytest.mark.parametrize("outcome", [PollOutcome.PENDING, PollOutcome.NOT_FOUND])
def test_a_key_works_again_when_the_provider_speaks_of_the_task(
    outcome: PollOutcome,
) -> None:
    """Also to say that it does not know it: for that it has read the key."""
    assert move(claimed(key_refused_at=START - 9), seen(outcome)).key_worked


@pytest.mark.parametrize("outcome", [*FAILING, PollOutcome.THROTTLED])
def test_trouble_does_not_prove_a_key(outcome: PollOutcome) -> None:
    result = move(fresh(key_refused_at=START - 9), seen(outcome))
    assert not result.key_worked
    assert result.key_refused == (outcome is PollOutcome.AUTH)


def test_403_concerns_one_watch_and_no_key() -> None:
    assert not move(claimed(), seen(PollOutcome.FORBIDDEN)).key_refused


def test_a_refusal_that_is_not_confirmed_rests_nothing() -> None:
    refused = move(claimed(), seen(PollOutcome.AUTH), dice=0.0)
    assert (refused.refusal_pause_s(0), refused.refusal_pause_s(1)) == (0.0, 10.0)


# Not found


def not_found(
    strikes: int, since_s: float = 500.0, **changes: Any
) -> tuple[ClaimedPoll, Observation]:
    before = claimed(
        outcome=PollOutcome.NOT_FOUND,
        outcome_since=START - since_s,
        strikes=strikes,
        **changes,
    )
    return before, seen(PollOutcome.NOT_FOUND)


def test_the_first_not_found_only_starts_the_grace_period() -> None:
    """A gateway may hand out an id before it can find it."""
    first = move(claimed(), seen(PollOutcome.NOT_FOUND))
    assert (first.strikes, first.failures, first.closes) == (0, 0, None)
    assert move(fresh(), seen(PollOutcome.NOT_FOUND)).strikes == 0


def test_within_the_grace_period_nothing_counts() -> None:
    assert move(*not_found(0, since_s=118.0)).strikes == 0
    assert move(*not_found(0, since_s=119.0)).strikes == 1


def test_the_third_strike_is_believed() -> None:
    """It ends those who have waited a grace period themselves, whatever their deadline."""
    assert [move(*not_found(n)).closes is not None for n in range(4)] == [
        False,
        False,
        True,
        True,
    ]
    closes = move(*not_found(2)).closes
    assert closes is not None
    assert closes.outcome is Outcome.UNREACHABLE
    assert closes.covers(created_at=START - 200, deadline_at=START + 9_999)
    assert not closes.covers(created_at=START - 100, deadline_at=START + 9_999)


def test_strikes_are_polled_as_usual_and_after_them_less_and_less() -> None:
    """Three answers must come soon; a task that is lost is not asked about for ever."""
    assert move(*not_found(STRIKES - 1)).next_at is None
    late = move(*not_found(STRIKES, failures=0))
    assert (late.failures, late.next_at) == (1, START + 1 + 5)


@pytest.mark.parametrize("outcome", but(PollOutcome.NOT_FOUND))
def test_any_other_answer_takes_the_strikes_back(outcome: PollOutcome) -> None:
    before, _ = not_found(2)
    assert move(before, seen(outcome)).strikes == 0


# Deadlines


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        (PollOutcome.PENDING, Outcome.TIMED_OUT),
        (PollOutcome.FORBIDDEN, Outcome.UNREACHABLE),
        (PollOutcome.MISCONFIGURED, Outcome.UNREACHABLE),
        (PollOutcome.AUTH, None),
        (PollOutcome.NOT_FOUND, None),
        (PollOutcome.TRANSIENT, None),
        (PollOutcome.UNREACHABLE, None),
        (PollOutcome.ANSWER_TOO_LARGE, None),
        (PollOutcome.THROTTLED, None),
    ],
)
def test_at_a_deadline_some_answers_are_the_last_word(
    outcome: PollOutcome, ends: Outcome | None
) -> None:
    """The others are no word on the task: they are waited out for five minutes."""
    closes = move(claimed(closing_at=START - 1), seen(outcome)).closes
    assert (closes and closes.outcome) == ends
    if closes:
        assert closes.covers(created_at=START, deadline_at=START)
        assert not closes.covers(created_at=START, deadline_at=START + 0.1)


def test_a_key_that_never_worked_is_a_last_word() -> None:
    """One that worked before may be mended: its task goes on meanwhile."""
    closes = move(fresh(closing_at=START), seen(PollOutcome.AUTH)).closes
    assert closes is not None
    assert closes.outcome is Outcome.UNREACHABLE


def test_a_poll_begun_before_the_deadline_is_no_last_word() -> None:
    """It may have been answered before the task ended."""
    assert move(claimed(closing_at=START + 0.1), seen()).closes is None
    assert move(claimed(closing_at=START), seen()).closes is not None


@pytest.mark.parametrize("outcome", NOT_ENDED)
def test_without_a_deadline_nothing_ends(outcome: PollOutcome) -> None:
    """A strange answer never ends a task, however often it comes."""
    before = claimed(failures=10_000, outcome=outcome, outcome_since=START)
    assert move(before, seen(outcome)).closes is None


def test_not_found_at_a_deadline_ends_both_the_old_and_the_overdue() -> None:
    before, answer = not_found(2, closing_at=START - 1)
    closes = move(before, answer).closes
    assert closes is not None
    assert closes.covers(created_at=START, deadline_at=START)
    assert closes.covers(created_at=START - 500, deadline_at=START + 500)
    assert not closes.covers(created_at=START, deadline_at=START + 500)


def test_a_closing_covers_nobody_by_itself() -> None:
    closes = Closing(outcome=Outcome.TIMED_OUT)
    assert not closes.covers(created_at=0.0, deadline_at=0.0)


@pytest.mark.parametrize("last", [None, *PollOutcome])
def test_our_own_word_depends_on_the_last_answer(last: PollOutcome | None) -> None:
    """Unreachable if asking on would not help, else timed out."""
    hopeless = {"auth", "forbidden", "misconfigured", "not_found"}
    expected = Outcome.UNREACHABLE if last in hopeless else Outcome.TIMED_OUT
    assert own_outcome(last) is expected
