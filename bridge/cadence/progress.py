"""When a task that tells its progress will end: a straight line, where it is one. Pure.

Many gateways make their figures up (10 % accepted, 30 % begun, 100 % done). So a line is
believed only if two figures of one task lie on it, and the start as well.
"""

from typing import NamedTuple

LIKE = 1.3  # by how much the two predictions may differ
DONE = 100
STEP = 5  # between two figures of a line: they are rounded


class Pace(NamedTuple):
    """A figure, in percent, and when a poll last saw it."""

    progress: int
    at: float


def remaining_s(now: Pace, before: Pace, born_at: float) -> float | None:
    """Seconds from now to the end, or None where that cannot be told.

    >>> remaining_s(Pace(50, 60.0), Pace(25, 30.0), 0.0)
    60.0
    >>> remaining_s(Pace(30, 60.0), Pace(10, 2.0), 0.0) is None  # it has jumped
    True
    """
    if not before.progress < now.progress < DONE or not born_at < before.at < now.at:
        return None
    left = DONE - now.progress
    by_all = left * (now.at - born_at) / now.progress
    by_last = left * (now.at - before.at) / (now.progress - before.progress)
    if not 1 / LIKE <= by_last / by_all <= LIKE:
        return None
    return (by_all + by_last) / 2


def following(before: Pace | None, progress: int | None, now: float) -> Pace | None:
    """The figure to hold the next one against: far enough from it, or the first of all.

    >>> following(Pace(10, 5.0), 12, 6.0), following(Pace(10, 5.0), 20, 9.0).progress
    (Pace(progress=10, at=5.0), 20)
    """
    if progress is None or (before and 0 <= progress - before.progress < STEP):
        return before
    return Pace(progress, now)
