"""What has been seen of the durations of one kind of task: ends, and time under watch.

Each poll that shows a task still running, and each that shows its end, says over which ages
it was watched and in which of them it ended. Tasks that are unfinished, that timed out or
that nobody waited for any longer count for as long as they were watched (censored), and so
does one that was old when we first heard of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import erfc, log, sqrt
from typing import Any, Self

from bridge.cadence.ages import COUNT, EDGES, WIDTHS, bucket

MEMORY = 1_000.0  # ends after which an older one counts for 1/e
FORGOTTEN = 1e-6  # what counts for less is not kept


@dataclass(slots=True)
class History:
    """By age: `ends`, and the seconds for which tasks of that age were watched. `count` is
    how many ends there ever were, the forgotten ones as well.
    """

    ends: list[float] = field(default_factory=lambda: [0.0] * COUNT)
    watched_s: list[float] = field(default_factory=lambda: [0.0] * COUNT)
    count: float = 0.0

    @property
    def tasks(self) -> float:
        """How many ends there is evidence of, older ones counting for less."""
        return sum(self.ends)

    def ran(self, since_s: float, until_s: float) -> None:
        """A task has been seen to run from one age to another."""
        for index, share in overlap(since_s, until_s):
            self.watched_s[index] += share

    def ended(self, since_s: float, until_s: float) -> None:
        """A task that ran at the first age had ended at the second."""
        self.count += 1
        middle_s = (since_s + until_s) / 2
        self.ran(since_s, middle_s)
        length_s = until_s - since_s
        if length_s <= 0:
            self.ends[bucket(until_s)] += 1
            return
        for index, share in overlap(since_s, until_s):
            self.ends[index] += share / length_s

    def add(self, news: "History") -> None:
        """Take in what was seen since; what is older counts for a little less."""
        self.count += news.count
        kept = (1 - 1 / MEMORY) ** news.tasks
        self.ends = [kept * a + b for a, b in zip(self.ends, news.ends, strict=True)]
        self.watched_s = [
            kept * a + b for a, b in zip(self.watched_s, news.watched_s, strict=True)
        ]

    def written(self) -> dict[str, Any]:
        """As it is kept: triples of bucket, ends and seconds, where there are any."""
        rows = zip(self.ends, self.watched_s, strict=True)
        kept = [
            [index, round(ends, 6), round(watched_s, 3)]
            for index, (ends, watched_s) in enumerate(rows)
            if ends > FORGOTTEN or watched_s > FORGOTTEN
        ]
        return {"count": round(self.count, 3), "buckets": kept}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """What `written` gave. Buckets of another program are passed over."""
        history = cls(count=kept["count"])
        for index, ends, watched_s in kept["buckets"]:
            if 0 <= index < COUNT:
                history.ends[int(index)] = ends
                history.watched_s[int(index)] = watched_s
        return history


def overlap(since_s: float, until_s: float) -> Iterator[tuple[int, float]]:
    """The buckets between two ages, and the seconds in each.

    >>> [(index, round(share, 3)) for index, share in overlap(0.1, 0.55)]
    [(0, 0.43), (1, 0.02)]
    """
    since_s = max(since_s, 0.0)
    if until_s <= since_s:
        return
    index = bucket(since_s)
    while index < COUNT - 1 and EDGES[index + 1] < until_s:
        yield index, EDGES[index + 1] - since_s
        since_s = EDGES[index + 1]
        index += 1
    yield index, until_s - since_s


def supposed(median_s: float, tasks: float, spread: float = 1.2) -> History:
    """As if so many tasks had been watched to their ends, lognormal around a median.

    A `spread` of 1.2 says little: one of three takes over three times as long, or under a
    third.
    """
    history, alive = History(), 1.0
    for index, (edge, width) in enumerate(zip(EDGES[1:], WIDTHS, strict=True)):
        left = erfc(log(edge / median_s) / spread / sqrt(2)) / 2
        history.ends[index] = tasks * (alive - left)
        history.watched_s[index] = tasks * (alive + left) / 2 * width
        alive = left
    return history
