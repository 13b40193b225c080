"""Anything as JSON that every receiver can read.

An event must never fail to be told because of what a caller or a provider put into it.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

DEEPEST = 100  # levels; orjson reads 1024 but writes 254, and some receivers fewer

_DATA_URL = re.compile(r"\s*data:", re.IGNORECASE)


def encode(value: Any) -> bytes:
    """`value` as JSON, in UTF-8. What JSON cannot carry is made portable first."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(portable(value))


def portable(value: Any, *, inline: bool = True, depth: int = DEEPEST) -> Any:
    """A copy of `value` in plain JSON types.

    What is nested deeper than `depth` becomes null, as do ``data:`` URLs unless `inline`.
    Whole numbers beyond 64 bits, and what JSON has no word for, become text.

    >>> portable({"frame": "data:image/png;base64,iVBO", "seed": 2**70}, inline=False)
    {'frame': None, 'seed': '1180591620717411303424'}
    """
    if isinstance(value, str):
        return None if is_inline(value) and not inline else _text(value)
    if isinstance(value, Mapping | list | tuple):
        return _container(value, inline, depth - 1) if depth else None
    if value is None or isinstance(value, float):
        return value
    return value if isinstance(value, int) and value.bit_length() < 64 else _text(value)


def is_inline(text: str | None) -> bool:
    """Whether `text` is a ``data:`` URL: the bytes themselves instead of their address."""
    return text is not None and _DATA_URL.match(text) is not None


def _container(
    value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], inline: bool, depth: int
) -> Any:
    if isinstance(value, Mapping):
        pairs = value.items()
        return {
            _text(key): portable(each, inline=inline, depth=depth) for key, each in pairs
        }
    return [portable(each, inline=inline, depth=depth) for each in value]


def storable(text: str | None) -> str | None:
    """`text` as any database takes it.

    >>> storable("a\\0b\\ud800")
    'a\ufffdb?'
    """
    return None if text is None else _text(text).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _text(value: Any) -> str:
    return str(value).encode(errors="replace").decode()
