"""A robot's limits hold in every span, and what waits for one goes as one message."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import formats
from bridge.model import AttemptOutcome, Reply
from bridge.receivers.robots import (
    ALONE_AFTER,
    LIMITS,
    budget_of,
    hushed_until,
    shared,
    together,
)
from tests.receivers.test_retry import DELIVERY

NOW = 1_795_608_000.0
DOCUMENTED = {  # messages in so many seconds
    "slack": [(1, 1.0)],
    "discord": [(5, 2.0)],
    "feishu": [(100, 60.0), (5, 1.0)],
    "dingtalk": [(20, 60.0)],
    "wecom": [(20, 60.0)],
}


def spoken(kind: str, until_s: float, step_s: float) -> list[float]:
    """When one who always has something to say speaks, looking every `step_s`."""
    budget, times, at = budget_of(kind, 0.0), list[float](), NOW
    while at < NOW + until_s:
        count = budget.available(at)
        budget = budget.spend(count, at) if count else budget
        times += [at] * count
        at = max(at + step_s, budget.free_at(at))
    return times


def test_every_robot_has_its_limit() -> None:
    assert set(LIMITS) == set(formats.ROBOTS) == set(DOCUMENTED)


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("step_s", [0.001, 0.3, 1.7])
def test_no_span_has_more_messages_than_the_service_allows(
    kind: str, step_s: float
) -> None:
    """
    Not at the start of the minute, not across two of them, and with a little to spare.
    """
    times = spoken(kind, 300, step_s)
    for count, span_s in DOCUMENTED[kind]:
        for first, one_more in zip(times, times[count:], strict=False):
            assert one_more - first > span_s * 1.02


@pytest.mark.parametrize("kind", LIMITS)
def test_nearly_all_of_it_is_used(kind: str) -> None:
    """
    What a robot takes in a minute shall not wait for two.
    """
    allowed = min(count / span_s for count, span_s in DOCUMENTED[kind]) * 300
    assert len(spoken(kind, 300, 0.001)) > 0.9 * allowed


def test_a_robot_of_a_later_program_is_spoken_to_slowly() -> None:
    assert budget_of("carrier-pigeon", 0.0) == budget_of("dingtalk", 0.0)


@given(at=st.floats(0, 4e9))
def test_nothing_is_said_to_feishu_when_everybody_speaks(at: float) -> None:
    """
    At :00 and :30 it turns messages away.
    """
    until = hushed_until("feishu", at)
    assert at <= until < at + 17
    assert math.isclose(until, at) or until > at
    near = min(until % 1800, 1800 - until % 1800)
    assert near > 0.9
    assert hushed_until("feishu", until + 0.001) == until + 0.001
    assert hushed_until("slack", at) == at


class TestTogether:
    def test_what_has_room_goes_one_by_one(self) -> None:
        several = [replace(DELIVERY, delivery_id=number) for number in range(3)]
        assert together(several, 3) == several
        assert together([], 3) == []

    def test_the_last_message_tells_of_all_the_rest(self) -> None:
        several = [replace(DELIVERY, delivery_id=number) for number in range(5)]
        first, last = together(several, 2)
        assert (first.delivery_id, first.riders) == (0, ())
        assert [last.delivery_id, *(one.delivery_id for one in last.riders)] == [1, 2, 3, 4]

    def test_who_failed_again_and_again_goes_alone(self) -> None:
        """
        A link that is held for unsafe would keep a hundred others from being told.
        """
        stubborn = replace(DELIVERY, delivery_id=9, failures=ALONE_AFTER)
        several = [*(replace(DELIVERY, delivery_id=n) for n in range(4)), stubborn]
        alone, told = together(several, 2)
        assert (alone, len(told.riders)) == (stubborn, 3)

    def test_what_cannot_be_read_takes_no_room(self) -> None:
        """
        Nothing is sent for it, and it must not keep the others from being sent.
        """
        damaged = replace(DELIVERY, delivery_id=9, readable=False)
        several = [damaged, *(replace(DELIVERY, delivery_id=n) for n in range(2))]
        alone, told = together(several, 1)
        assert alone == damaged
        assert (told.delivery_id, len(told.riders)) == (0, 1)


def test_who_looks_at_an_attempt_sees_that_it_was_not_alone() -> None:
    reply = Reply(outcome=AttemptOutcome.ACCEPTED, http_status=200)
    assert shared(reply, 0) == reply
    assert shared(reply, 11).detail == "one message told of 12 deliveries"
    refused = replace(reply, detail="code 5")
    assert shared(refused, 11) == refused


def test_the_spans_are_kept_in_order() -> None:
    """
    Of the test above: it would pass with times that run backwards.
    """
    assert all(a <= b for a, b in pairwise(spoken("feishu", 60, 0.3)))
