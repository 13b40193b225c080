"""Query strings: every parameter known, every value read, all faults at once."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.requests import Request

from bridge import duration, rfc3339
from bridge.api.faults import TOLD, unknown
from bridge.api.problem import refusal
from bridge.errors import FieldFault

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MAX_WAIT_S = 60.0
TEXT_CHARS = 512

Reader = Callable[[str], Any]


def read_query(request: Request, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The values by name; blank ones are absent. Raises RequestError `invalid_request`."""
    if not request.scope["query_string"]:
        return {}
    found: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, text in request.query_params.multi_items():
        if len(faults) == TOLD:
            break
        if name not in readers:
            faults.append(unknown(name, readers, what="query parameter"))
        elif name in found:
            faults.append(FieldFault(name, "given twice; keep one of them"))
        elif text.strip():
            try:
                found[name] = readers[name](text.strip())
            except ValueError as error:
                faults.append(FieldFault(name, str(error)))
    if faults:
        raise refusal(faults)
    return found


@dataclass(frozen=True, slots=True)
class OneOf:
    """Reads one of a closed list."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        if text not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}")
        return text


def one_of(kind: type[StrEnum]) -> OneOf:
    return OneOf(tuple(str(each) for each in kind))


def plain_text(text: str) -> str:
    if len(text) > TEXT_CHARS or not text.isprintable():
        raise ValueError(f"must be up to {TEXT_CHARS} printable characters")
    return text


def host(text: str) -> str:
    return plain_text(text).lower().rstrip(".")


def limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def wait(text: str) -> float:
    """
    >>> wait("30"), wait("1m")
    (30.0, 60.0)
    """
    wait_s = duration.seconds(text)
    if wait_s > MAX_WAIT_S:
        raise ValueError(f"must be from 0 to {MAX_WAIT_S:g} seconds; ask again after that")
    return wait_s


WAITING: Mapping[str, Reader] = {"wait": wait}


def time(text: str) -> float:
    """The "+" of an offset arrives as a space if nobody has escaped it.

    >>> time("2026-11-25T13:00:00 01:00") == time("2026-11-25T12:00:00Z")
    True
    """
    return rfc3339.unix(re.sub(r" (?=\d\d:\d\d$)", "+", text))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Reads what `cursor_after` has written for the list called `of`."""

    of: str

    def __call__(self, text: str) -> int:
        try:
            padded = text + "=" * (-len(text) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        except ValueError:
            raw = ""
        match = re.fullmatch(rf"{self.of}:([0-9]{{1,18}})", raw, re.ASCII)
        if match is None:
            raise ValueError("not a `next_cursor` of this list; leave it out to begin anew")
        return int(match[1])


def cursor_after(of: str, before: int | None) -> str | None:
    """
    >>> Cursor("deliveries")(cursor_after("deliveries", 7) or "")
    7
    """
    if before is None:
        return None
    return base64.urlsafe_b64encode(f"{of}:{before}".encode()).decode().rstrip("=")
