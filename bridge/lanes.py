"""Which lanes may work now, and how much of it each. Pure.

A lane is a queue that is slow, paused or refused as one: a credential's polls, or one
client's deliveries to one host. Work is claimed lane by lane, so that a thousand rows
waiting in one never stand before a single row of another.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that has work scheduled.

    `key` names what is limited together (a provider, a host); `owner` who it works for.
    """

    id: int
    key: str
    due_at: float  # its earliest row
    paused_until: float = 0.0
    probing: bool = False  # let one through, to see whether it works again
    retry: bool = False
    owner: str = ""

    @property
    def ready_at(self) -> float:
        return max(self.due_at, self.paused_until)


def ready(lanes: Iterable[Lane], now: float) -> list[Lane]:
    """The lanes with work due now, longest waiting first."""
    return sorted(
        (lane for lane in lanes if lane.ready_at <= now), key=lambda lane: lane.due_at
    )


def next_at(lanes: Iterable[Lane], now: float) -> float | None:
    """When the next lane that is not ready now will be."""
    return min((lane.ready_at for lane in lanes if lane.ready_at > now), default=None)


def share(
    lanes: Sequence[Lane], free: int, room: Callable[[Lane], int]
) -> list[tuple[Lane, int]]:
    """Split `free` slots evenly among `lanes`, none above its own `room`.

    Lanes that want little leave the rest to the others; what does not divide goes to
    those that come first, so in order of waiting nobody is passed over for ever.

    >>> a, b, c = (Lane(n, "x", due_at=float(n)) for n in range(3))
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
