"""Steps that turn a change into an event, and the event into what is owed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bridge import portable
from bridge.messages import events
from bridge.messages.ids import END
from bridge.model import DeliveryState, Observation, Outcome
from bridge.store.box import Box
from bridge.store.owing import Places, owe
from bridge.store.rows import Listener
from bridge.store.steps import Row, Rows, Step, ask

CHUNK = 500  # of one transaction, so that a crowd never holds up anybody for long


class Told(NamedTuple):
    """Keys of subscriptions that ended, and after whom to go on with the others."""

    keys: Sequence[str] = ()
    after: int | None = None


def tell_end(
    box: Box, listener: Listener, seen: Observation, *, now: float
) -> Step[list[str]]:
    """End the subscription as the provider said; its key."""
    assert seen.status is not None  # noqa: S101 - an end has a status
    return (yield from close(box, listener, Outcome(seen.status.value), seen, now=now))


def close(
    box: Box, listener: Listener, outcome: Outcome, seen: Observation, *, now: float
) -> Step[list[str]]:
    """Record the subscription's one end and owe it; its key, or none if it had one."""
    seen = with_former(seen, listener)
    ended = yield ask(
        "end_subscription",
        subscription_id=listener.id,
        outcome=outcome.value,
        status=seen.status and seen.status.value,
        now=now,
    )
    if not ended:
        return []
    event = events.end_event(
        facts_of(listener),
        outcome,
        seen,
        observed_at=now,
        ended_at=now,
        status=seen.status,
        progress=seen.progress,
    )
    yield from add_event(box, listener, END, event, now)
    yield from drop_pending(listener.id, DeliveryState.SUPERSEDED, now)
    yield from owe(listener, END, event["type"], now)
    return [listener.key]


def with_former(seen: Observation, listener: Listener) -> Observation:
    """`seen`, with what earlier polls had learned of the task."""
    return replace(
        seen,
        status=seen.status or listener.status,
        progress=seen.progress if seen.progress is not None else listener.progress,
        submitted_at=seen.submitted_at or listener.submitted_at,
        model=seen.model or listener.model,
    )


def tell_update(
    box: Box, listener: Listener, seen: Observation, *, now: float
) -> Step[None]:
    """Tell of a change of status or progress, in place of any older one not yet told."""
    [row] = yield ask("next_update", subscription_id=listener.id)
    sequence: int = row["updates"]
    event = events.update_event(
        facts_of(listener),
        seen,
        sequence=sequence,
        observed_at=now,
        status=seen.status,
        progress=seen.progress,
    )
    yield from add_event(box, listener, sequence, event, now)
    places = yield from supersede(listener.id, now)
    yield from owe(listener, sequence, event["type"], now, places)


def add_event(
    box: Box, listener: Listener, sequence: int, event: dict[str, object], now: float
) -> Step[None]:
    yield ask(
        "add_event",
        subscription_id=listener.id,
        sequence=sequence,
        type=event["type"],
        now=now,
        body=box.vault.seal(portable.encode(event), "event"),
    )


def affordable(rows: Rows) -> Rows:
    """As many of these listeners, one at least, as are owed no more than a chunk: each has
    a delivery of its own, and one for each of its client's hooks.
    """
    owed = 0
    for number, row in enumerate(rows):
        owed += 1 + row["hooks"]
        if number and owed > CHUNK:
            return rows[:number]
    return rows


def supersede(subscription_id: int, now: float) -> Step[Places]:
    """Drop updates still owed; the place in the schedule of each that is not in flight."""
    places: dict[int, Row] = {}
    dropped = yield ask(
        "drop_deliveries", subscription_id=subscription_id, state="superseded", now=now
    )
    for delivery in dropped:
        for row in (yield ask("superseded_schedule", delivery_id=delivery["id"])):
            if row["claimed_at"] is None:
                places[delivery["hook_id"]] = row
        yield ask("drop_schedule", delivery_id=delivery["id"])
    return places


def drop_pending(subscription_id: int, state: DeliveryState, now: float) -> Step[None]:
    """Owe nothing more of it, not even an attempt asked for by hand."""
    yield ask(
        "drop_deliveries", subscription_id=subscription_id, state=state.value, now=now
    )
    yield ask("drop_schedules", subscription_id=subscription_id)


def facts_of(listener: Listener) -> events.SubscriptionFacts:
    return events.SubscriptionFacts(
        id=f"sub_{listener.key}",
        provider=listener.provider,
        task_id=listener.task_id,
        metadata=listener.metadata,
        model=listener.model,
        submitted_at=listener.submitted_at,
        include_raw=listener.include_raw,
    )


def rest_if_idle(watch_id: int, credential_id: int) -> Step[None]:
    """After somebody has left: stop polling a watch that nobody waits for."""
    yield ask("settle_closing", watch_id=watch_id)
    for row in (yield ask("unschedule_idle_watch", watch_id=watch_id)):
        yield ask(
            "keep_poll_count",
            watch_id=watch_id,
            polls=row["claim_no"],
            polled_at=row["polled_at"],
        )
        yield from wipe_unused_key(credential_id)


def wipe_unused_key(credential_id: int) -> Step[None]:
    """After the last use of a caller's own key is over."""
    if (yield ask("lock_own_credential", credential_id=credential_id)):
        yield ask("wipe_unused_key", credential_id=credential_id)
