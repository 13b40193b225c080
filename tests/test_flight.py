"""What a node has in flight: deliveries, and tests of callbacks beside them."""

from bridge.flight import Flight
from bridge.lanes import Lane
from bridge.store import Pick

LANE = Lane(1, "shop", "a.test")


def test_a_trial_takes_no_slot_that_a_claim_is_being_made_for() -> None:
    """What is claimed begins in any case; between the two the database is asked."""
    flight = Flight(slots=4, host_slots=2)
    with flight.reserved([Pick(LANE, 2)]):
        assert flight.begin_trial("other", "a.test") is None
        assert flight.begin_trial("other", "b.test")
    assert flight.begin_trial("other", "a.test")


def test_trials_fill_a_host_and_the_node() -> None:
    """Nothing is looked for then that could not begin."""
    flight = Flight(slots=2, host_slots=2)
    first = flight.begin_trial("shop", "a.test")
    assert first
    assert flight.begin_trial("other", "a.test")
    assert flight.window().full[0] == ["a.test"]
    assert flight.is_full
    assert not flight.picks([LANE])
    flight.end_trial(first)
    assert flight.picks([LANE]) == [Pick(LANE, 1)]
