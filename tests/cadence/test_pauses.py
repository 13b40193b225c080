"""Pauses after failures: within their bounds, whatever the dice say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cadence import (
    CLOSING_PAUSE_MAX_S,
    JITTER,
    PAUSE_MAX_S,
    RETRY_AFTER_MAX_S,
    THROTTLED_PAUSE_MAX_S,
    PollPolicy,
    pause_s,
    refused_pause_s,
    throttled_pause_s,
)

DICE = st.floats(0.0, 1.0, exclude_max=True)
POLICIES = st.builds(
    PollPolicy,
    interval_s=st.floats(0.1, 3_600.0),
    min_s=st.floats(0.1, 10.0),
    max_s=st.floats(10.0, 600.0),
)
COUNTS = st.integers(1, 10_000)


@given(policy=POLICIES, failures=COUNTS, dice=DICE, closing=st.booleans())
def test_a_pause_never_ends_before_the_minimum_nor_grows_for_ever(
    policy: PollPolicy, failures: int, dice: float, closing: bool
) -> None:
    """An overflow at the thousandth failure would stop the poller."""
    longest = CLOSING_PAUSE_MAX_S if closing else PAUSE_MAX_S
    pause = pause_s(policy, failures, dice, closing=closing)
    assert policy.min_s <= pause <= max(longest * (1 + JITTER), policy.min_s)


@given(policy=POLICIES, failures=COUNTS, dice=DICE)
def test_a_pause_does_not_shrink_with_more_failures(
    policy: PollPolicy, failures: int, dice: float
) -> None:
    assert pause_s(policy, failures + 1, dice) >= pause_s(policy, failures, dice)


@pytest.mark.parametrize("closing", [True, False])
def test_a_deadline_that_waits_is_asked_more_often(closing: bool) -> None:
    """Five minutes are left: one question in them would be too few."""
    pauses = [pause_s(PollPolicy(), n, 0.5, closing=closing) for n in range(1, 9)]
    expected = (
        [5, 10, 20, 30, 30, 30, 30, 30] if closing else [5, 10, 20, 40, 80, 160, 300, 300]
    )
    assert pauses == expected


@given(probes=st.integers(0, 10_000), dice=DICE)
def test_a_refused_key_rests_longer_each_time_up_to_five_minutes(
    probes: int, dice: float
) -> None:
    """Unconfirmed it does not rest at all."""
    pause = refused_pause_s(probes, dice)
    assert pause <= refused_pause_s(probes + 1, dice) <= PAUSE_MAX_S * (1 + JITTER)
    assert (pause == 0) == (probes == 0)


@given(throttles=st.integers(0, 10_000), dice=DICE)
def test_throttling_without_a_word_pauses_up_to_a_minute(
    throttles: int, dice: float
) -> None:
    pause = throttled_pause_s(throttles, None, dice)
    assert 1.0 <= pause <= THROTTLED_PAUSE_MAX_S * (1 + JITTER)


@given(throttles=st.integers(0, 99), asked_s=st.floats(0.0, 1e9), dice=DICE)
def test_retry_after_is_obeyed_and_bounded(
    throttles: int, asked_s: float, dice: float
) -> None:
    """Never sooner than asked; an hour at most, for a header that nobody can mean."""
    pause = throttled_pause_s(throttles, asked_s, dice)
    assert pause >= min(asked_s, RETRY_AFTER_MAX_S)
    assert 1.0 <= pause <= RETRY_AFTER_MAX_S * (1 + JITTER)
