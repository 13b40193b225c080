"""The schema of an event on one level, made from that of the standard event.

Flat keeps types and null. In a form and in a query all is text, and null is empty.
"""

from collections.abc import Mapping
from typing import Any

from bridge.formats.url import MESSAGE_MOST, QUERY_MOST, as_text
from bridge.schemas.event import Result, TaskError
from bridge.schemas.plain import Schema, nullable, plain
from bridge.schemas.standard import standard

# What `result` and `error` come to; of `files` it is the first one.
_RESULT: Mapping[str, tuple[str, ...]] = {
    "result_url": ("url",),
    "provider_url": ("provider_url",),
    "url_missing_reason": ("url_missing_reason",),
    "content_type": ("files", "content_type"),
    "expires_at": ("files", "expires_at"),
}
_ERROR: Mapping[str, tuple[str, ...]] = {
    "error_code": ("code",),
    "error_message": ("message",),
    "error_hint": ("hint",),
    "provider_code": ("provider_code",),
}
_AS_JSON = {
    "files": "All files of the result, as JSON text; `[]` without one.",
    "details": "What else the provider says of the result, as JSON text; `{}` without one.",
}
_ALL_TEXT = "All values are text: `true` and `false` are words, and null is empty."
_METADATA = "^metadata_"
_SPREAD = "One key for each of your `metadata`; lists and objects are JSON text."
_RAW = "As JSON text; null without `include_raw`."
_ANY = ["string", "number", "boolean", "null"]
_EMPTIED = f"Empty where the query would be longer than {QUERY_MOST:,} characters."
_SHORTER = {
    **dict.fromkeys((*_AS_JSON, "raw"), _EMPTIED),
    "error_message": f"Here at most {MESSAGE_MOST}.",
}


def flat(name: str) -> Schema:
    """Of the event of a type, or of a group. Raises KeyError for another name."""
    event = standard(name)
    made = {key: each for key, each in event["properties"].items() if key != "data"}
    told = event["properties"]["data"]["properties"]
    if "task_id" not in told:
        return _object(event["description"], made | told)
    for key, each in told.items():
        made |= _level(key, each)
    spread = {"description": _SPREAD, "type": _ANY}
    return _object(event["description"], made) | {"patternProperties": {_METADATA: spread}}


def form(name: str) -> Schema:
    """As an object of its fields, each of which comes once."""
    schema = flat(name)
    schema["description"] += f" {_ALL_TEXT}"
    for part in ("properties", "patternProperties"):
        if part in schema:
            schema[part] = {key: _text(each) for key, each in schema[part].items()}
    return schema


def query(name: str) -> Schema:
    """As an object of its parameters, which stand behind those of your URL."""
    schema = form(name)
    told = schema["properties"]
    for key in _SHORTER.keys() & told.keys():
        told[key].pop("contentMediaType", None)
        told[key]["description"] += f" {_SHORTER[key]}"
    return schema


def _object(description: str, properties: Schema) -> Schema:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [*properties],
    }


def _level(key: str, told: Schema) -> Schema:
    """What a key of `data` comes to: one key or several, or none."""
    if key == "metadata":
        return {}
    if key == "raw":
        words = f"{told['description']} {_RAW}"
        return {"raw": {"description": words, "type": _ANY}}
    if key == "result":
        return _parts(told, plain(Result), _RESULT) | {
            name: {
                "description": words,
                "type": "string",
                "contentMediaType": "application/json",
            }
            for name, words in _AS_JSON.items()
        }
    if key == "error":
        return _parts(told, plain(TaskError), _ERROR)
    return {key: told}


def _parts(
    told: Schema, whole: Schema, paths: Mapping[str, tuple[str, ...]]
) -> dict[str, Schema]:
    """Of an object, which `told` may say is null, what stands at the end of each path."""
    made: dict[str, Schema] = {}
    for name, path in paths.items():
        leaf = whole
        for step in path:
            leaf = leaf.get("items", leaf)["properties"][step]
        if told["type"] == "null":
            leaf = {"description": leaf["description"], "type": "null"}
        elif "null" in told["type"] or len(path) > 1:
            leaf = nullable(leaf)
        made[name] = leaf
    return made


def _text(schema: Mapping[str, Any]) -> Schema:
    """Of a value as the text that it is in a form."""
    kinds = schema["type"]
    kinds = [kinds] if isinstance(kinds, str) else kinds
    made: Schema = {"description": schema["description"], "type": "string"}
    if kinds == ["null"]:
        return made | {"const": ""}
    if "const" in schema:
        return made | {"const": as_text(schema["const"])}
    if "enum" in schema:
        return made | {"enum": [as_text(each) for each in schema["enum"]]}
    empty = "null" in kinds
    if kinds[0] == "boolean":
        return made | {"enum": ["true", "false"] + [""] * empty}
    if kinds[0] == "integer":
        return made | {"pattern": "^[0-9]*$" if empty else "^[0-9]+$"}
    kept = ("contentMediaType",) if empty else ("format", "contentMediaType")
    return made | {key: schema[key] for key in kept if key in schema}
