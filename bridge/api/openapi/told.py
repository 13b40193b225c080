"""What is told to receivers: `webhooks`, and `callbacks` of what asks for them."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from bridge.api.openapi.answers import Result, Shape, SubscriptionId, TaskError, Time
from bridge.api.openapi.parameters import in_header
from bridge.events import TYPES, VERSION
from bridge.model import Outcome, Status
from bridge.samples import sample

Json = dict[str, Any]

AT = 1_795_608_000.0  # of the examples: 2026-11-25T12:00:00Z


class EventData(Shape):
    """The task, as it is now."""

    subscription_id: SubscriptionId
    provider: str
    task_id: str
    ok: bool | None = Field(description="Null while it has not ended.")
    outcome: Outcome | None
    status: Status | None
    progress: int | None = Field(description="Percent.")
    result: Result | None = Field(description="Null unless `ok`.")
    error: TaskError | None = Field(description="Null unless `ok` is false.")
    model: str | None
    metadata: dict[str, Any]
    submitted_at: Time | None
    ended_at: Time | None
    observed_at: Time
    raw: Any = Field(None, description="The provider's own answer, with `include_raw`.")


class Event(Shape):
    """The body of a webhook in format `standard`."""

    id: str = Field(description="As the header `webhook-id`: the same in every attempt.")
    event_id: str = Field(description="The same for all who are told of this event.")
    type: Literal[TYPES]  # type: ignore[valid-type]
    timestamp: Time
    version: Literal[VERSION]  # type: ignore[valid-type]
    test: bool
    data: EventData


HEADERS = [
    in_header("webhook-id", {"type": "string"}, "Of the event and you.", required=True),
    in_header(
        "webhook-timestamp",
        {"type": "string"},
        "Unix seconds of this attempt.",
        required=True,
    ),
    in_header(
        "webhook-signature",
        {"type": "string"},
        "`v1,…` as Standard Webhooks lays down, one for each secret.",
        required=True,
    ),
    in_header("X-Signature-256", {"type": "string"}, "`sha256=` and an HMAC of the body."),
]
ANSWERS = {
    "2XX": "Accepted, whatever the body says.",
    "3XX": "Refused: a redirect is never followed.",
    "409": "Tried again soon, then by the schedule.",
    "410": "Nothing more is sent to this URL with these headers; a hook is removed.",
    "429": "Tried again after `Retry-After`, by the schedule.",
    "default": "Tried again by the schedule.",
}


def event_schema(type_: str) -> Json:
    """Of the event of one type."""
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Event"},
            {"properties": {"type": {"const": type_}}},
        ]
    }


def webhooks() -> Json:
    return {
        type_: {
            "post": told(
                f"Tells of `{type_}`",
                event_schema(type_),
                {type_: {"value": sample(type_, now=AT)}},
            )
        }
        for type_ in TYPES
    }


def callbacks(field: str) -> Json:
    """Of an operation whose body has the URL in `field`."""
    schema = {"$ref": "#/components/schemas/Event"}
    examples = {type_: {"value": sample(type_, now=AT)} for type_ in TYPES[:2]}
    return {
        "event": {
            f"{{$request.body#/{field}}}": {
                "post": told("Tells of an event", schema, examples)
            }
        }
    }


def told(summary: str, schema: Json, examples: Mapping[str, Json]) -> Json:
    return {
        "summary": summary,
        "description": "Verify the signature, answer 2xx within 20 seconds, and take an id "
        "that you have seen as the same event. Another `format` or `method` has another "
        "body.",
        "parameters": HEADERS,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": examples}},
        },
        "responses": {status: {"description": words} for status, words in ANSWERS.items()},
    }
