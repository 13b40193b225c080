"""Steps that read what was added of late, for those who listen."""

from collections.abc import Sequence
from typing import NamedTuple

from bridge.store.box import Box, opened
from bridge.store.steps import Step, ask

PAGE = 1_000  # of marks; narrow rows of one index


class Mark(NamedTuple):
    """An event's place among all. Equal times are told apart by the others."""

    at: float
    subscription_id: int = 0
    sequence: int = -1
    client: str = ""  # whose it is; notices to the operator are nobody's

    @property
    def key(self) -> tuple[int, int]:
        return self.subscription_id, self.sequence


class News(NamedTuple):
    mark: Mark
    body: bytes  # the event's JSON


def new_events(after: Mark) -> Step[Sequence[Mark]]:
    rows = yield ask(
        "new_events",
        at=after.at,
        subscription_id=after.subscription_id,
        sequence=after.sequence,
        limit=PAGE,
    )
    return [
        Mark(row["at"], row["subscription_id"], row["sequence"], row["client"])
        for row in rows
    ]


def event_news(box: Box, marks: Sequence[Mark]) -> Step[Sequence[News]]:
    found: list[News] = []
    for mark in marks:
        rows = yield ask(
            "event_body", subscription_id=mark.subscription_id, sequence=mark.sequence
        )
        for row in rows:
            body = opened(box.open_body, row["body"])
            if body is not None:
                found.append(News(mark, body))
    return found
