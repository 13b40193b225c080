"""`application/x-www-form-urlencoded` → the object that the same request has as JSON.

    metadata.order=7   metadata[order]=7   metadata={"order": 7}
    events=task.failed,task.succeeded   events[]=task.failed   events[0]=task.failed
    metadata.items[]=a   metadata[items][0]=a&metadata[items][1]=b

Values stay text: nothing says whether an order number is a number. What has a type of its
own (`include_raw`, `deadline`) is read by it later.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bridge.errors import FieldFault, RequestError

MAX_FIELDS = 1_000
MAX_DEPTH = 16

OBJECTS = ("metadata", "params", "headers", "robot")
LISTS = ("events", "signing_secret", "state")


class Spelt(dict[str, Any]):
    """An object of which each entry is a field of the form."""


_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\[\]]*)\]")
_INDEX = re.compile("[0-9]{0,4}", re.ASCII)


def fields_of_form(raw: bytes) -> dict[str, Any]:
    """Raises RequestError.

    >>> fields_of_form(b"provider=amux&metadata[order]=7&events[]=task.failed")
    {'provider': 'amux', 'metadata': {'order': '7'}, 'events': ['task.failed']}
    """
    if raw.lstrip()[:1] in (b"{", b"["):
        raise RequestError(
            "malformed_body",
            "this looks like JSON; send it with `Content-Type: application/json`",
        )
    found: dict[str, Any] = {}
    faults = [fault for name, value in pairs(raw) if (fault := put(found, name, value))]
    if faults:
        raise RequestError(
            "invalid_request", f"{faults[0].field}: {faults[0].message}", errors=faults
        )
    return {name: unspelt(value, top=True) for name, value in found.items()}


def unspelt(value: Any, *, top: bool = False) -> Any:
    """Plain values. An object whose keys count from 0 is a list, but not at the top, where
    the fields are objects: `metadata[0]`.
    """
    if not isinstance(value, Spelt):
        return value
    plain = {name: unspelt(each) for name, each in value.items()}
    counted = [str(number) for number in range(len(plain))]
    if top or plain.keys() != set(counted):
        return plain
    return [plain[number] for number in counted]


def pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.strip().decode("utf-8-sig"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except UnicodeDecodeError:
        raise RequestError("malformed_body", "the form is not in UTF-8") from None
    except ValueError:
        raise RequestError(
            "malformed_body", f"a form may have {MAX_FIELDS:,} fields"
        ) from None


def put(found: dict[str, Any], written: str, value: str) -> FieldFault | None:
    """Take one field in; what is wrong with it, if anything is."""
    name, steps = path_of(written)
    if not value and (not steps or (name in OBJECTS and steps == [""])):
        return None
    if name in LISTS and (not steps or (len(steps) == 1 and _INDEX.fullmatch(steps[0]))):
        texts = value.split(",") if name == "events" else [value]
        return add_texts(found, name, [text.strip() for text in texts])
    if name in OBJECTS and not steps and value.lstrip().startswith("{"):
        return put_object(found, name, value)
    if len(steps) > MAX_DEPTH:
        return FieldFault(name[:64], f"nested more than {MAX_DEPTH} levels deep")
    return put_at(found, [name, *steps], value, written[:64])


def path_of(written: str) -> tuple[str, list[str]]:
    """
    >>> path_of("metadata.user[a.b].id"), path_of("events[]"), path_of("odd[")
    (('metadata', ['user', 'a.b', 'id']), ('events', ['']), ('odd[', []))
    """
    name = re.split(r"[.\[\]]", written, maxsplit=1)[0]
    rest = written[len(name) :]
    steps = list(_STEP.finditer(rest))
    if "".join(step[0] for step in steps) != rest:
        return written, []
    return name, [step[1] or step[2] for step in steps]


def add_texts(found: dict[str, Any], name: str, texts: list[str]) -> FieldFault | None:
    listed = found.setdefault(name, [])
    if not isinstance(listed, list):
        return FieldFault(name, "given both as a list and as something else")
    listed.extend(texts)
    return None


def put_object(found: dict[str, Any], name: str, value: str) -> FieldFault | None:
    if name in found:
        return FieldFault(name, "given twice; keep one of them")
    try:
        found[name] = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return FieldFault(name, f"not JSON: {error.msg}")
    return None


def put_at(
    found: dict[str, Any], path: list[str], value: str, written: str
) -> FieldFault | None:
    """Set a value somewhere below; "[]" at the end adds it to a list."""
    listed = len(path) > 1 and path[-1] == ""
    *above, last = path[:-1] if listed else path
    within: Any = found
    for step in above:
        within = within.setdefault(step, Spelt()) if isinstance(within, dict) else None
    if not isinstance(within, dict):
        return FieldFault(written, "given both as a value and as an object")
    if listed:
        return add_texts(within, last, [value])
    if last in within:
        return FieldFault(written, "given twice; keep one of them")
    within[last] = value
    return None
