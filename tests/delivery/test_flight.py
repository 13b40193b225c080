"""What a node may begin, by what it has heard from a client's hosts."""

from dataclasses import replace

import pytest

from bridge.delivery.flight import (
    DOUBTED,
    PROBED_S,
    RANKS,
    REMEMBERED,
    UNPROVEN_MOST,
    Flight,
    idle,
)
from bridge.lanes import Lane
from bridge.model import Destination
from tests.receivers.test_retry import DELIVERY

NOW = 1_000.0
LANE = Lane(1, "shop", "app.test")
ITEM = replace(DELIVERY, destination=Destination(url="https://app.test/", host="app.test"))


@pytest.fixture
def flight() -> Flight:
    return Flight(slots=256, host_slots=16)


def room(flight: Flight, lane: Lane = LANE) -> int:
    return flight.room(flight.known(lane))


def test_a_host_has_few_until_it_answers(flight: Flight) -> None:
    """Whoever else has an answer from it."""
    assert room(flight) == UNPROVEN_MOST
    flight.heard(ITEM, answered=True)
    assert room(flight) == 14, "all but those that are kept"
    assert room(flight, replace(LANE, owner="blog")) == UNPROVEN_MOST


def test_one_that_is_silent_now_and_then_is_not_doubted(flight: Flight) -> None:
    """One workflow that hangs is not its host."""
    for _ in range(3):
        flight.heard(ITEM, answered=True)
        for _ in range(DOUBTED - 1):
            flight.heard(ITEM, answered=False)
            assert room(flight) == 14
    flight.heard(ITEM, answered=False)
    assert room(flight) == UNPROVEN_MOST


def test_first_attempts_retries_and_replays_to_such_a_host_share_these(
    flight: Flight,
) -> None:
    kinds = [replace(LANE, retry=True), replace(LANE, id=2, retry=True, behind=True), LANE]
    picks = [(pick.lane.retry, pick.count) for pick in flight.picks(kinds, NOW)]
    assert picks == [(False, 2)]


def test_where_only_some_hosts_have_room_no_others_are_looked_at(flight: Flight) -> None:
    flight.heard(ITEM, answered=True)
    for number in range(256):
        host = f"{number}.test"
        if room(flight, Lane(number, "shop", host)):
            to = replace(ITEM.destination, host=host)
            flight.began(replace(ITEM, delivery_id=number, lane_id=number, destination=to))
    assert flight.window(NOW).only["shop", 0] == {"app.test"}
    assert room(flight) > 0


def test_silence_alone_proves_nothing(flight: Flight) -> None:
    flight.heard(ITEM, answered=False)
    assert room(flight) == UNPROVEN_MOST


def test_who_was_heard_of_longest_ago_is_forgotten_first(flight: Flight) -> None:
    flight.heard(ITEM, answered=True)
    for number in range(REMEMBERED):
        host = f"{number}.test"
        to = replace(ITEM.destination, host=host)
        flight.heard(replace(ITEM, destination=to), answered=True)
    assert room(flight) == UNPROVEN_MOST
    assert room(flight, replace(LANE, key="0.test")) == 14


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("proven", [False, True])
def test_a_host_where_no_more_may_begin_is_not_looked_at(
    flight: Flight, proven: bool, retry: bool
) -> None:
    """It may have lanes without number, before those to any other host."""
    if proven:
        flight.heard(ITEM, answered=True)
    number = 0
    while room(flight, replace(LANE, id=number, retry=retry)):
        item = replace(ITEM, delivery_id=number, lane_id=number, retry=retry)
        flight.began(item)
        number += 1
        for rank in RANKS:
            fresh = flight.known(idle("shop", "app.test", rank))
            hidden = "app.test" in flight.window(NOW).full_of(("shop", rank))
            assert hidden is (flight.room(fresh) < 1)
    assert number


def test_what_hangs_for_one_client_hides_the_host_from_no_other(flight: Flight) -> None:
    for number in range(UNPROVEN_MOST):
        flight.began(replace(ITEM, delivery_id=number, lane_id=number))
    assert "app.test" in flight.window(NOW).full_of(("shop", 0))
    assert "app.test" not in flight.window(NOW).full_of(("blog", 0))


def test_what_is_being_tried_is_not_looked_at_until_that_is_over(flight: Flight) -> None:
    """A hundred silent hosts would be read, and weighed in vain, at each look."""
    probed, retries = (replace(LANE, probing=1, retry=retry) for retry in (False, True))
    assert [pick.count for pick in flight.picks([probed, retries], NOW)] == [1]
    assert not flight.window(NOW).probed
    flight.began(ITEM)
    assert not flight.picks([probed, retries], NOW)
    assert flight.window(NOW).probed == {"shop": [LANE.id]}
    assert not flight.window(NOW + PROBED_S).probed, "another may have found it well"
    flight.ended(ITEM)
    assert not flight.window(NOW).probed


def test_a_lane_that_may_be_tried_by_one_more_is_looked_at(flight: Flight) -> None:
    flight.heard(ITEM, answered=True)
    flight.began(ITEM)
    assert [pick.count for pick in flight.picks([replace(LANE, probing=2)], NOW)] == [1]
    assert not flight.window(NOW).probed
