"""Answers of HTTP → what a bridge has said."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.client.errors import NotABridge, Refused
from bridge.errors import FieldFault


class Reply(NamedTuple):
    """An answer that is no refusal, and its status. `body` None: there was none (204)."""

    status: int
    body: Any


def reply(
    url: str, status: int, body: bytes | None, headers: Mapping[str, str] | None = None
) -> Reply:
    """`body` None: too large to be an answer. Raises Refused or NotABridge."""
    if status == 204:
        return Reply(status, None)
    try:
        value = json.loads(body or b"")
    except (ValueError, RecursionError):
        value = None
    if 200 <= status < 300 and value is not None:
        return Reply(status, value)
    if isinstance(value, dict) and isinstance(value.get("code"), str) and status >= 400:
        raise refused(status, value, headers or {})
    raise NotABridge(url, status)


def refused(status: int, told: Mapping[str, Any], headers: Mapping[str, str]) -> Refused:
    """RFC 9457, as a bridge has it."""
    faults = told.get("errors")
    return Refused(
        status,
        told["code"],
        str(told.get("detail") or told.get("title")),
        errors=[
            FieldFault(str(each.get("field")), str(each.get("message")))
            for each in (faults if isinstance(faults, list) else [])
            if isinstance(each, dict)
        ],
        retry_after_s=seconds(headers.get("Retry-After", "")),
        request_id=headers.get("X-Request-Id"),
    )


def seconds(text: str) -> float | None:
    """
    >>> seconds("5"), seconds("soon")
    (5.0, None)
    """
    return float(text) if text.isascii() and text.isdigit() else None
