"""Steps of a replay of many under an Idempotency-Key.

It takes many transactions. How far it has come is remembered with the key, and is written
in each of them: a repeat goes on there, whatever has become of what was taken before.
"""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from bridge.errors import RequestError
from bridge.model import IdempotencyKey
from bridge.store.box import Box
from bridge.store.remembering import place, recall, remember
from bridge.store.replaying import BEGINNING, After, replay
from bridge.store.steps import Step, ask

AGAIN_S = 1.0


class Kept(NamedTuple):
    """Under what it is remembered."""

    client: str
    used: IdempotencyKey


class Progress(NamedTuple):
    """`state`: the number of that which was asked for; `after`: the last chosen of it."""

    began_at: float
    taken: int = 0
    chosen: int = 0  # of a limit; not each of them was taken
    state: int = 0
    after: After = BEGINNING
    left: tuple[int, ...] = ()  # of the last chunk: those that others were at
    ended: bool = False


def begin(box: Box, kept: Kept, *, now: float) -> Step[Progress]:
    """How far the first request under the key has come: nowhere, if it is this one."""
    known = yield from recall(box, *kept, now=now)
    if known is not None:
        return read(known.about)
    progress = Progress(now)
    yield from remember(box, *kept, written(progress), now=now)
    return progress


def go_on(
    box: Box,
    kept: Kept,
    so_far: Progress,
    then: Progress,
    ids: Sequence[int],
    *,
    state: str,
    shared: bool,
    now: float,
) -> Step[Progress]:
    """Replay a chunk, after which it has come to `then`; what others are at is `left`."""
    yield from own(box, kept, so_far)
    owed = yield from replay(ids, state, began_at=so_far.began_at, now=now)
    left = tuple(sorted(set(ids) - owed)) if shared else ()
    done = then._replace(taken=so_far.taken + len(owed), left=left)
    return (yield from note(box, kept, done))


def wait_for_left(
    box: Box, kept: Kept, so_far: Progress, state: str, *, now: float
) -> Step[Progress]:
    """Replay one of those that were left, when whoever is at it is done."""
    yield from own(box, kept, so_far)
    first, *left = so_far.left
    began_at = so_far.began_at
    owed = yield from replay([first], state, began_at=began_at, now=now, wait=True)
    done = so_far._replace(taken=so_far.taken + len(owed), left=tuple(left))
    return (yield from note(box, kept, done))


def end(box: Box, kept: Kept, so_far: Progress) -> Step[Progress]:
    yield from own(box, kept, so_far)
    return (yield from note(box, kept, so_far._replace(ended=True)))


def own(box: Box, kept: Kept, so_far: Progress) -> Step[None]:
    """Nobody else goes on meanwhile. Raises RequestError if somebody has: through another
    node, while this request was taken to be lost.
    """
    for row in (yield ask("lock_key", **place(box, *kept))):
        if row["subscription_key"] == written(so_far):
            return
    raise RequestError(
        "idempotency_in_flight",
        "another request with this Idempotency-Key goes on with it",
        retry_after_s=AGAIN_S,
    )


def note(box: Box, kept: Kept, done: Progress) -> Step[Progress]:
    yield ask("note_progress", progress=written(done), **place(box, *kept))
    return done


def written(progress: Progress) -> str:
    """
    >>> read(written(Progress(1.5, 2, after=After(0.25, 7)))).after
    After(made_at=0.25, id=7)
    """
    plain = progress._asdict() | {"after": list(progress.after)}
    return orjson.dumps(plain).decode()


def read(text: str) -> Progress:
    plain = orjson.loads(text)
    after, left = After(*plain["after"]), tuple(plain["left"])
    return Progress(**plain | {"after": after, "left": left})
