"""What the document says of an answer, held against a real one."""

import copy
import re
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from bridge.api.openapi import document


@cache
def told() -> dict[str, Any]:
    """The document, with answers closed: no key is there that nobody was told of."""
    made = copy.deepcopy(document())
    for each in made["components"]["schemas"].values():
        if "properties" in each:
            each["additionalProperties"] = False
    return made


@cache
def paths() -> list[tuple[re.Pattern[str], str]]:
    """The literal ones first: /deliveries/retry is no delivery."""
    found = sorted(told()["paths"], key=lambda path: "{" in path)
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(p))), p) for p in found]


@cache
def validator(path: str, method: str, status: str, media_type: str) -> Any:
    answer = told()["paths"][path][method]["responses"][status]
    schema = answer["content"][media_type]["schema"]
    return jsonschema_rs.Draft202012Validator(schema | {"components": told()["components"]})


def hold(method: str, target: str, status: int, media_type: str, body: bytes) -> None:
    """Assert that an answer is as the document says, if it is to what the document has."""
    asked = target.partition("?")[0]
    path = next((path for form, path in paths() if form.fullmatch(asked)), "")
    operation = told()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return
    assert str(status) in operation["responses"], f"{method} {path}: {status} {body!r}"
    answer = operation["responses"][str(status)]
    media_type = media_type.partition(";")[0]
    assert ("content" in answer) == bool(body), f"{method} {path}: {status}"
    if body:
        assert media_type in answer["content"], f"{method} {path}: {media_type}"
    if media_type.endswith("json"):
        found = validator(path, method.lower(), str(status), media_type)
        faults = list(found.iter_errors(orjson.loads(body)))
        assert not faults, f"{method} {path} {status}: {faults[0]}"
