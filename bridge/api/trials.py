"""A sample event as an attempt that nobody owes, and what came of it, as it is shown."""

from typing import Any

from bridge.api.views import time
from bridge.delivery.trial import Trial
from bridge.messages import events
from bridge.messages.ids import message_id, parse_message_id
from bridge.messages.samples import sample
from bridge.model import ClaimedDelivery, Destination
from bridge.portable import encode

MASK = "***"


def sample_attempt(
    type_: str,
    to: Destination,
    *,
    client: str,
    method: str,
    format_name: str,
    secrets: tuple[str, ...],
    key: str,
    hook_id: str | None = None,
    readable: bool = True,
    now: float,
) -> ClaimedDelivery:
    """`key`: the random part of its ids, which are those of a delivery to this hook, if it
    is for one. Without `secrets` it is signed with the client's.
    """
    event = sample(type_, now=now, subscription_id=f"sub_{key}")
    parts = parse_message_id(event["id"])
    if hook_id is not None and parts is not None:
        event = events.addressed(event, message_id(*parts[:2], hook_id))
    return ClaimedDelivery(
        schedule_id=0,
        delivery_id=0,
        claim_no=0,
        claimed_at=now,
        attempt=1,
        manual=True,
        failures=0,
        conflicts=0,
        seen_lost=False,
        created_at=now,
        message_id=event["id"],
        subscription_id=f"sub_{key}",
        client=client,
        lane_id=0,
        retry=False,
        type=type_,
        destination_id=0,
        destination=to,
        method=method,
        format=format_name,
        signing_secrets=secrets,
        body=encode(event),
        readable=readable,
    )


def trial_view(claimed: ClaimedDelivery, trial: Trial) -> dict[str, Any]:
    """The values of the caller's own headers are passwords as a rule."""
    reply, own = trial.reply, claimed.destination.headers
    response = reply.http_status and {
        "status": reply.http_status,
        "headers": reply.headers,
        "body": reply.body.decode("utf-8", "replace") or None,
        "duration_s": round(trial.finished_at - trial.started_at, 3),
    }
    return {
        "attempt": {
            "id": claimed.message_id,
            "type": claimed.type,
            "callback_url": claimed.destination.shown,
            "method": trial.method,
            "started_at": time(trial.started_at),
            "finished_at": time(trial.finished_at),
            "outcome": reply.outcome,
            "http_status": reply.http_status,
            "detail": reply.detail,
        },
        "sent_headers": {
            name: MASK if name in own else value for name, value in trial.headers.items()
        },
        "sent_query": trial.added or None,
        "sent_body": trial.body and trial.body.decode("utf-8", "replace"),
        "response": response,
        "hint": trial.hint,
    }
