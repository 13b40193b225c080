"""Nouns → the JSON of the contract, key order included."""

from collections.abc import Sequence
from typing import Any

from bridge.api.auth import Caller
from bridge.messages import events
from bridge.messages.notices import NOBODY
from bridge.model import (
    Attempt,
    AttemptOutcome,
    Delivery,
    DeliveryState,
    DeliverySummary,
    Hook,
    LastPoll,
    Subscription,
)
from bridge.receivers import hints
from bridge.rfc3339 import rfc3339
from bridge.store.timeline import Timeline

Json = dict[str, Any]


def time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def subscription_view(
    subscription: Subscription,
    caller: Caller,
    warnings: Sequence[Json] = (),
    *,
    hint_url: str | None = None,
) -> Json:
    """`warnings` are those about the request; what the subscription itself warns of is
    added. Operators are also told whose it is.
    """
    end = subscription.event["data"] if subscription.event else {}
    delivery = subscription.delivery
    view = {
        "id": subscription.id,
        "provider": subscription.provider,
        "task_id": subscription.task_id,
        "callback_url": subscription.callback_url,
        "events": subscription.events,
        "metadata": subscription.metadata,
        "state": subscription.state,
        "status": subscription.status,
        "outcome": subscription.outcome,
        "progress": subscription.progress,
        "result": end.get("result"),
        "error": end.get("error"),
        "created_at": time(subscription.created_at),
        "deadline_at": time(subscription.deadline_at),
        "ended_at": time(subscription.ended_at),
        "last_poll": subscription.last_poll and last_poll_view(subscription.last_poll),
        "next_poll_at": time(subscription.next_poll_at),
        "delivery": {
            "id": delivery.id,
            "state": delivery.state,
            "attempts": delivery.attempts,
            "last_outcome": delivery.last_outcome,
            "hint": hint_of(delivery),
            "next_attempt_at": time(delivery.next_attempt_at),
        },
        "warnings": [*warnings_of(subscription), *warnings],
        "hint_url": hint_url,
    }
    return view | {"client": subscription.client} if caller.operator else view


def last_poll_view(poll: LastPoll) -> Json:
    return {
        "at": time(poll.at),
        "outcome": poll.outcome,
        "http_status": poll.http_status,
        "detail": poll.detail,
        "since": time(poll.since),
        "count": poll.count,
    }


def warnings_of(subscription: Subscription) -> list[Json]:
    missing = events.missing_ends(subscription.events)
    if not missing:
        return []
    message = f"no webhook is sent for {', '.join(missing)}; task.ended stands for all ends"
    return [{"code": "end_events_filtered", "message": message}]


def delivery_view(delivery: Delivery, caller: Caller) -> Json:
    of_a_client = delivery.client != NOBODY  # or else it is a notice to the operator
    view = {
        "id": delivery.id,
        "subscription_id": delivery.subscription_id if of_a_client else None,
        "hook_id": delivery.hook_id if of_a_client else None,
        "type": delivery.type,
        "callback_url": delivery.callback_url,
        "host": delivery.host,
        "state": delivery.state,
        "attempt_count": delivery.attempts,
        "last_outcome": delivery.last_outcome,
        "last_http_status": delivery.last_http_status,
        "hint": hint_of(delivery),
        "created_at": time(delivery.created_at),
        "updated_at": time(delivery.updated_at),
        "next_attempt_at": time(delivery.next_attempt_at),
        "given_up_at": time(delivery.given_up_at),
    }
    return view | {"client": delivery.client or None} if caller.operator else view


def hint_of(delivery: Delivery | DeliverySummary) -> str | None:
    """What to do, also where another attempt than its own has decided."""
    gone = delivery.state is DeliveryState.GONE
    if gone and delivery.last_outcome is not AttemptOutcome.GONE:
        return " ".join(filter(None, (hints.GONE_ELSEWHERE, delivery.hint)))
    return delivery.hint


def detailed(delivery: Delivery, caller: Caller) -> Json:
    """With its attempts."""
    log = [attempt_view(attempt) for attempt in delivery.log]
    return delivery_view(delivery, caller) | {"attempts": log}


def timeline_view(told: Timeline, caller: Caller, *, hint_url: str | None) -> Json:
    return {
        "subscription": subscription_view(told.subscription, caller, hint_url=hint_url),
        "polls": told.polls,
        "updates": [
            {"at": time(each.at), "status": each.status, "progress": each.progress}
            for each in told.updates
        ],
        "changes": [
            {"at": time(each.at), "outcome": each.outcome, "status": each.status}
            for each in told.seen
        ],
        "deliveries": [detailed(each, caller) for each in told.deliveries],
        "cut": told.cut,
    }


def attempt_view(attempt: Attempt) -> Json:
    answer = attempt.answer.decode("utf-8", "replace")
    return {
        "number": attempt.number,
        "manual": attempt.manual,
        "started_at": time(attempt.started_at),
        "finished_at": time(attempt.finished_at),
        "outcome": attempt.outcome,
        "http_status": attempt.http_status,
        "detail": attempt.detail,
        "answer": answer or None,
        "hint": attempt.hint,
    }


def hook_view(hook: Hook, caller: Caller) -> Json:
    """`expiration_date` is there for tools that would renew a hook: none runs out."""
    view = {
        "id": hook.id,
        "url": hook.url,
        "events": hook.events,
        "provider": hook.provider,
        "format": hook.format,
        "method": hook.method,
        "created_at": time(hook.created_at),
        "expiration_date": None,
    }
    return view | {"client": hook.client} if caller.operator else view
