"""Steps that read: subscriptions and deliveries as the API shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.messages.events import ENDS, expand
from bridge.messages.ids import END, message_id
from bridge.model import (
    Attempt,
    AttemptOutcome,
    Delivery,
    DeliveryState,
    DeliverySummary,
    LastPoll,
    Outcome,
    PollOutcome,
    Status,
    Subscription,
    SubscriptionState,
)
from bridge.receivers.hints import WAITS
from bridge.store.box import Box, opened
from bridge.store.rows import NO_EXTRAS, extras_of, hook_id
from bridge.store.steps import Row, Rows, Step, ask

NEWEST = 2**62  # an id above any other: where a list without a cursor begins
LOG = 100  # attempts of one delivery, the newest; how many there were is told as well


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFilter:
    """`client` None: all clients (the operator)."""

    client: str | None
    state: str | None = None
    status: str | None = None
    outcome: str | None = None
    provider: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and where the next begins; None at the end."""

    items: Sequence[Any]
    next_before: int | None


def read_subscription(box: Box, key: str, client: str | None) -> Step[Subscription | None]:
    for row in (yield ask("find_subscription", key=key, client=client)):
        return (yield from view_subscription(box, row["id"]))
    return None


def view_subscription(box: Box, subscription_id: int) -> Step[Subscription]:
    [row] = yield ask("view_subscription", subscription_id=subscription_id)
    return (yield from subscription_of(box, row))


def list_subscriptions(
    box: Box, wanted: SubscriptionFilter, *, limit: int, before: int = NEWEST
) -> Step[Page]:
    rows = yield from page_of_subscriptions(wanted, before, limit + 1)
    items: list[Subscription] = []
    for row in rows[:limit]:
        items += [(yield from view_subscription(box, row["id"]))]
    return Page(items, rows[limit - 1]["id"] if len(rows) > limit else None)


def page_of_subscriptions(
    wanted: SubscriptionFilter, before: int, limit: int
) -> Step[Rows]:
    """Ids, by the narrowest index there is for what is wanted."""
    filters = {
        "status": wanted.status,
        "outcome": wanted.outcome,
        "provider": wanted.provider,
        "before": before,
        "limit": limit,
    }
    client, task_id = wanted.client, wanted.task_id
    if task_id is not None:
        narrow = {"task_id": task_id, "state": wanted.state}
        return (yield ask("page_of_task", client=client, **narrow, **filters))
    if client is None:
        return (yield ask("page_of_all", state=wanted.state, **filters))
    if wanted.state is None:
        return (yield ask("page_of_client", client=client, **filters))
    return (yield ask("page_of_client_state", client=client, state=wanted.state, **filters))


def subscription_of(box: Box, row: Row) -> Step[Subscription]:
    ended = row["state"] == SubscriptionState.ENDED
    event = opened(box.open_event, row["event"])
    destination = opened(box.open_destination, row["destination"])
    extras = opened(partial(extras_of, box), row["sealed"]) or NO_EXTRAS
    delivery = yield from summary_of(row)
    return Subscription(
        id=f"sub_{row['key']}",
        client=row["client"],
        provider=row["provider"],
        task_id=row["task_id"],
        callback_url=destination.shown if destination else None,
        events=tuple(row["events"].split(" ")),
        metadata=extras["metadata"],
        state=SubscriptionState(row["state"]),
        status=row["status"] and Status(row["status"]),
        outcome=row["outcome"] and Outcome(row["outcome"]),
        progress=event["data"]["progress"] if event else row["progress"],
        event=event,
        created_at=row["created_at"],
        deadline_at=row["deadline_at"],
        ended_at=row["finished_at"] if ended else None,
        last_poll=last_poll_of(row),
        next_poll_at=next_poll_at(row),
        delivery=delivery,
        trace=extras.get("trace"),
    )


def next_poll_at(row: Row) -> float | None:
    """Not before its credential's pause is over."""
    if row["state"] != SubscriptionState.ACTIVE or row["next_at"] is None:
        return None
    return max(float(row["next_at"]), float(row["paused_until"]))


def last_poll_of(row: Row) -> LastPoll | None:
    """The claims of a watch are its polls; all since the outcome changed came to it."""
    if row["poll_outcome"] is None:
        return None
    scheduled = row["claim_no"] is not None
    polls = row["claim_no"] if scheduled else row["polls"]
    at = row["polled_at"] if scheduled else row["last_polled_at"]
    return LastPoll(
        at=at or row["outcome_since"],
        outcome=PollOutcome(row["poll_outcome"]),
        http_status=row["http_status"],
        detail=row["detail"],
        since=row["outcome_since"],
        count=max(polls - row["outcome_from"] + 1, 1),
    )


def summary_of(row: Row) -> Step[DeliverySummary]:
    if row["destination_id"] is None:
        return DeliverySummary(id=None, state=DeliveryState.NONE)
    told = row["event"] is not None or row["updates"] > 0
    newest = ask("newest_delivery", subscription_id=row["id"])
    for delivery in (yield newest) if told else ():
        return DeliverySummary(
            id=message_id(f"sub_{row['key']}", delivery["sequence"]),
            state=DeliveryState(delivery["state"]),
            attempts=delivery["attempts"],
            last_outcome=delivery["last_outcome"]
            and AttemptOutcome(delivery["last_outcome"]),
            hint=hint_of(delivery),
            next_attempt_at=next_attempt_at(delivery),
        )
    return DeliverySummary(id=message_id(f"sub_{row['key']}", END), state=state_before(row))


def state_before(row: Row) -> DeliveryState:
    """Of a delivery that is not yet made, as nothing has been told."""
    if row["state"] == SubscriptionState.STOPPED:
        return DeliveryState.STOPPED
    if expand(row["events"].split(" ")).isdisjoint(ENDS):
        return DeliveryState.FILTERED
    return DeliveryState.WAITING if row["gone_at"] is None else DeliveryState.GONE


def read_delivery(
    box: Box, key: str, sequence: int, client: str | None, hook: str = ""
) -> Step[Delivery | None]:
    rows = yield ask("find_delivery", key=key, sequence=sequence, hook=hook, client=client)
    for found in rows:
        [row] = yield ask("view_delivery", delivery_id=found["id"])
        return delivery_of(box, row, (yield from log_of(box, found["id"])))
    return None


def log_of(
    box: Box, delivery_id: int, most: int | None = None
) -> Step[tuple[Attempt, ...]]:
    """Its newest attempts, oldest first."""
    rows = yield ask("attempts", delivery_id=delivery_id, limit=most or LOG)
    return tuple(attempt_of(box, row) for row in reversed(rows))


def delivery_of(box: Box, row: Row, log: tuple[Attempt, ...] = ()) -> Delivery:
    subscription_id = f"sub_{row['key']}"
    destination = opened(box.open_destination, row["destination"])
    return Delivery(
        id=message_id(subscription_id, row["sequence"], hook_id(row)),
        subscription_id=subscription_id,
        hook_id=hook_id(row),
        client=row["client"],
        type=row["type"],
        callback_url=destination.shown if destination else None,
        host=row["host"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        last_outcome=row["last_outcome"] and AttemptOutcome(row["last_outcome"]),
        hint=hint_of(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        next_attempt_at=next_attempt_at(row),
        last_http_status=row["last_http_status"],
        given_up_at=row["given_up_at"],
        log=log,
    )


def hint_of(row: Row) -> str | None:
    """Of a delivery: what its last attempt taught, and why it waits if its host does."""
    resting = row["opened_at"] is not None and DeliveryState(row["state"]).pending
    words = (row["hint"], WAITS if resting else None)
    return " ".join(filter(None, words)) or None


def next_attempt_at(row: Row) -> float | None:
    """Not before the rest of a host is over that does not answer."""
    if row["next_at"] is None or row["opened_at"] is None:
        return row["next_at"] and float(row["next_at"])
    return max(float(row["next_at"]), float(row["paused_until"]))


def attempt_of(box: Box, row: Row) -> Attempt:
    return Attempt(
        number=row["number"],
        manual=bool(row["manual"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=AttemptOutcome(row["outcome"]),
        http_status=row["http_status"],
        detail=row["detail"],
        hint=row["hint"],
        answer=opened(box.open_answer, row["answer"]) or b"",
    )
