"""Lanes: who may work now, and a split of slots that wastes none and starves nobody."""

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from bridge.lanes import LOOK, Lane, Ready, Side, Window, share, wait_s


def lane(number: int, ready_at: float = 0.0, *, retry: bool = False) -> Lane:
    return Lane(number, "x", "x", ready_at=ready_at, retry=retry)


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


def test_a_window_sees_past_the_lanes_that_are_busy() -> None:
    """All that an owner has in flight may be in front, with no room left."""
    window = Window({"shop": 100, "full": 128}, frozenset({("full", False)}))
    assert window.of(("shop", False)) == LOOK + 100
    assert window.of(("blog", True)) == LOOK
    assert window.of(("full", False)) == 0
    assert window.of(("full", True)) == LOOK + 128


def waits(
    lanes: list[Lane],
    *,
    moved: Mapping[tuple[int, bool], float | None] | None = None,
    clipped: Collection[Side] = (),
    next_at: float | None = None,
    full: Collection[int] = (),
) -> float | None:
    return wait_s(
        Ready(lanes, frozenset(clipped), next_at),
        moved or {},
        now=100.0,
        has_room=lambda one: one.id not in full,
        open_to=lambda side: side == ("shop", True),
    )


def test_what_has_room_and_is_due_is_not_waited_for() -> None:
    """More of it was due than could be claimed at once."""
    assert waits([lane(1, 90.0)], moved={(1, False): 99.0}) == 0.0
    assert waits([lane(1, 90.0)]) == 0.0


def test_what_is_full_waits_for_whoever_ends_and_not_for_the_time() -> None:
    """A wait of nothing here would spin for as long as a receiver hangs."""
    assert waits([lane(1, 90.0)], full=[1]) is None
    assert waits([lane(1, 90.0)], full=[1], next_at=130.0) == 30.0


def test_the_next_is_the_earliest_of_all() -> None:
    """Lanes that were claimed from are ready again, or others for the first time."""
    lanes = [lane(1, 90.0), lane(2, 91.0), lane(2, 91.0, retry=True)]
    moved = {(1, False): 120.0, (2, False): None, (2, True): 112.0}
    assert waits(lanes, moved=moved) == 12.0
    assert waits(lanes, moved=moved, next_at=105.0) == 5.0


def test_nothing_scheduled_is_no_time_at_all() -> None:
    assert waits([]) is None
    assert waits([lane(1, 90.0)], moved={(1, False): None}) is None


def test_an_owner_with_more_lanes_than_were_seen_is_looked_at_again() -> None:
    """… at once if it may begin more, and when something ends otherwise."""
    assert waits([], clipped=[("shop", True)], next_at=130.0) == 0.0
    assert waits([], clipped=[("shop", False)], next_at=130.0) == 30.0
