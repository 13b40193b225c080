"""Sample events, made by the builders of the real ones, so that their shape is the same.

Tools learn an event's fields from a sample; people rehearse every branch with one.
"""

from dataclasses import replace
from typing import Any

from bridge.messages.events import (
    TASK_UPDATED,
    TYPES,
    SubscriptionFacts,
    end_event,
    update_event,
)
from bridge.model import (
    ErrorCode,
    File,
    Observation,
    Outcome,
    PollOutcome,
    Result,
    Status,
    TaskError,
)

_FACTS = SubscriptionFacts(
    id="sub_sample",
    provider="sandbox",
    task_id="abcd1234efgh",
    metadata={"order_id": "1042"},
    model="sample-video-1",
)

_RESULT = Result(
    files=(
        File(
            kind="video",
            provider_url="https://cdn.example.com/abcd1234efgh/video.mp4",
            content_type="video/mp4",
        ),
        File(
            kind="last_frame",
            provider_url="https://cdn.example.com/abcd1234efgh/last-frame.png",
            content_type="image/png",
        ),
    ),
    details={"duration": 5.0, "fps": 24, "usage": {"total_tokens": 108_900}},
)

_REJECTED = TaskError(
    code=ErrorCode.CONTENT_REJECTED,
    message="The prompt was rejected by the content filter.",
    provider_code="InputTextSensitiveContentDetected",
    hint="Change the prompt: the same one is rejected again.",
)

_ENDED = Observation(outcome=PollOutcome.ENDED)
_OBSERVATIONS = {
    Outcome.SUCCEEDED: replace(_ENDED, status=Status.SUCCEEDED, result=_RESULT),
    Outcome.FAILED: replace(_ENDED, status=Status.FAILED, error=_REJECTED),
    Outcome.CANCELLED: replace(_ENDED, status=Status.CANCELLED),
    Outcome.EXPIRED: replace(_ENDED, status=Status.EXPIRED),
    Outcome.TIMED_OUT: Observation(outcome=PollOutcome.PENDING, status=Status.RUNNING),
    Outcome.UNREACHABLE: Observation(
        outcome=PollOutcome.AUTH, http_status=401, detail="401, Invalid token"
    ),
}
_RUNNING_S = 120.0


def sample(
    type_: str, *, now: float, subscription_id: str = "sub_sample"
) -> dict[str, Any]:
    """One event of `type_`, marked `test: true`. Raises ValueError for an unknown type.

    Receivers drop a `webhook-id` they know: a sample that is sent needs an id of its own.
    """
    if type_ not in TYPES:
        raise ValueError(f"unknown event {type_!r}; known: {', '.join(TYPES)}")
    facts = replace(_FACTS, id=subscription_id, submitted_at=now - _RUNNING_S)
    event = _update(facts, now) if type_ == TASK_UPDATED else _end(facts, type_, now)
    return {**event, "test": True}


def samples(now: float) -> list[dict[str, Any]]:
    """One of each type, newest first, each with ids of its own."""
    return [
        sample(type_, now=now - 60 * number, subscription_id=f"sub_sample{number}")
        for number, type_ in enumerate(TYPES)
    ]


def _update(facts: SubscriptionFacts, now: float) -> dict[str, Any]:
    seen = Observation(outcome=PollOutcome.PENDING, status=Status.RUNNING, progress=40)
    return update_event(
        facts, seen, sequence=1, observed_at=now, status=seen.status, progress=seen.progress
    )


def _end(facts: SubscriptionFacts, type_: str, now: float) -> dict[str, Any]:
    outcome = Outcome(type_.removeprefix("task."))
    seen = _OBSERVATIONS[outcome]
    return end_event(
        facts,
        outcome,
        seen,
        observed_at=now,
        ended_at=now,
        status=seen.status,
        progress=None,
    )
