"""Spans of time as people write them: "90s", "2h30m", or plain seconds."""

import math
import re

LONGEST_S = 3653 * 86_400.0  # ten years: beyond that it is a slip of the pen

# Largest first, which is also the order in which they must be written.
UNITS_S = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}

_PLAIN = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_WRITTEN = re.compile(
    "".join(rf"(?:([0-9]{{1,15}}(?:\.[0-9]{{1,9}})?)\s?{unit}\s?)?" for unit in UNITS_S),
    re.ASCII,
)


def seconds(value: str | float) -> float:
    """The span in seconds, from 0 to ten years. Raises ValueError with the way to write it.

    Units: ms s m h d w, each once, largest first. A bare number is seconds.

    >>> seconds("90s"), seconds("2h30m"), seconds("1.5h"), seconds("250ms"), seconds(30)
    (90.0, 9000.0, 5400.0, 0.25, 30.0)
    >>> seconds("soon")
    Traceback (most recent call last):
        ...
    ValueError: 'soon' is not a duration; write it like "90s", "2h30m" or "30d"
    """
    found = _number(value) if isinstance(value, str) else _plain(value)
    if found > LONGEST_S:
        raise ValueError("longer than ten years")
    return found


def text(span_s: float) -> str:
    """The span as `seconds` reads it, to the nearest millisecond.

    >>> text(90), text(0.25), text(30 * 86_400), text(9000.5), text(0)
    ('1m30s', '250ms', '30d', '2h30m500ms', '0s')
    """
    rest_ms = round(abs(span_s) * 1000)
    parts = ["-"] if span_s < 0 and rest_ms else []
    for unit, size_s in UNITS_S.items():
        if unit == "w":  # "30d" is plainer than "4w2d"
            continue
        count, rest_ms = divmod(rest_ms, round(size_s * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _plain(value: float) -> float:
    # bool is an int to Python, but `timeout: true` is not one second.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"not a duration; {_ADVICE}")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"not a duration; {_ADVICE}")
    if value < 0:
        raise ValueError("a duration cannot be negative")
    return float(min(value, LONGEST_S * 2))  # float() of a huge int would overflow


def _number(written: str) -> float:
    bare = written.strip()
    if _PLAIN.fullmatch(bare):
        return float(bare)
    match = _WRITTEN.fullmatch(bare) if bare else None
    if match is None:
        if re.match(r"-\s*[0-9]", bare):
            raise ValueError("a duration cannot be negative")
        raise ValueError(f"{written[:24]!r} is not a duration; {_ADVICE}")
    counts = zip(match.groups(default="0"), UNITS_S.values(), strict=True)
    return math.fsum(float(count) * size_s for count, size_s in counts)


_ADVICE = 'write it like "90s", "2h30m" or "30d"'
