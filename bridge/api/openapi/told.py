"""What is told to receivers: `webhooks`, and `callbacks` of what asks for them."""

from collections.abc import Mapping
from typing import Any

from bridge.api.openapi.parameters import in_header
from bridge.messages.events import TYPES
from bridge.messages.samples import sample
from bridge.schemas import schema
from bridge.traces import HEADER as TRACEPARENT

Json = dict[str, Any]

EVENT = {"$ref": "#/components/schemas/Event"}  # of any type, in format `standard`
AT = 1_795_608_000.0  # of the examples: 2026-11-25T12:00:00Z


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
    in_header(
        TRACEPARENT,
        {"type": "string"},
        "The subscription's span, as W3C Trace Context has it; not signed.",
    ),
]
ANSWERS = {
    "2XX": "Accepted, whatever the body says.",
    "3XX": "Refused: a redirect is never followed.",
    "409": "Tried again soon, then by the schedule.",
    "410": "Nothing more is sent to this URL with these headers; a hook is removed.",
    "429": "Tried again after `Retry-After`, by the schedule.",
    "default": "Tried again by the schedule.",
}


def webhooks() -> Json:
    return {
        type_: {
            "post": told(
                f"Tells of `{type_}`",
                schema("standard", type_),
                {type_: {"value": sample(type_, now=AT)}},
            )
        }
        for type_ in TYPES
    }


def callbacks(field: str) -> Json:
    """Of an operation whose body has the URL in `field`."""
    examples = {type_: {"value": sample(type_, now=AT)} for type_ in TYPES[:2]}
    return {
        "event": {
            f"{{$request.body#/{field}}}": {
                "post": told("Tells of an event", EVENT, examples)
            }
        }
    }


def told(summary: str, content: Json, examples: Mapping[str, Json]) -> Json:
    return {
        "summary": summary,
        "description": "Verify the signature, answer 2xx within 20 seconds, and take an id "
        "that you have seen as the same event. Another `format` or `method` has another "
        "body.",
        "parameters": HEADERS,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": content, "examples": examples}},
        },
        "responses": {status: {"description": words} for status, words in ANSWERS.items()},
    }
