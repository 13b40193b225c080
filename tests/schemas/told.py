"""What is sent, and whether it is what the schemas say: no key more, no key less."""

from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import orjson
from jsonschema_rs import Draft202012Validator

from bridge import rfc3339, schemas
from bridge.formats import payload
from bridge.messages import events, notices
from bridge.messages.events import SubscriptionFacts
from bridge.messages.notices import Lost, Notice, Seen, Told
from bridge.model import Observation, Outcome, PollOutcome
from bridge.portable import encode

NOW = 1_795_608_000.0
FACTS = SubscriptionFacts(id="sub_k3J9", provider="amux", task_id="abcd1234efgh")
LEVELS = ("standard", "flat", "form", "query")


def is_time(value: str) -> bool:
    try:
        return rfc3339.rfc3339(rfc3339.unix(value)) == value
    except ValueError:
        return False


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """The parts of a schema that list keys."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema.get("type"), str | list):
            yield schema
        for each in schema.values():
            yield from objects(each)


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """As published, but it takes no other keys."""
    for each in objects(schema):
        each["additionalProperties"] = False
    return schema


@cache
def validator(format_name: str, name: str) -> Draft202012Validator:
    made = strict(schemas.schema(format_name, name))
    return Draft202012Validator(made, validate_formats=True, formats={"date-time": is_time})


def faults(format_name: str, name: str, value: Any) -> list[str]:
    found = validator(format_name, name).iter_errors(value)
    return [
        f"{'.'.join(['$', *map(str, each.instance_path)])}: {each.message}"
        for each in found
    ]


def sent(format_name: str, event: dict[str, Any]) -> Any:
    """What a receiver makes of it."""
    written = payload(format_name, encode(event))
    if format_name not in ("form", "query"):
        return orjson.loads(written)
    pairs = parse_qsl(written.decode(), keep_blank_values=True, strict_parsing=True)
    told = dict(pairs)
    assert len(told) == len(pairs)
    return told


def names_of(event: dict[str, Any]) -> list[str]:
    """Of the schemas that it must come up to: of its type, and of each group."""
    kind = event["type"]
    groups = ["notice"] if kind in notices.TYPES else ["task"]
    return [kind, *groups, *([events.TASK_ENDED] if kind in events.ENDS else [])]


def end_of(seen: Observation, outcome: Outcome, facts: SubscriptionFacts) -> dict[str, Any]:
    return events.end_event(
        facts,
        outcome,
        seen,
        observed_at=NOW,
        ended_at=NOW,
        status=seen.status,
        progress=seen.progress,
    )


def events_of(seen: Observation, facts: SubscriptionFacts) -> Iterator[dict[str, Any]]:
    """All that may be told if this is the last that was seen."""
    if seen.outcome is PollOutcome.ENDED and seen.status is not None:
        yield end_of(seen, Outcome(seen.status), facts)
        return
    yield end_of(seen, Outcome.TIMED_OUT, facts)
    yield end_of(seen, Outcome.UNREACHABLE, facts)
    yield events.update_event(
        facts,
        seen,
        sequence=1,
        observed_at=NOW,
        status=seen.status,
        progress=seen.progress,
    )


def all_notices() -> list[Notice]:
    """One of each type."""
    before = Told(refused=frozenset({"rong"}), down={"ark": NOW - 60})
    seen = Seen(
        refused={"amux": NOW - 5},
        accepted=frozenset({"rong"}),
        down={"xiexus": NOW - 9.5},
        up={"ark": NOW},
        words=[("amux", "half_done")],
        exhausted={"shop": Lost(2, "app.example.com", "msg_k3J9_0")},
        gone={"shop": Lost(1, "app.example.com")},
        late={"polls": 900.0},
    )
    return list(notices.news(before, seen))
