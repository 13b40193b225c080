"""Where polls go: within the operator's bounds, for his price, and sooner."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cadence import History, Mode, Plan, PollPolicy, fixed, learned, stretched
from bridge.cadence.ages import COUNT, EDGES

DICE = st.floats(0.0, 1.0, exclude_max=True)
AGES = st.floats(-1e6, 1e9)
POLICIES = st.builds(
    PollPolicy,
    interval_s=st.floats(1.0, 60.0),
    min_s=st.floats(0.1, 1.0),
    max_s=st.floats(60.0, 600.0),
    mode=st.sampled_from(Mode),
    expected_s=st.none() | st.floats(1.0, 3_600.0),
)
DURATIONS = st.lists(st.floats(0.0, 200_000.0), max_size=30)
Draw = Callable[[Random], float]


def lognormal(median_s: float, spread: float) -> Draw:
    return lambda dice: median_s * 2.718281828 ** (spread * dice.gauss(0, 1))


def seen(durations: list[float], batch: int = 20) -> History:
    history = History()
    for start in range(0, len(durations), batch):
        news = History()
        for duration in durations[start : start + batch]:
            news.ended(duration, duration)
            news.ran(0.0, duration)
        history.add(news)
    return history


def polled(plan: Plan, durations: list[float], seed: int = 0) -> tuple[float, float]:
    """Mean polls of a task and mean seconds from its end to the poll that sees it."""
    dice, polls, lag_s = Random(seed), 0, 0.0
    for duration in durations:
        age_s = plan.gap_s(0.0, dice.random())
        polls += 1
        while age_s < duration:
            age_s += plan.gap_s(age_s, dice.random())
            polls += 1
        lag_s += age_s - duration
    return polls / len(durations), lag_s / len(durations)


@settings(max_examples=50, deadline=None)
@given(policy=POLICIES, durations=DURATIONS, age_s=AGES, dice=DICE)
def test_a_gap_keeps_to_the_operators_bounds(
    policy: PollPolicy, durations: list[float], age_s: float, dice: float
) -> None:
    """`poll.min` and `poll.max` bound every gap, whatever was seen of whatever clock."""
    gap_s = learned(policy, seen(durations)).gap_s(age_s, dice)
    assert policy.min_s <= gap_s <= policy.max_s


@given(policy=POLICIES, age_s=AGES, dice=DICE, stretch=st.floats(0.0, 1e4))
def test_who_has_to_wait_is_never_asked_sooner(
    policy: PollPolicy, age_s: float, dice: float, stretch: float
) -> None:
    plan = fixed(policy)
    assert plan.gap_s(age_s, dice, stretch) >= plan.gap_s(age_s, dice) - 1e-6


def test_without_history_the_mean_gap_is_the_interval() -> None:
    """The operator's one number is what is spent."""
    plan = fixed(PollPolicy(interval_s=10.0))
    gaps = [plan.gap_s(100.0, dice / 1000) for dice in range(1000)]
    assert sum(gaps) / len(gaps) == pytest.approx(10.0, rel=0.001)
    assert (min(gaps), max(gaps)) == pytest.approx((9.0, 11.0), rel=0.001)


@pytest.mark.parametrize("expected_s", [40.0, 360.0])
@pytest.mark.parametrize("tasks", [1, 10, 100, 1000])
def test_it_costs_what_the_interval_costs_and_is_no_slower(
    tasks: int, expected_s: float
) -> None:
    """From the first task on, and with a page that is wrong about durations."""
    dice, draw = Random(tasks), lognormal(120.0, 0.4)
    policy = PollPolicy(expected_s=expected_s)
    later = [draw(dice) for _ in range(800)]
    polls, lag_s = polled(learned(policy, seen([draw(dice) for _ in range(tasks)])), later)
    usual_polls, usual_s = polled(fixed(policy), later)
    assert polls == pytest.approx(usual_polls, rel=0.12)
    assert lag_s * polls <= 1.05 * usual_s * usual_polls


def test_with_a_thousand_tasks_the_end_is_seen_sooner() -> None:
    """Within a tenth of the best that knowing the distribution would do (0.72 s)."""
    dice, draw = Random(1), lognormal(180.0, 0.15)
    plan = learned(PollPolicy(), seen([draw(dice) for _ in range(1000)]))
    polls, lag_s = polled(plan, [draw(dice) for _ in range(2000)])
    assert lag_s * polls / 37.0 < 0.80


def test_a_task_that_fails_early_is_not_waited_out() -> None:
    """One of ten fails after three seconds: that is asked about, and then nothing is."""
    dice = Random(1)
    early, late = lognormal(3.0, 0.3), lognormal(150.0, 0.3)
    durations = [(early if n % 10 == 0 else late)(dice) for n in range(1000)]
    plan = learned(PollPolicy(), seen(durations))
    assert plan.density(3.0) > 2 * plan.density(30.0) < plan.density(150.0)


def test_what_nobody_saw_end_counts_as_long_as_it_was_watched() -> None:
    """Half of them are still running: those that ended are not all there is."""
    short = seen([60.0] * 50)
    half = seen([60.0] * 50)
    for _ in range(50):
        half.ran(0.0, 600.0)
    policy = PollPolicy()
    usual, wary = learned(policy, short), learned(policy, half)
    assert wary.density(300.0) * 2 < usual.density(60.0)


def test_older_history_fades() -> None:
    """A provider that has become twice as slow is not asked as before."""
    dice, before, since = Random(1), lognormal(60.0, 0.2), lognormal(240.0, 0.2)
    durations = [draw(dice) for draw in (before, since) for _ in range(3_000)]
    plan = learned(PollPolicy(), seen(durations))
    assert plan.density(240.0) > 3 * plan.density(60.0)


@given(durations=DURATIONS)
def test_history_is_kept_as_it_was(durations: list[float]) -> None:
    history = seen(durations)
    again = History.read(history.written())
    assert again.ends == pytest.approx(history.ends, abs=1e-4)
    assert again.watched_s == pytest.approx(history.watched_s, abs=1e-2)
    assert len(again.ends) == COUNT


def test_an_end_between_two_polls_may_have_been_anywhere_between() -> None:
    history = History()
    history.ended(EDGES[40], EDGES[50])
    assert history.tasks == pytest.approx(1.0)
    assert not any(history.ends[:40])
    assert not any(history.ends[51:])


def test_all_that_is_allowed_is_asked_and_more_is_spread() -> None:
    """Wishes for eight times the limit: the multiplier comes to rest near eight."""
    stretch = 1.0
    for _ in range(2_000):
        waited = max(8.0, stretch)
        stretch = stretched(stretch, waited, short=waited > stretch)
    assert 6.0 < stretch < 8.5
    for _ in range(2_000):
        stretch = stretched(stretch, stretch, short=False)
    assert stretch == 1.0
