"""Seals everything anew with the newest encryption key, a chunk at a time."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from bridge.store.box import Box, opened
from bridge.store.steps import Query, Row, Step, ask

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
    Place("sealed_hooks", "reseal_hook", "hook"),
    Place("sealed_answers", "reseal_answer", "answer"),
    Place("sealed_events", "reseal_event", "event"),
    Place("sealed_attempts", "reseal_attempt", "attempt"),
)


class Cursor(NamedTuple):
    """Where to go on: after this row of this place. `done` counts what was sealed anew,
    `lost` what does not open with any key.
    """

    place: int = 0
    after: int = 0
    sequence: int = -1
    done: int = 0
    lost: int = 0

    @property
    def finished(self) -> bool:
        return self.place == len(PLACES)


def rekey(box: Box, cursor: Cursor) -> Step[Cursor]:
    """One chunk. Call it with what it returned until that is finished."""
    place = PLACES[cursor.place]
    rows = yield ask(place.read, after=cursor.after, sequence=cursor.sequence, limit=CHUNK)
    stale = [row for row in rows if box.vault.stale(row["sealed"])]
    fresh = list(resealed(box, stale, place.place))
    if fresh:
        yield Query(place.write, fresh)
    done, lost = cursor.done + len(fresh), cursor.lost + len(stale) - len(fresh)
    if len(rows) < CHUNK:  # what is written after this is sealed with the newest key
        return Cursor(cursor.place + 1, done=done, lost=lost)
    last = rows[-1]
    return Cursor(cursor.place, last["id"], last["sequence"], done, lost)


def resealed(box: Box, rows: Iterable[Row], place: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        plain = opened(partial(box.vault.open, place=place), row["sealed"])
        if plain is not None:
            yield {
                "id": row["id"],
                "sequence": row["sequence"],
                "sealed": box.vault.seal(plain, place),
            }
