"""How often something may be done: "20/s", "600/m", "5/10s"."""

import re
from dataclasses import dataclass

from bridge.duration import seconds, text

_WRITTEN = re.compile(r"([0-9]{1,9})\s?/\s?([0-9a-z. ]{0,40}[a-z])", re.ASCII)
LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `per_s` seconds.

    >>> str(Rate(600, 60.0)), str(Rate(5, 10.0)), Rate(600, 60.0).per_second
    ('600/m', '5/10s', 10.0)
    """

    count: int
    per_s: float = 1.0

    @property
    def per_second(self) -> float:
        return self.count / self.per_s

    def __str__(self) -> str:
        span = text(self.per_s)
        return f"{self.count}/{span[1:] if span[1:].isalpha() and span[0] == '1' else span}"


def rate(written: str) -> Rate:
    """Raises ValueError with the way to write it.

    >>> rate("20/s"), rate("600/m"), rate("5/10s")
    (Rate(count=20, per_s=1.0), Rate(count=600, per_s=60.0), Rate(count=5, per_s=10.0))
    >>> rate("often")
    Traceback (most recent call last):
        ...
    ValueError: 'often' is not a rate; write it like "20/s", "600/m" or "5/10s"
    """
    match = _WRITTEN.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        raise ValueError(f"{_shown(written)} is not a rate; {_ADVICE}")
    count, span = int(match[1]), match[2]
    try:
        per_s = seconds(f"1{span}" if span.isalpha() else span)
    except ValueError:
        raise ValueError(f"{_shown(written)} is not a rate; {_ADVICE}") from None
    if count == 0 or not 0 < per_s <= LONGEST_S:
        raise ValueError("a rate is at least 1, in a span of up to one day")
    return Rate(count, per_s)


def _shown(value: object) -> str:
    return repr(value[:24]) if isinstance(value, str) else "that"


_ADVICE = 'write it like "20/s", "600/m" or "5/10s"'
