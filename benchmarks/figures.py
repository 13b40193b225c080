"""Several measurements of the same things → one table.

Ours and the bare loop's are measured in turn (A B A B …), so that a machine that is busy
with something else slows both, and the ratio of neighbours stays worth reading.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, TypeVar

A = TypeVar("A")
B = TypeVar("B")

HEADINGS = ("what", "unit", "poll-bridge", "beside it", "ratio", "target", "aim")
ALIGNMENT = ("---", "---", "--:", "--:", "--:", "---", "---")


class Target(NamedTuple):
    """What a row should come to in words: enough, and well."""

    least: str = ""
    aim: str = ""


NONE_SET = Target()


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured in every round, and what stands beside it, if anything does."""

    what: str
    unit: str
    ours: Sequence[float]
    beside: Sequence[float] = ()
    target: Target = NONE_SET

    @property
    def ratios(self) -> list[float]:
        """Of neighbours, round by round."""
        pairs = zip(self.ours, self.beside, strict=False)
        return [ours / beside for ours, beside in pairs if beside]

    def cells(self) -> tuple[str, ...]:
        spreads = (spread(self.ours), spread(self.beside), spread(self.ratios))
        return (self.what, self.unit, *spreads, *self.target)


def rounds(count: int, ours: Callable[[], A], beside: Callable[[], B]) -> list[tuple[A, B]]:
    """One after the other, `count` times."""
    return [(ours(), beside()) for _ in range(count)]


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most where there are several.

    >>> spread([3, 1, 2]), spread([0.5]), spread([])
    ('2.00 (1.00–3.00)', '0.500', '')
    """
    if not values:
        return ""
    middle = short(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({short(min(values))}–{short(max(values))})"


def short(value: float) -> str:
    """Three digits of it are worth reading.

    >>> short(12345.6), short(123.4), short(12.34), short(0.01234), short(0)
    ('12,346', '123', '12.3', '0.0123', '0')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    return f"{value:#.3g}"


def percentile(values: Iterable[float], percent: float) -> float:
    """
    >>> percentile(range(1, 101), 95), percentile([7], 50)
    (95, 7)
    """
    ordered = sorted(values)
    return ordered[max(round(len(ordered) * percent / 100) - 1, 0)]


def table(rows: Iterable[Row]) -> str:
    return written(HEADINGS, ALIGNMENT, (row.cells() for row in rows))


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A name at the left, figures beside it."""
    return written(headings, ("---", *["--:"] * (len(headings) - 1)), rows)


def written(
    headings: Sequence[str], alignment: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, alignment, *rows))
