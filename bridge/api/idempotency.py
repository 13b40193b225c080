"""`Idempotency-Key`: the same request twice does its work once.

What a key was used for is remembered by the store. Here is only what no database can
know: that the first request is still being worked on, in this process.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from starlette.requests import Request

from bridge.api.problem import refusal
from bridge.errors import FieldFault, RequestError
from bridge.model import IdempotencyKey
from bridge.portable import portable

HEADER = "Idempotency-Key"
MAX_CHARS = 255
AGAIN_S = 1.0

_KEY = re.compile(f"[ -~]{{1,{MAX_CHARS}}}")


def key_of(request: Request) -> str | None:
    return checked(request.headers.get(HEADER, ""))


def checked(given: str) -> str | None:
    """None: there is none. Raises RequestError."""
    key = given.strip()
    if key and not _KEY.fullmatch(key):
        fault = FieldFault(HEADER, f"must be up to {MAX_CHARS} printable ASCII characters")
        raise refusal([fault])
    return key or None


def remembered(route: str, key: str | None, asked: Any) -> IdempotencyKey | None:
    """The key together with all that must be the same when it comes again.

    A key in a header counts like one in the body. The order of fields does not count.
    """
    return IdempotencyKey(route=route, key=key, body=digest(asked)) if key else None


def replay_header(*, replayed: bool) -> dict[str, str]:
    """What an answer says that is not the first under its key."""
    return {"Idempotency-Replayed": "true"} if replayed else {}


def digest(asked: Any) -> bytes:
    """Equal for what is equal as JSON."""
    try:
        written = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # deeper than anything that is taken
        written = orjson.dumps(portable(asked), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(written).digest()


class InFlight:
    """The keys of requests that have not been answered yet."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str, str]] = set()

    @contextmanager
    def hold(self, client: str, route: str, key: str | None) -> Iterator[None]:
        """Raises RequestError `idempotency_in_flight` if somebody else holds it."""
        if key is None:
            yield
            return
        held = (client, route, key)
        if held in self._keys:
            raise RequestError(
                "idempotency_in_flight",
                "a request with this Idempotency-Key has not been answered yet",
                retry_after_s=AGAIN_S,
            )
        self._keys.add(held)
        try:
            yield
        finally:
            self._keys.discard(held)
