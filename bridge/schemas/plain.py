"""A pydantic model → its JSON Schema, in words that every tool reads.

Low-code tools (Power Automate's and Logic Apps' designers) read the vocabulary of draft 4
and follow neither `$ref` nor `anyOf`: so definitions stand where they are used, and what
may be null is `"type": ["string", "null"]`.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_LEFT_OUT = ("$defs", "default", "title")


def plain(model: type[BaseModel]) -> Schema:
    """The schema of `model`: no references, no titles, no defaults."""
    made = model.model_json_schema()
    return _resolved(made, made.get("$defs", {}))


def nullable(schema: Mapping[str, Any]) -> Schema:
    """`schema`, or null.

    >>> nullable({"type": "string", "enum": ["a"]})
    {'type': ['string', 'null'], 'enum': ['a', None]}
    """
    if isinstance(schema["type"], list):
        return {**schema}
    may_be = {**schema, "type": [schema["type"], "null"]}
    return may_be | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        here = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved({**definitions[name], **here}, definitions)
    if "anyOf" in schema:
        option, _null = schema["anyOf"]
        here = {key: value for key, value in schema.items() if key != "anyOf"}
        return nullable(_resolved({**option, **here}, definitions))
    # What people look for first.
    made = {key: schema[key] for key in ("description", "type") if key in schema}
    made |= {key: value for key, value in schema.items() if key not in _LEFT_OUT}
    if "properties" in made:
        made["properties"] = {
            key: _resolved(each, definitions) for key, each in made["properties"].items()
        }
    if "items" in made:
        made["items"] = _resolved(made["items"], definitions)
    return made
