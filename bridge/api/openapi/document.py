"""The OpenAPI document, made from the operations and from the models."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from bridge import __version__
from bridge.api.openapi import answers
from bridge.api.openapi.calls import CALLS
from bridge.api.openapi.operation import models_of
from bridge.api.openapi.refusals import OUTSIDE, examples, refusals
from bridge.api.openapi.told import webhooks
from bridge.schemas import schema

Json = dict[str, Any]

ABOUT = (
    "Takes a task of a job API that can only be polled, and calls you back when it has "
    "ended, with a signed webhook.\n\nErrors are `application/problem+json`, each with a "
    "`code` from a closed list. Ids of others answer 404. Times are RFC 3339 in UTC, "
    "durations `90s`, `2h`, or seconds. What you read only grows: ignore fields that you "
    "do not know."
)
BLANK: tuple[Any, ...] = ({}, [], (), "", None)


class Plain(GenerateJsonSchema):
    """Without titles, and without defaults that only say that a field may be left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False

    def default_schema(self, schema: Any) -> Json:
        made = super().default_schema(schema)
        if made.get("default") in BLANK:
            made.pop("default", None)
        return made


def document(server: str = "/") -> Json:
    """`server` is where the API is: a URL, or a path on the host that tells this."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "poll-bridge", "version": __version__, "description": ABOUT},
        "servers": [{"url": server}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths(),
        "webhooks": webhooks(),
        "components": {
            "schemas": schemas(),
            "responses": {
                f"Outside{status}": each for status, each in refusals(OUTSIDE).items()
            },
            "examples": examples(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def paths() -> Json:
    made: Json = {}
    for (path, method), operation in CALLS.items():
        made.setdefault(path, {})[method.lower()] = operation.written()
    return made


def schemas() -> Json:
    """Answers may have further keys, as they grow; bodies may not."""
    asked = [model for each in CALLS.values() for model in models_of(each.body)]
    told = _shapes(answers.Shape)
    _, made = models_json_schema(
        [(model, "validation") for model in dict.fromkeys([*asked, *told])],
        ref_template="#/components/schemas/{model}",
        schema_generator=Plain,
    )
    found: Json = made["$defs"]
    strict = {model.__name__ for model in asked}
    for name, each in found.items():
        each.pop("title", None)
        if name not in strict and each.get("additionalProperties") is False:
            del each["additionalProperties"]
    found["Event"] = schema("standard", "task")
    return dict(sorted(found.items()))


def _shapes(above: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in above.__subclasses__():
        yield model
        yield from _shapes(model)
