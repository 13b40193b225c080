"""Lanes: who may work now, and a split of slots that wastes none and starves nobody."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.lanes import Lane, next_at, ready, share


def lane(number: int, due_at: float = 0.0, paused_until: float = 0.0) -> Lane:
    return Lane(number, "x", due_at=due_at, paused_until=paused_until)


ROOMS = st.lists(st.integers(-3, 12), max_size=12)


def counts(rooms: list[int], free: int) -> list[int]:
    """How much each lane gets, lane by lane."""
    lanes = [lane(number) for number in range(len(rooms))]
    got = [0] * len(rooms)
    for one, count in share(lanes, free, lambda one: rooms[one.id]):
        assert count > 0, "a lane that gets nothing is not named"
        got[one.id] = count
    return got


@given(rooms=ROOMS, free=st.integers(-5, 80))
def test_a_share_keeps_to_its_bounds_and_wastes_nothing(
    rooms: list[int], free: int
) -> None:
    """Never above a lane's room nor all free slots; never less than both allow."""
    got = counts(rooms, free)
    assert all(count <= max(room, 0) for count, room in zip(got, rooms, strict=True))
    assert sum(got) == min(max(free, 0), sum(max(room, 0) for room in rooms))


@given(rooms=ROOMS, free=st.integers(0, 80))
def test_nobody_who_wants_more_has_less_than_another(rooms: list[int], free: int) -> None:
    """An even split, but for the rest that does not divide, which goes to the first."""
    got = counts(rooms, free)
    for number, (count, room) in enumerate(zip(got, rooms, strict=True)):
        if count < room:
            assert all(other <= count + 1 for other in got[:number])
            assert all(other <= count for other in got[number + 1 :])


def test_the_longest_waiting_gets_the_only_slot() -> None:
    """Else a lane with little room would pass it by, turn after turn, under load."""
    assert counts([64, 1, 1], free=1) == [1, 0, 0]
    assert counts([64, 1, 1], free=2) == [1, 1, 0]


def test_a_greedy_lane_takes_only_what_the_others_leave() -> None:
    assert counts([100, 2, 3], free=20) == [15, 2, 3]
    assert counts([100, 100, 3], free=20) == [9, 8, 3]


def test_without_lanes_or_slots_there_is_nothing_to_share() -> None:
    assert counts([], free=5) == []
    assert counts([5, 5], free=0) == [0, 0]
    assert counts([5, 5], free=-1) == [0, 0]


def test_ready_are_the_due_ones_longest_waiting_first() -> None:
    """Paused lanes wait, however long their rows have been due."""
    lanes = [
        lane(1, due_at=9.0),
        lane(2, due_at=5.0),
        lane(3, due_at=1.0, paused_until=11.0),
        lane(4, due_at=7.0, paused_until=10.0),
        lane(5, due_at=10.0),
        lane(6, due_at=10.1),
    ]
    assert [one.id for one in ready(lanes, now=10.0)] == [2, 4, 1, 5]


def test_the_next_is_the_earliest_that_is_not_ready() -> None:
    """This is how long the loop may sleep: a pause counts, what is ready does not."""
    lanes = [lane(1, due_at=1.0), lane(2, due_at=2.0, paused_until=30.0), lane(3, 20.0)]
    assert next_at(lanes, now=10.0) == 20.0
    assert next_at(lanes, now=20.0) == 30.0
    assert next_at(lanes, now=30.0) is None


def test_a_lane_is_ready_when_it_is_due_and_no_longer_paused() -> None:
    assert lane(1, due_at=5.0, paused_until=3.0).ready_at == 5.0
    assert lane(1, due_at=5.0, paused_until=8.0).ready_at == 8.0
