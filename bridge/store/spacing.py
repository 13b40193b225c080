"""When the watches of one credential are asked next, and how long its clients wait."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import orjson

from bridge.cadence import CLOSING_PAUSE_MAX_S, Stretch, stretched
from bridge.store.steps import Row

NONE = Stretch()
FORGOTTEN = 1.01  # a stretch that is less is none
HINTED_LOOK_S = 1.0  # a hinted task waits so long for the poll of it that is under way


class Pace(Protocol):
    """When to ask about a task again, by what is known of such tasks."""

    def gap_s(
        self, provider: str, model: str | None, age_s: float, stretch: float = 1.0
    ) -> float: ...

    def waited(
        self, provider: str, model: str | None, since_s: float, until_s: float
    ) -> float:
        """How many polls would have been due between two ages."""


class Spacing:
    """When watches of one credential are asked next, and how long its clients wait."""

    def __init__(
        self, pace: Pace, stretches: Mapping[str, Sequence[float]], now: float
    ) -> None:
        self._pace, self.now = pace, now
        self._stretches = {share: Stretch(*each) for share, each in stretches.items()}

    def next_at(self, row: Row) -> float:
        gap_s = self._gap_s(row, self.stretch(row))
        if row["closing_at"] is not None:  # a last answer is waited for
            gap_s = min(gap_s, CLOSING_PAUSE_MAX_S)
        return self.now + gap_s

    def _gap_s(self, row: Row, stretch: float) -> float:
        age_s = self.now - row["born_at"]
        return self._pace.gap_s(row["provider"], row["model"], age_s, stretch)

    def _waited(self, row: Row) -> float:
        since_s = (row["polled_at"] or row["created_at"]) - row["born_at"]
        until_s = self.now - row["born_at"]
        return self._pace.waited(row["provider"], row["model"], since_s, until_s)

    def early(self, row: Row) -> bool:
        """Its first poll was placed before anybody knew that all have to wait. Where there
        are two polls for a task, the first of them is half of what can be spent on it.
        """
        if row["polled_at"] is not None or row["hinted_at"] is not None or row["failures"]:
            return False
        return row["closing_at"] is None and self._waited(row) < self.stretch(row) - 1

    def again_at(self, row: Row) -> float:
        """Of one whose answer is still awaited; soon, if there was a hint meanwhile. Of one
        that is too early, when it has waited as long as the others.
        """
        if row["polled_at"] is None:
            left = self.stretch(row) - self._waited(row)
            return self.now + self._gap_s(row, left)
        if row["hinted_at"] is not None and row["hinted_at"] >= (row["polled_at"] or 0.0):
            return self.now + HINTED_LOOK_S
        return self.next_at(row)

    def stretch(self, row: Row) -> float:
        return self._stretches.get(str(row["share"]), NONE).now(self.now)

    def asked(self, row: Row, *, short: bool) -> None:
        """`short`: others were due as well, and have to wait for the rate limit."""
        if row["failures"] or not (short or self._stretches):
            return  # a pause after a failure says nothing of the limit
        stretch = stretched(self.stretch(row), self._waited(row), short=short)
        self._stretches[str(row["share"])] = Stretch(stretch, self.now)

    def written(self) -> str:
        kept = {
            share: (round(each.factor, 3), round(each.at, 3))
            for share, each in self._stretches.items()
            if each.now(self.now) > FORGOTTEN
        }
        return orjson.dumps(kept).decode()
