"""Steps that read what was added of late, for those who listen."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from bridge.store.box import Box, opened
from bridge.store.steps import Step, ask, keys_of

PAGE = 1_000  # of marks; narrow rows of one index


class Mark(NamedTuple):
    """An event's place among all. Equal times are told apart by the others."""

    at: float
    subscription_id: int = 0
    sequence: int = -1

    @property
    def key(self) -> tuple[int, int]:
        return self.subscription_id, self.sequence


class News(NamedTuple):
    client: str  # whose it is; notices to the operator are nobody's
    body: bytes  # the event's JSON


def new_events(after: Mark) -> Step[Sequence[Mark]]:
    rows = yield ask(
        "new_events",
        at=after.at,
        subscription_id=after.subscription_id,
        sequence=after.sequence,
        limit=PAGE,
    )
    return [Mark(row["at"], row["subscription_id"], row["sequence"]) for row in rows]


def event_news(
    box: Box, marks: Sequence[Mark], clients: Collection[str] | None
) -> Step[Sequence[News]]:
    """Of these clients; None: of all. What was pruned meanwhile is left out."""
    ids = keys_of([mark.subscription_id for mark in marks])
    rows = yield ask("clients_of", ids=ids)
    owners = {row["id"]: row["client"] for row in rows}
    found: list[News] = []
    for mark in marks:
        client = owners.get(mark.subscription_id)
        if client is None or (clients is not None and client not in clients):
            continue
        place = {"subscription_id": mark.subscription_id, "sequence": mark.sequence}
        for row in (yield ask("event_body", **place)):
            body = opened(box.open_body, row["body"])
            if body is not None:
                found.append(News(client, body))
    return found
