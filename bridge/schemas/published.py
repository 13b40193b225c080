"""The documents: which there are, what they are called, and their text.

A bridge serves all of them, below /schemas; docs/schemas/ has those that most will want.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from bridge.formats import FORMATS, ROBOTS
from bridge.messages.events import TASK_ENDED, TYPES
from bridge.schemas.level import flat, form, query
from bridge.schemas.plain import Schema
from bridge.schemas.robots import message
from bridge.schemas.standard import NAMES, NOTICE, TASK, standard

DIALECT = "https://json-schema.org/draft/2020-12/schema"
URN = "urn:poll-bridge:schema:"
MESSAGE = "message"

_EVENTS: Mapping[str, Callable[[str], Schema]] = {
    "standard": standard,
    "flat": flat,
    "form": form,
    "query": query,
}

# By format, what may be asked for: types of events, groups of them, or the one message.
KNOWN: Mapping[str, Sequence[str]] = {
    name: (MESSAGE,) if name in ROBOTS else NAMES for name in FORMATS
}


def schema(format_name: str, name: str) -> Schema:
    """To be put into another document, as OpenAPI's: it refers to nothing outside itself.

    Raises KeyError for what is not in `KNOWN`.
    """
    if name not in KNOWN[format_name]:
        raise KeyError(name)
    return message(format_name) if name == MESSAGE else _EVENTS[format_name](name)


def document(format_name: str, name: str) -> bytes:
    """The schema as a document of its own, whose `$id` is the same wherever it is.

    Raises KeyError for what is not in `KNOWN`.
    """
    head: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"{URN}{format_name}:{name}",
        "title": f"poll-bridge: {format_name}, {name}",
    }
    made = head | schema(format_name, name)
    return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def published() -> Iterator[tuple[str, bytes]]:
    """What docs/schemas/ has: of tasks all in `standard`, else one for all types."""
    for format_name, names in KNOWN.items():
        kept = {TASK, NOTICE, MESSAGE}
        if format_name == "standard":
            kept |= {TASK_ENDED, *TYPES}
        for name in names:
            if name in kept:
                yield f"{format_name}/{name}.json", document(format_name, name)
