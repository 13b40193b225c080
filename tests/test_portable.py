"""JSON that can always be written, and read by everybody."""

import json
from datetime import date
from typing import Any

import orjson
import pytest

from bridge.portable import DEEPEST, encode, is_inline, portable


def nested(levels: int) -> Any:
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


def test_ordinary_json_is_written_as_it_is() -> None:
    """
    Compact, in UTF-8, keys in the order they were put in.
    """
    assert encode({"b": "Zoë 🎬", "a": [1, None]}) == '{"b":"Zoë 🎬","a":[1,null]}'.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**64, b'"18446744073709551616"'),
        (-(2**63) - 1, b'"-9223372036854775809"'),
        (["\ud800x"], b'["?x"]'),
        ({"\ud800": 2**70}, b'{"?":"1180591620717411303424"}'),
        ({1: True, None: (1, 2)}, b'{"1":true,"None":[1,2]}'),
        ([float("nan"), 2**70, 1.5], b'[null,"1180591620717411303424",1.5]'),
        ([object, 1], b"[\"<class 'object'>\",1]"),
        (date(2026, 11, 25), b'"2026-11-25"'),
    ],
    ids=str,
)
def test_what_json_cannot_carry_becomes_text(value: Any, text: bytes) -> None:
    """
    An end that fails to encode would crash the poller or never be told.
    """
    assert encode(value) == text


@pytest.mark.parametrize("levels", [101, 254, 255, 400, 900])
def test_nesting_without_end_is_cut(levels: int) -> None:
    """
    Metadata of a few hundred brackets fits into 16 KiB, but not into every parser.
    """
    assert json.loads(encode(nested(levels)))
    kept = portable(nested(levels))
    for _ in range(DEEPEST):
        kept = kept["in"] if isinstance(kept, dict) else kept[0]
    assert kept is None


def test_the_deepest_level_allowed_is_kept() -> None:
    """
    One off here would empty what callers rely on.
    """
    assert portable(nested(DEEPEST)) == nested(DEEPEST)
    assert encode(nested(DEEPEST)) == orjson.dumps(nested(DEEPEST))


@pytest.mark.parametrize(
    ("text", "inline"),
    [
        ("data:video/mp4;base64,AAAA", True),
        ("\n Data:,x", True),
        ("https://h/data:x", False),
        ("database: down", False),
        ("", False),
        (None, False),
    ],
)
def test_a_data_url_is_told_from_text(text: str | None, inline: bool) -> None:
    """
    Bytes in place of an address must not travel; words that look alike must.
    """
    assert is_inline(text) is inline
    assert portable([text], inline=False) == [None if inline else text]
    assert portable([text]) == [text]
