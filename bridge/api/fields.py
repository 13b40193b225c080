"""The fields that bodies share: what each may hold, and the JSON Schema that says so."""

import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from bridge import duration, signature
from bridge.messages import events
from bridge.receivers.callback_auth import KINDS

METADATA_BYTES = 16_384
METADATA_DEPTH = 32  # an event nests it deeper still, and receivers have limits too
TOO_DEEP = f"nested more than {METADATA_DEPTH} levels deep"
LABEL_CHARS = 128
ROBOT_SECRET_CHARS, ROBOT_KEYWORD_CHARS = 256, 64
ROBOT_SECRET = re.compile(f"[!-~]{{1,{ROBOT_SECRET_CHARS}}}")
ROBOT_KEYWORD = re.compile(
    rf"(?! )[^<>\x00-\x1f\x7f-\x9f]{{1,{ROBOT_KEYWORD_CHARS}}}(?<! )"
)
SECRETS, EVENTS, ENTRIES = 5, 100, 64
MIN_DEADLINE_S = 10.0


def at_most(most: int) -> BeforeValidator:
    """Before the entries are looked at: a million faults would cost seconds to find."""

    def check(given: Any) -> Any:
        if isinstance(given, list | dict) and len(given) > most:
            raise ValueError(f"at most {most}")
        return given

    return BeforeValidator(check)


def one_or_several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def comma_separated(given: Any) -> Any:
    """
    >>> comma_separated("task.failed, task.succeeded")
    ['task.failed', 'task.succeeded']
    """
    return [each.strip() for each in given.split(",")] if isinstance(given, str) else given


def known_events(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given:
        raise ValueError("name at least one event, or leave it out for all ends")
    events.expand(given)
    return distinct(given)


def bounded(given: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(given)) if given else 0
    except orjson.JSONEncodeError:  # its own limit of depth, above ours
        raise ValueError(TOO_DEEP) from None
    if size > METADATA_BYTES:
        raise ValueError(f"has more than {METADATA_BYTES:,} bytes as JSON")
    if given and deeper_than(given, METADATA_DEPTH):
        raise ValueError(TOO_DEEP)
    return given


def deeper_than(value: Any, levels: int) -> bool:
    """
    >>> deeper_than({"a": [1]}, 1), deeper_than({"a": [1]}, 2), deeper_than(1, 0)
    (True, False, False)
    """
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(deeper_than(each, levels - 1) for each in inner)


def label(given: str) -> str:
    if len(given) > LABEL_CHARS or not given.isprintable():
        raise ValueError(f"is a label of up to {LABEL_CHARS} printable characters")
    return given


def signing_secret(given: str) -> str:
    signature.key_bytes(given)
    return given


def robot_fields(given: dict[str, str]) -> dict[str, str]:
    if not given.keys() <= {"secret", "keyword"}:
        raise ValueError("takes `secret` and `keyword` only")
    if not ROBOT_SECRET.fullmatch(given.get("secret", "x")):
        raise ValueError(
            f"has a secret that is not up to {ROBOT_SECRET_CHARS} printable ASCII "
            "characters without spaces: copy it from the robot's settings"
        )
    if not ROBOT_KEYWORD.fullmatch(given.get("keyword", "x")):
        raise ValueError(
            f"has a keyword that is not one line of up to {ROBOT_KEYWORD_CHARS} letters "
            "without < and >"
        )
    return given


def distinct(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))


def deadline(given: Any) -> float:
    found = duration.seconds(given)
    if found < MIN_DEADLINE_S:
        raise ValueError(f"at least {duration.text(MIN_DEADLINE_S)}")
    return found


def event_type(given: Any) -> str:
    if given not in events.TYPES:
        raise ValueError(f"must be one of {', '.join(events.TYPES)}")
    return str(given)


def auth_schema(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"type": {"const": kind}}
        | {name: {"type": "string"} for name in KINDS[kind]},
        # Of a user name and a password one may be left out.
        "required": ["type", *(KINDS[kind] if kind != "basic" else ())],
        "additionalProperties": False,
    }


# What a schema says is the plain way to write a field. `""` and null mean that it is
# absent, and forms have spellings of their own.
Events = Annotated[
    tuple[str, ...],
    at_most(EVENTS),
    BeforeValidator(comma_separated),
    AfterValidator(known_events),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": [events.TASK_ENDED, *events.TYPES]},
            "minItems": 1,
            "maxItems": EVENTS,
        }
    ),
]
SECRET_SCHEMA = {"type": "string", "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}
Secrets = Annotated[
    tuple[Annotated[str, AfterValidator(signing_secret)], ...],
    at_most(SECRETS),
    BeforeValidator(one_or_several),
    AfterValidator(distinct),
    WithJsonSchema(
        {
            "anyOf": [
                SECRET_SCHEMA,
                {"type": "array", "items": SECRET_SCHEMA, "maxItems": SECRETS},
            ]
        }
    ),
]
Format = Literal[
    "standard", "flat", "form", "query", "slack", "discord", "feishu", "dingtalk", "wecom"
]
Shape = Annotated[
    Format, Field(description="Of the body: an event, or what a chat robot takes.")
]
Method = Annotated[
    Literal["POST", "GET"],
    Field(description="How the webhook is sent; GET, if `format` is `query`."),
]
RobotFields = Annotated[
    dict[str, str],
    AfterValidator(robot_fields),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "secret": {"type": "string", "maxLength": ROBOT_SECRET_CHARS},
                "keyword": {"type": "string", "maxLength": ROBOT_KEYWORD_CHARS},
            },
            "additionalProperties": False,
        }
    ),
    Field(
        repr=False,
        description="`secret` and `keyword` of a chat robot that wants them: feishu, "
        "dingtalk.",
    ),
]
TEXTS_SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "maxProperties": ENTRIES,
}
Headers = Annotated[
    dict[str, str],
    at_most(ENTRIES),
    WithJsonSchema(TEXTS_SCHEMA),
    Field(repr=False, description="Sent along with each webhook."),
]
Params = Annotated[
    dict[str, str],
    at_most(ENTRIES),
    WithJsonSchema(TEXTS_SCHEMA),
    Field(description="Further variables that the provider's page declares."),
]
Auth = Annotated[
    dict[str, str],
    at_most(ENTRIES),
    WithJsonSchema({"oneOf": [auth_schema(kind) for kind in KINDS]}),
    Field(
        repr=False,
        description="How the receiver knows us: `type` bearer, basic, header or query, and "
        "`token`, or `username` and `password`, or `name` and `value`.",
    ),
]
Metadata = Annotated[
    dict[str, Any],
    AfterValidator(bounded),
    Field(repr=False, description="Comes back in every event; up to 16 KiB."),
]
Label = Annotated[
    str,
    AfterValidator(label),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LABEL_CHARS}),
]
EventType = Annotated[
    str,
    PlainValidator(event_type),
    WithJsonSchema({"type": "string", "enum": list(events.TYPES)}),
]
Deadline = Annotated[
    float,
    PlainValidator(deadline),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["90s", "2h"]},
                {"type": "number", "minimum": MIN_DEADLINE_S, "examples": [3600]},
            ]
        }
    ),
]
