"""Which errors an operation can answer, as responses by status."""

from collections.abc import Iterable
from typing import Any

from bridge.api.problem import CODES, MEDIA_TYPE, problem

Json = dict[str, Any]

EVERY = ("malformed_request", "head_too_large", "internal_error")
CLOSED = (*EVERY, "unauthorized", "rate_limited", "invalid_request")
STORED = (*CLOSED, "store_unavailable")
BODY = ("malformed_body", "body_timeout", "body_too_large", "unsupported_media_type")
# Of what is only told to who asks for a path or a method that is not in the document.
OUTSIDE = ("not_found", "method_not_allowed")

HEADERS: Json = {
    "X-Request-Id": {
        "description": "Yours if you sent one, else a new one.",
        "schema": {"type": "string"},
    }
}
LATER: Json = {
    "Retry-After": {
        "description": "After how many seconds to come back.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
CHALLENGE: Json = {"WWW-Authenticate": {"schema": {"type": "string"}}}
LATER_STATUSES = (409, 429, 503)


def refusals(codes: Iterable[str]) -> Json:
    """Raises KeyError for a code that is not in the list."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes, key=list(CODES).index):
        by_status.setdefault(CODES[code].status, []).append(code)
    return {str(status): refusal(status, found) for status, found in by_status.items()}


def refusal(status: int, codes: list[str]) -> Json:
    headers = HEADERS | (LATER if status in LATER_STATUSES else {})
    return {
        "description": ". ".join(f"`{code}`: {CODES[code].title}" for code in codes) + ".",
        "headers": headers | (CHALLENGE if status == 401 else {}),
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {"properties": {"code": {"enum": codes}}},
                    ]
                },
                "examples": {
                    code: {"$ref": f"#/components/examples/{code}"} for code in codes
                },
            }
        },
    }


def examples() -> Json:
    """One of each code, by code."""
    return {
        code: {"summary": title, "value": problem(code, "what to do, in words")}
        for code, (_, title) in CODES.items()
    }
