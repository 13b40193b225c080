"""Steps that read one subscription's whole story: polls, updates, end, attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.model import Attempt, Delivery, Subscription
from bridge.store import history
from bridge.store.box import Box, opened
from bridge.store.reading import NEWEST, delivery_of, log_of, subscription_of
from bridge.store.steps import Step, ask

UPDATES, DELIVERIES = 50, 50
ATTEMPTS = 20  # of each delivery; each of these can be read with more of them
ANSWERS_BYTES = 256 * 1024  # of all receivers' answers; older ones are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A step that was told before the end."""

    at: float
    status: str | None
    progress: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Of each list the newest, oldest of these first."""

    subscription: Subscription
    polls: int  # of its task, for whomever
    updates: Sequence[Update]
    deliveries: Sequence[Delivery]  # with their attempts
    seen: Sequence[history.Seen]  # by the first poll since it was made, and what changed
    finished_at: float | None  # when it ended or was stopped
    cut: bool  # there are more updates, deliveries or answers


def read_timeline(box: Box, key: str, client: str | None) -> Step[Timeline | None]:
    for found in (yield ask("find_subscription", key=key, client=client)):
        [row] = yield ask("view_subscription", subscription_id=found["id"])
        subscription = yield from subscription_of(box, row)
        polls = row["polls"] if row["claim_no"] is None else row["claim_no"]
        updates = yield from updates_of(box, found["id"])
        newest = yield from deliveries_of(box, found["id"])
        deliveries, unanswered = within(newest[:DELIVERIES], ANSWERS_BYTES)
        return Timeline(
            subscription=subscription,
            polls=polls,
            updates=updates[:UPDATES][::-1],
            deliveries=deliveries[::-1],
            seen=history.lines(row["seen"], subscription.created_at),
            finished_at=row["finished_at"],
            cut=len(updates) > UPDATES or len(newest) > DELIVERIES or unanswered,
        )
    return None


def updates_of(box: Box, subscription_id: int) -> Step[list[Update]]:
    rows = yield ask("updates_of", subscription_id=subscription_id, limit=UPDATES + 1)
    found: list[Update] = []
    for row in rows:
        event = opened(box.open_event, row["body"])
        told = event["data"] if event else {}
        found.append(
            Update(at=row["at"], status=told.get("status"), progress=told.get("progress"))
        )
    return found


def deliveries_of(box: Box, subscription_id: int) -> Step[list[Delivery]]:
    rows = yield ask(
        "page_of_subscription",
        subscription_id=subscription_id,
        state=None,
        host=None,
        since=None,
        until=None,
        before=NEWEST,
        limit=DELIVERIES + 1,
    )
    found: list[Delivery] = []
    for row in rows:
        [seen] = yield ask("view_delivery", delivery_id=row["id"])
        log = yield from log_of(box, row["id"], ATTEMPTS)
        found.append(delivery_of(box, seen, log))
    return found


def within(deliveries: Sequence[Delivery], most: int) -> tuple[list[Delivery], bool]:
    """The same, newest first, with so many bytes of answers; whether some are missing."""
    kept: list[Delivery] = []
    left, missing = most, False
    for delivery in deliveries:
        log: list[Attempt] = []
        for attempt in reversed(delivery.log):
            left -= len(attempt.answer)
            fits = left >= 0 or not attempt.answer
            missing = missing or not fits
            log.append(attempt if fits else replace(attempt, answer=b""))
        kept.append(replace(delivery, log=tuple(reversed(log))))
    return kept, missing
