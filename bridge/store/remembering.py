"""Steps of remembering what a request with an Idempotency-Key was answered with."""

from typing import NamedTuple

from bridge.errors import RequestError
from bridge.model import IdempotencyKey
from bridge.store.box import Box
from bridge.store.steps import Step, ask

REMEMBERED_S = 86_400.0


class Remembered(NamedTuple):
    about: str  # the key of what was made, or what else the answer was about
    created: bool  # False: the answer was that it had been there before


def recall(
    box: Box, client: str, used: IdempotencyKey, *, now: float
) -> Step[Remembered | None]:
    """None: this is the first request under the key. Raises RequestError if that was
    another one.
    """
    since = now - REMEMBERED_S
    for row in (yield ask("replayed", since=since, **place(box, client, used))):
        if row["body"] != box.fingerprints.of("idempotency-body", used.body):
            raise RequestError(
                "idempotency_key_reused",
                "this Idempotency-Key was used with another body; draw a new key",
            )
        return Remembered(row["subscription_key"], bool(row["created"]))
    return None


def remember(
    box: Box,
    client: str,
    used: IdempotencyKey,
    about: str,
    *,
    created: bool = True,
    now: float,
) -> Step[None]:
    where = place(box, client, used)
    yield ask("forget_key", before=now - REMEMBERED_S, **where)
    yield ask(
        "remember_key",
        body=box.fingerprints.of("idempotency-body", used.body),
        subscription_key=about,
        created=int(created),
        now=now,
        **where,
    )


def forget(box: Box, client: str, used: IdempotencyKey, *, now: float) -> Step[None]:
    """There is nothing left to answer with."""
    yield ask("forget_key", before=now, **place(box, client, used))


def place(box: Box, client: str, used: IdempotencyKey) -> dict[str, str | bytes]:
    key = box.fingerprints.of("idempotency-key", used.key)
    return {"client": client, "route": used.route, "key": key}
