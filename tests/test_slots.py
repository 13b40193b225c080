"""Slots: whoever hangs keeps what it has, and cannot take what is left."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bridge.lanes import Lane
from bridge.slots import Place, Slots

NODE = Place("node", 16, for_idle=4, from_retries=4, from_firsts=2)


def lane(number: int, host: str = "a", *, retry: bool = False) -> Lane:
    return Lane(number, "shop", host, retry=retry)


def places(lane: Lane) -> Sequence[Place]:
    return (NODE, Place(lane.key, 8, for_idle=1, from_retries=2))


def test_the_tightest_place_decides() -> None:
    slots = Slots(places)
    slots.take(lane(1))
    assert slots.room(lane(1)) == 6  # of the host's eight one is kept, and one is taken
    slots.take(lane(2, "b"), 6)
    slots.take(lane(3, "c"), 3)
    assert [slots.held_by(lane(number)) for number in (1, 2, 3, 4)] == [1, 6, 3, 0]
    assert slots.room(lane(1)) == 2  # of the node's sixteen four are kept


def test_a_lane_with_nothing_in_flight_finds_one_more() -> None:
    """Others hang at the same host, or anywhere; one's own request still goes out."""
    slots = Slots(places)
    slots.take(lane(1), 7)
    assert slots.room(lane(1)) == 0
    assert slots.room(lane(2)) == 1
    slots.take(lane(2))
    assert slots.room(lane(2)) == slots.room(lane(3)) == 0


def test_a_lanes_first_attempts_do_not_keep_its_retries_from_their_one() -> None:
    """And its retries do not hold it against its first attempts."""
    for retry in (False, True):
        slots = Slots(places)
        while room := slots.room(lane(1, retry=retry)):
            slots.take(lane(1, retry=retry), room)
        assert slots.room(lane(1, retry=not retry)) >= 1


def test_retries_leave_room_for_first_attempts_and_the_other_way_round() -> None:
    slots = Slots(lambda _: (NODE,))
    for number in range(20):
        slots.take(lane(number, retry=True), slots.room(lane(number, retry=True)))
    assert slots.room(lane(90, retry=True)) == 0
    assert slots.room(lane(91)) == 1
    slots = Slots(lambda _: (NODE,))
    for number in range(20):
        slots.take(lane(number), slots.room(lane(number)))
    assert slots.room(lane(90)) == 0
    assert slots.room(lane(91, retry=True)) == 1


def test_who_stands_behind_leaves_slots_to_the_others_of_its_kind() -> None:
    """However many such lanes hang, each with its first."""
    slots = Slots(lambda _: (NODE,))
    for number in range(20):
        behind = Lane(number, "shop", "a", retry=True, behind=True)
        slots.take(behind, slots.room(behind))
    assert slots.room(Lane(90, "shop", "a", retry=True, behind=True)) == 0
    retries = [slots.room(lane(number, retry=True)) for number in (91, 92)]
    assert retries == [4, 4]
    assert slots.room(lane(93)) == 4


def test_what_is_granted_fits_together() -> None:
    """Each lane alone could have seven; the node has twelve for them."""
    slots = Slots(places)
    wanted = [(lane(number, host), 7) for number, host in enumerate("abcd")]
    granted = [(one.key, count) for one, count in slots.grant(wanted)]
    assert granted == [("a", 7), ("b", 3), ("c", 1), ("d", 1)]
    assert slots.grant(wanted) == slots.grant(wanted), "nothing was taken"


def test_each_lane_has_one_before_any_has_two() -> None:
    """Nobody knows yet whether there is more than one of it to begin."""
    wanted = [(lane(number, f"host-{number}"), 7) for number in range(14)]
    assert [count for _, count in Slots(places).grant(wanted)] == [1] * 14


def test_who_stands_behind_has_its_one_after_the_others_have_all() -> None:
    slots = Slots(lambda _: (NODE,))
    behind = Lane(1, "shop", "a", retry=True, behind=True)
    few = [(lane(2, "b", retry=True), 5)]
    assert slots.grant([*few, (behind, 5)]) == [*few, (behind, 3)]
    many = [*few, (lane(3, "c", retry=True), 5), (lane(4, "d", retry=True), 5)]
    assert slots.grant([*many, (behind, 5)]) == slots.grant(many)


def test_what_comes_first_has_all_of_it_before_what_is_granted_beside() -> None:
    slots = Slots(places)
    firsts = slots.grant([(lane(1, "a"), 7), (lane(2, "b"), 7)])
    retries = [(lane(number, host, retry=True), 7) for number, host in enumerate("cdef")]
    assert [count for _, count in firsts] == [7, 5]
    assert [count for _, count in slots.grant(retries, beside=firsts)] == [1, 1, 1, 1]


def test_a_bound_of_one_lets_one_through() -> None:
    slots = Slots(lambda _: (Place("node", 1, 1 // 4, 1 // 4, 1 // 8),))
    assert slots.room(lane(1)) == 1
    slots.take(lane(1))
    assert slots.room(lane(1)) == slots.room(lane(2)) == 0


ASKED = st.dictionaries(st.tuples(st.integers(0, 9), st.booleans()), st.integers(1, 9))


@given(ASKED, ASKED)
def test_nothing_is_granted_together_that_would_not_fit(
    first: dict[tuple[int, bool], int], second: dict[tuple[int, bool], int]
) -> None:
    """And nobody who is granted nothing could have had one beside all that was."""
    slots, granted = Slots(places), list[tuple[Lane, int]]()
    asked = [
        [
            (lane(number, "abc"[number % 3], retry=retry), count)
            for (number, retry), count in one
        ]
        for one in (first.items(), second.items())
    ]
    for wanted in asked:
        granted += slots.grant(wanted, beside=granted)
    for one, count in granted:
        slots.take(one, count)
    hosts = Counter[str]()
    for one, count in granted:
        hosts[one.key] += count
    assert all(count <= 8 for count in hosts.values())
    assert hosts.total() <= 16
    left_out = {one for wanted in asked for one, _ in wanted} - {one for one, _ in granted}
    assert not any(slots.room(one) for one in left_out)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(1, 9))))
def test_no_bound_is_ever_passed(asked: list[tuple[int, bool, int]]) -> None:
    """Whatever comes, in whatever order; and what is given back is free again."""
    slots, held = Slots(places), Counter[Lane]()
    for number, retry, count in asked:
        wanted = lane(number, "abc"[number % 3], retry=retry)
        for one, granted in slots.grant([(wanted, count)]):
            slots.take(one, granted)
            held[one] += granted
    hosts = Counter[str]()
    for one, count in held.items():
        hosts[one.key] += count
    assert all(count <= 8 for count in hosts.values())
    assert hosts.total() <= 16
    for one, count in held.items():
        slots.give_back(one, count)
    assert slots.room(lane(1)) == 7
