"""Who may begin another request to somebody else's server, and how many. Without I/O.

Slots are bounded in several places at once (the node, a client or provider, a host), as any
of these may hang and then holds what it has for a whole timeout. So the last slots of a
place are not for everybody: some are kept for lanes with nothing in flight, one for each,
some from retries and some from first attempts. Whoever else works always finds one; a
lane's first attempts and its retries are two in this. Lanes that stand behind others of
their kind leave those that are kept for the idle, be they idle.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from bridge.lanes import Lane

K = TypeVar("K")


class Place(NamedTuple):
    """`most` slots, of which so many are kept for some or from some."""

    key: Hashable
    most: int
    for_idle: int = 0  # for lanes that have nothing in flight
    from_retries: int = 0
    from_firsts: int = 0

    def barred(self, retry: bool) -> int:
        return self.from_retries if retry else self.from_firsts


class Slots:
    """What is in flight. `places` gives where a lane's requests take a slot each."""

    def __init__(self, places: Callable[[Lane], Sequence[Place]]) -> None:
        self._places = places
        self._taken: Counter[tuple[Hashable, bool]] = Counter()  # by place, retries apart
        self._held: Counter[int] = Counter()  # by lane
        self._sides: Counter[tuple[int, bool]] = Counter()  # … its retries apart

    def held_by(self, lane: Lane) -> int:
        return self._held[lane.id]

    def take(self, lane: Lane, count: int = 1) -> None:
        self._held[lane.id] += count
        self._sides[lane.place] += count
        for place in self._places(lane):
            self._taken[place.key, lane.retry] += count

    def give_back(self, lane: Lane, count: int = 1) -> None:
        """What nobody holds any more leaves no trace: there are hosts without number."""
        less(self._held, lane.id, count)
        less(self._sides, lane.place, count)
        for place in self._places(lane):
            less(self._taken, (place.key, lane.retry), count)

    def room(self, lane: Lane) -> int:
        """How many requests of `lane` may begin now."""
        places, retry, behind = self._places(lane), lane.retry, lane.behind
        room = min(
            self.left(place, retry=retry, behind=behind, kept=place.for_idle)
            for place in places
        )
        if room < 1 and not self._sides[lane.place] and not behind:
            room = min(1, *(self.left(place, retry=retry) for place in places))
        return max(room, 0)

    def left(
        self, place: Place, *, retry: bool, behind: bool = False, kept: int = 0
    ) -> int:
        """How many more of one place, of which so many are kept from the lane."""
        taken = self._taken.get
        same, other = taken((place.key, retry), 0), taken((place.key, not retry), 0)
        barred = place.barred(retry) + (place.for_idle if behind else 0)
        return place.most - same - max(other + kept, barred)

    def grant(
        self, wanted: Sequence[tuple[Lane, int]], beside: Iterable[tuple[Lane, int]] = ()
    ) -> list[tuple[Lane, int]]:
        """What of this may begin together, `beside` what else is to begin.

        Each lane has one before any has two, as it may have no more than that to begin,
        which nobody knows yet; then those that come first go first, and those that stand
        behind in their turn. Nothing is taken.
        """
        with self._reserved() as take:
            for lane, count in beside:
                take(lane, count)
            counts = Counter[Lane]()
            for lane, _ in wanted:
                if not lane.behind:
                    counts[lane] = take(lane, min(1, self.room(lane)))
            for lane, count in wanted:
                if more := count - counts[lane]:
                    counts[lane] += take(lane, min(more, self.room(lane)))
        return [(lane, counts[lane]) for lane, _ in wanted if counts[lane]]

    @contextmanager
    def _reserved(self) -> Iterator[Callable[[Lane, int], int]]:
        """What is taken meanwhile is given back in the end."""
        taken: list[tuple[Lane, int]] = []

        def take(lane: Lane, count: int) -> int:
            if count:
                self.take(lane, count)
                taken.append((lane, count))
            return count

        try:
            yield take
        finally:
            for lane, count in taken:
                self.give_back(lane, count)


def less(counter: Counter[K], key: K, count: int) -> None:
    counter[key] -= count
    if not counter[key]:
        del counter[key]
