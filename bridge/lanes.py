"""Which lanes may work now, and how much of it each. Pure.

A lane is a queue that is slow, paused or refused as one: a credential's polls, or one
client's deliveries to one host. Work is claimed lane by lane, so that a thousand rows
waiting in one never stand before a single row of another. There may be very many lanes, so
only those with work due are looked at, and of one owner only the first few.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field

LOOK = 64  # ready lanes of one owner to look at, beside those that are busy already
# What is to be first is said to be late by more: a last look by a day, an attempt by hand
# by centuries. It is no lateness.
SAID_S = 80_000.0


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that has work scheduled.

    `owner` is whose it is (a provider, a client), `key` what else is limited together (a
    provider, a host). A client's first attempts and its retries are two lanes of one id.
    """

    id: int
    owner: str
    key: str
    ready_at: float = 0.0  # when there is work due, no pause, and budget for one request
    probing: int = 0  # so many at a time, to see whether it works again; 0: any number
    retry: bool = False
    behind: bool = False  # others come first, and find slots that it leaves them
    proven: bool = (
        True  # somebody answered lately; else it may hold few of its owner's slots
    )

    @property
    def place(self) -> tuple[int, bool]:
        return self.id, self.retry


Side = tuple[
    str, int
]  # an owner, and which of its lanes: 0 first ones, 1 retries, 2 behind


@dataclass(frozen=True, slots=True)
class Window:
    """How many ready lanes of each owner to look at: none of one who may begin nothing.

    Lanes that are busy may have no room left: the window is as much wider, so that whoever
    waits behind them is seen. Those to a host that is full are not looked at at all, for
    there may be any number of them; nor are any but those to some hosts, where only these
    have room; nor, where all hosts are looked at, lanes that are probed by as many as may.
    """

    busy: Mapping[str, int] = field(default_factory=dict)  # lanes at most, by owner
    closed: frozenset[Side] = frozenset()
    known: Container[str] | None = None  # owners to look at; None: all there are
    full: Mapping[int, Collection[str]] = field(default_factory=dict)  # hosts, by rank
    full_for: Mapping[Side, Collection[str]] = field(
        default_factory=dict
    )  # … for one alone
    only: Mapping[Side, Collection[str]] = field(default_factory=dict)  # hosts with room
    probed: Mapping[str, Collection[int]] = field(default_factory=dict)  # lanes, by owner

    def of(self, side: Side) -> int:
        if side in self.closed or (self.known is not None and side[0] not in self.known):
            return 0
        return LOOK + self.busy.get(side[0], 0)

    def full_of(self, side: Side) -> set[str]:
        """Hosts that are full for an owner, whoever filled them."""
        return {*self.full.get(side[1], ()), *self.full_for.get(side, ())}


@dataclass(frozen=True, slots=True)
class Ready:
    """The lanes with work due now, of each owner those that wait longest."""

    lanes: Sequence[Lane]
    clipped: frozenset[Side]  # whose are more of them than were looked at
    next_at: float | None  # when the next lane will be ready


def wait_s(
    ready: Ready,
    moved: Mapping[tuple[int, bool], float | None],
    *,
    now: float,
    has_room: Callable[[Lane], bool],
    open_to: Callable[[Side], bool],
) -> float | None:
    """Seconds until there may be more to claim; None: nothing is scheduled.

    `moved` says when lanes that were claimed from will be ready again. What waits for a
    free slot needs no time: whoever frees one looks again. `open_to` says whether there is
    room for a lane that is not busy.
    """
    if any(map(open_to, ready.clipped)):
        return 0.0
    times = [moved.get(lane.place, lane.ready_at) for lane in ready.lanes if has_room(lane)]
    soonest = min((at for at in (*times, ready.next_at) if at is not None), default=None)
    return None if soonest is None else max(soonest - now, 0.0)


def share(
    lanes: Sequence[Lane], free: int, room: Callable[[Lane], int]
) -> list[tuple[Lane, int]]:
    """Split `free` slots evenly among `lanes`, none above its own `room`.

    Lanes that want little leave the rest to the others; what does not divide goes to
    those that come first, so in order of waiting nobody is passed over for ever.

    >>> a, b, c = (Lane(n, "x", "x") for n in range(3))
    >>> shares = share([a, b, c], 9, lambda lane: 2 if lane is a else 9)
    >>> [(lane.id, count) for lane, count in shares]
    [(0, 2), (1, 4), (2, 3)]
    """
    rooms = [max(room(lane), 0) for lane in lanes]
    left, level, wanting = max(free, 0), 0, len(rooms)
    for most in sorted(rooms):
        level = left // wanting
        if most > level:
            break
        left, wanting = left - most, wanting - 1
    extra = left - level * wanting
    shares: list[tuple[Lane, int]] = []
    for lane, most in zip(lanes, rooms, strict=True):
        count = min(most, level)
        if count < most and extra:
            count, extra = count + 1, extra - 1
        if count:
            shares.append((lane, count))
    return shares
