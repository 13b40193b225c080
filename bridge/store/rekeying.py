"""Seals everything anew with the newest encryption key, a chunk at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from bridge.store.box import Box, opened
from bridge.store.steps import Query, Step, ask

CHUNK = 500


class Place(NamedTuple):
    """A column of sealed bytes: how it is read in order, how written, where it opens."""

    read: str
    write: str
    place: str


PLACES = (
    Place("sealed_credentials", "reseal_credential", "credential"),
    Place("sealed_destinations", "reseal_destination", "destination"),
    Place("sealed_subscriptions", "reseal_subscription", "subscription"),
    Place("sealed_answers", "reseal_answer", "answer"),
    Place("sealed_events", "reseal_event", "event"),
    Place("sealed_attempts", "reseal_attempt", "attempt"),
)


class Cursor(NamedTuple):
    """Where to go on: after this row of this place. `done` counts what was sealed anew."""

    place: int = 0
    after: int = 0
    sequence: int = -1
    done: int = 0

    @property
    def finished(self) -> bool:
        return self.place == len(PLACES)


def rekey(box: Box, cursor: Cursor) -> Step[Cursor]:
    """One chunk. Call it with what it returned until that is finished."""
    place = PLACES[cursor.place]
    rows = yield ask(place.read, after=cursor.after, sequence=cursor.sequence, limit=CHUNK)
    stale = list(resealed(box, rows, place.place))
    if stale:
        yield Query(place.write, stale)
    done = cursor.done + len(stale)
    if len(rows) < CHUNK:  # what is written after this is sealed with the newest key
        return Cursor(cursor.place + 1, done=done)
    last = rows[-1]
    return Cursor(cursor.place, last["id"], last["sequence"], done)


def resealed(box: Box, rows: Any, place: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        if box.vault.stale(row["sealed"]):
            plain = opened(lambda sealed: box.vault.open(sealed, place), row["sealed"])
            if plain is None:
                continue
            yield {
                "id": row["id"],
                "sequence": row["sequence"],
                "sealed": box.vault.seal(plain, place),
            }
