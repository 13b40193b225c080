"""Bytes of an answer → JSON, and parts of that JSON → values that may be kept and sent.

What comes in may be anything a broken or hostile server can write. What goes out here is
plain JSON of limited size without lone surrogates, numbers that are none, or integers that
other parsers refuse.
"""

import json
import math
import re
from typing import Any

import orjson

SECOND_TRY_BYTES = 1 << 20  # the lenient parser is slow, and sound answers are short
RAW_BYTES = 64 << 10
TEXT_CHARS = 8 << 10  # of one string within `raw`
DEPTH = 32

_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_LINK = re.compile(r"(https?://)[^\s\"'<>]+", re.IGNORECASE)
_KEY = re.compile(
    r"\b((?:sk|pk|rk|ak|r8)[-_]|Bearer\s+|eyJ)[\w.~+/=*-]{8,}", re.ASCII | re.IGNORECASE
)
_BREAKS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


MOST_PARTS = 200_000  # of one answer: objects, lists, items


class _Nothing:
    """The body is no JSON. (null is JSON, and None.)"""


NOTHING = _Nothing()


def parsed(body: bytes) -> Any:
    """The JSON in `body`, or `NOTHING`.

    orjson refuses a lone surrogate, NaN or a byte order mark anywhere. Such an answer may
    still say that the task ended, so it gets a second try.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if len(body) > SECOND_TRY_BYTES:
            return NOTHING
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return NOTHING


def is_bulky(body: bytes) -> bool:
    """Whether reading it would hold up the event loop for longer than a blink.

    What is small as bytes may be millions of objects: 32 MiB of `[],` take seconds and a
    gigabyte. A video in base64 is one long string, and no trouble.
    """
    if len(body) <= SECOND_TRY_BYTES:
        return False
    return sum(map(body.count, (b"{", b"[", b","))) > MOST_PARTS


def is_html(content_type: str, body: bytes) -> bool:
    return "html" in content_type.lower() or body[:256].lstrip().lower().startswith(_HTML)


def line(value: str, limit: int) -> str:
    """`value` on one line, printable, at most `limit` characters, without keys in it.

    >>> line("Incorrect key sk-abcdefgh12345678\\n given\\ud800", 60)
    'Incorrect key sk-… given?'
    """
    text = value[: 4 * limit].encode("utf-8", "replace").decode()
    text = _KEY.sub(r"\1…", _BREAKS.sub(" ", text)).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def detail(value: str, limit: int = 300) -> str:
    """A line for logs and status pages: links are cut too, because links are secrets.

    >>> detail("could not fetch https://cdn.example.com/a.mp4?sig=1 (403)")
    'could not fetch https://… (403)'
    """
    return _LINK.sub(r"\1…", line(value, limit))


class _TooMuch(Exception):
    """The copy is larger than wanted. Never leaves this module."""


def plain(value: Any, limit: int, private: frozenset[str] = frozenset()) -> Any:
    """`value` as plain JSON of at most `limit` bytes, or None if it is larger.

    Objects lose the keys in `private`; inline files and very long texts are cut out.
    """
    try:
        copy = _Copy(limit, private).of(value, 0)
    except _TooMuch:
        return None
    return copy if len(orjson.dumps(copy)) <= limit else None


def raw(answer: Any, private: frozenset[str]) -> Any:
    """The answer for those who asked for it whole, or a note if it is too large."""
    copy = plain(answer, RAW_BYTES, private)
    return (
        {"omitted": "larger than 64 KiB"} if copy is None and answer is not None else copy
    )


class _Copy:
    """One walk, which stops as soon as the copy gets too large to keep."""

    def __init__(self, limit: int, private: frozenset[str]) -> None:
        self.left, self.private = limit, private

    def of(self, value: Any, depth: int) -> Any:
        self.left -= 2
        if self.left < 0:
            raise _TooMuch
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self.number(value)
        if depth >= DEPTH:
            return "…"
        if isinstance(value, list):
            return [self.of(each, depth + 1) for each in value]
        return {
            self.text(key): self.of(each, depth + 1)
            for key, each in value.items()
            if key.lower() not in self.private
        }

    def text(self, value: str) -> str:
        if len(value) > TEXT_CHARS or value[:5].lower() == "data:":
            value = f"… ({len(value)} characters)"
        encoded = value.encode("utf-8", "replace")
        self.left -= len(encoded)
        return encoded.decode()

    def number(self, value: float) -> float | None:
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            self.left -= 8
            return value
        try:
            number = float(value)  # as the other parser reads integers that are too long
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
