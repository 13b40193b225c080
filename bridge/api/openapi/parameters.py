"""What an operation takes beside its body: query, path, headers.

The names in a query are those of the tables that read it; what each may hold follows from
its reader.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bridge import formats
from bridge.api import query
from bridge.api.credential import HEADER as PROVIDER_KEY
from bridge.api.deliveries import subscription_key
from bridge.api.idempotency import HEADER as IDEMPOTENCY_KEY
from bridge.api.idempotency import MAX_CHARS
from bridge.api.samples import format_name, types
from bridge.messages import events
from bridge.traces import HEADER as TRACEPARENT

Json = dict[str, Any]

TEXT: Json = {"type": "string", "maxLength": query.TEXT_CHARS}
READ_BY: Mapping[Callable[[str], Any], Json] = {
    query.plain_text: TEXT,
    query.host: TEXT,
    query.limit: {
        "type": "integer",
        "minimum": 1,
        "maximum": query.MAX_LIMIT,
        "default": query.DEFAULT_LIMIT,
    },
    query.time: {"type": "string", "format": "date-time"},
    query.wait: {"type": "integer", "minimum": 0, "maximum": int(query.MAX_WAIT_S)},
    subscription_key: {"type": "string", "pattern": "^sub_[0-9A-Za-z]+$"},
    types: {"type": "string", "enum": [events.TASK_ENDED, *events.TYPES]},
    format_name: {"type": "string", "enum": list(formats.FORMATS)},
}

MEANINGS = {
    "client": "Only this client's. For operators.",
    "cursor": "`next_cursor` of the page before, with the same filters.",
    "format": "In which form they would be sent.",
    "host": "Of the callback, without port.",
    "limit": "How many at most.",
    "outcome": "How they have ended.",
    "provider": "Only tasks of this provider.",
    "since": "Made then or later.",
    "state": "Only those in this state.",
    "status": "What the provider said last.",
    "subscription_id": "Only those of this subscription.",
    "task_id": "The provider's id of the task.",
    "type": "Only events of this type; `task.ended` stands for all six ends.",
    "until": "Made before.",
    "wait": "Hold the answer for so many seconds, until there is news. As a duration, too: "
    "`30s`.",
}


def in_query(readers: Mapping[str, query.Reader]) -> list[Json]:
    """Raises KeyError for a reader or a name that nothing is said of."""
    return [
        {
            "name": name,
            "in": "query",
            "description": MEANINGS[name],
            "schema": schema_of(reader),
        }
        for name, reader in readers.items()
    ]


def schema_of(reader: query.Reader) -> Json:
    if isinstance(reader, query.OneOf):
        return {"type": "string", "enum": list(reader.words)}
    if isinstance(reader, query.Cursor):
        return {"type": "string"}
    return READ_BY[reader]


def in_path(name: str, schema: Json, meaning: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": meaning,
        "schema": schema,
    }


def in_header(name: str, schema: Json, meaning: str, *, required: bool = False) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": meaning,
        "schema": schema,
    }


IDEMPOTENCY = in_header(
    IDEMPOTENCY_KEY,
    {"type": "string", "pattern": f"^[ -~]{{1,{MAX_CHARS}}}$"},
    "The same request under the same key is done once in 24 hours.",
)
OWN_KEY = in_header(
    PROVIDER_KEY,
    {"type": "string"},
    "Your own key at the provider; the same as `provider_api_key` in the body.",
)
TRACE = in_header(
    TRACEPARENT,
    {"type": "string"},
    "Your span, as W3C Trace Context has it: the webhooks go on from it. What cannot be "
    "read is ignored.",
)
