"""A rate limit is kept whatever the pattern of asking, and not wasted either."""

from bisect import bisect_left
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.budget import LATE_S, UNEVEN_SHARE, Budget
from bridge.rate import Rate
from tests.conftest import START

RATES = st.builds(
    Rate,
    count=st.integers(1, 60) | st.sampled_from([600, 10_000]),
    per_s=st.sampled_from([1.0, 10.0, LATE_S]),
)
EXACT_S = 1e-5  # floats near today's unix time


def uneven_s(rate: Rate) -> float:
    """How much longer than another a request may be on its way: so much is foreseen."""
    return min(0.03, UNEVEN_SHARE * rate.per_s)


def most_in_a_window(taken: list[tuple[float, int]], per_s: float) -> int:
    """The most requests in any span of `per_s`, which begins with one of them."""
    times = [at for at, _ in taken]
    sums = list(accumulate((count for _, count in taken), initial=0))
    return max(
        (
            sums[bisect_left(times, begin + per_s - EXACT_S)] - sums[index]
            for index, begin in enumerate(times)
        ),
        default=0,
    )


@given(
    rate=RATES,
    steps=st.lists(
        st.tuples(st.floats(0.0, 1.5), st.integers(1, 100)), min_size=1, max_size=60
    ),
)
def test_no_window_ever_holds_more_than_the_rate(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    """However unevenly we wake: a provider counts in windows that we do not know."""
    budget, now = Budget(rate), START
    taken: list[tuple[float, int]] = []
    for share_of_span, wanted in steps:
        now += share_of_span * rate.per_s
        count = min(wanted, budget.available(now))
        budget = budget.spend(count, now)
        taken.append((now, count))
    assert most_in_a_window(taken, rate.per_s) <= rate.count


@given(
    rate=RATES,
    steps=st.lists(
        st.tuples(st.floats(0.0, 0.5), st.integers(1, 100), st.floats(0.0, 1.0)),
        min_size=1,
        max_size=60,
    ),
)
def test_no_window_of_arrivals_holds_more_either(
    rate: Rate, steps: list[tuple[float, int, float]]
) -> None:
    """The provider counts what arrives: a slow way presses requests together."""
    budget, now = Budget(rate), START
    arrived: list[tuple[float, int]] = []
    for share_of_span, wanted, uneven in steps:
        now += share_of_span * rate.per_s
        count = min(wanted, budget.available(now))
        budget = budget.spend(count, now)
        arrived.append((now + uneven * uneven_s(rate), count))
    assert most_in_a_window(sorted(arrived), rate.per_s) <= rate.count


@given(rate=RATES)
def test_whoever_asks_as_soon_as_he_may_keeps_the_rate_and_gets_most_of_it(
    rate: Rate,
) -> None:
    """Waiting for `free_at` never waits in vain, and nine tenths of the limit are used."""
    budget, now = Budget(rate), START
    taken: list[tuple[float, int]] = []
    for _ in range(300):
        now = budget.free_at(now)
        count = budget.available(now)
        assert count >= 1
        budget = budget.spend(count, now)
        taken.append((now, count))
    assert most_in_a_window(taken, rate.per_s) <= rate.count
    spans = (now - START) / rate.per_s
    assert sum(count for _, count in taken) >= 0.9 * rate.count * spans


@given(rate=RATES, early=st.floats(0.01, 0.99))
def test_nothing_is_free_before_it_is_said_to_be(rate: Rate, early: float) -> None:
    budget = Budget(rate)
    budget = budget.spend(budget.available(START), START)
    free_at = budget.free_at(START)
    assert budget.available(START + early * (free_at - START)) == 0
    assert budget.available(free_at) == 1


@pytest.mark.parametrize(
    ("count", "burst"),
    [(1, 1), (9, 1), (10, 1), (20, 2), (60, 5), (600, 41), (10_000, 667)],
)
def test_some_may_go_at_once(count: int, burst: int) -> None:
    """A claim that takes several is worth its cost; a limit counted per second is kept."""
    assert Budget(Rate(count, 1.0)).available(START) == burst


def test_a_long_rest_gives_no_more_than_the_burst() -> None:
    """Unused requests are not saved up: the provider has forgotten them too."""
    budget = Budget(Rate(100, 1.0))
    burst = budget.burst
    budget = budget.spend(burst, START)
    assert budget.available(START + 86_400) == burst


def test_what_a_slower_rate_had_to_wait_for_is_forgiven() -> None:
    """The operator has raised it: nobody waits a day for what one a day had spent."""
    slow = Budget(Rate(1, 86_400.0)).spend(1, START)
    assert slow.free_at(START) == pytest.approx(START + 86_400.03)
    fast = Budget(Rate(10, 1.0), slow.full_at)
    assert fast.available(START) == 0
    assert fast.free_at(START) - START == pytest.approx(0.206, abs=1e-5)


@pytest.mark.parametrize("late_s", [0.5, 5.0, LATE_S])
def test_a_claim_that_comes_late_gives_nothing_back(late_s: float) -> None:
    """Of two nodes the one that looked at its clock first may write last."""
    budget = Budget(Rate(10, 1.0)).spend(1, START)
    late = START - late_s
    assert budget.available(late) == 0
    assert budget.spend(0, late) == budget


def test_a_free_budget_is_free_now() -> None:
    assert Budget(Rate(5, 1.0)).free_at(START) == START
