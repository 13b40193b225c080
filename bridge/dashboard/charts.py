"""Figures → the geometry of SVG charts, drawn by a template. Pure.

Across they are in hundredths of the width, whatever that is, and so labels keep their size;
up and down in pixels, of which there are H. The text beside a chart says the same in words.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

from bridge.dashboard.words import span

H, TOP, BOTTOM = 150.0, 8.0, 22.0
W, INNER_H = 100.0, H - TOP - BOTTOM
MINUTES, LABELS = 60, 5
FASTEST_S = 0.001


@dataclass(frozen=True, slots=True)
class Bar:
    x: float  # in hundredths of the width, as all that is across
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    at: float  # along its axis
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    bars: Sequence[Bar] = ()
    dots: Sequence[Dot] = ()
    line: str = ""  # points of a polyline
    across: Sequence[Tick] = ()  # labels below, the first at the left edge
    up: Sequence[Tick] = ()  # labels at the left, with a rule each
    summary: str = ""
    empty: bool = False


def ends_chart(ends: Iterable[tuple[float, str]], now: float) -> Chart:
    """Ends in each of the last 60 minutes: those that succeeded below, the others above."""
    counts: Counter[tuple[int, bool]] = Counter()
    for at, outcome in ends:
        minute = MINUTES - 1 - int(max(now - at, 0.0) // 60)
        if minute >= 0:
            counts[minute, outcome == "succeeded"] += 1
    most = max((counts[m, True] + counts[m, False] for m in range(MINUTES)), default=0)
    top, step = nice(most), W / MINUTES
    bars: list[Bar] = []
    for minute in range(MINUTES):
        floor = TOP + INNER_H
        for well, tone in ((True, "good"), (False, "bad")):
            if count := counts[minute, well]:
                height = count / top * INNER_H
                floor -= height
                what = "succeeded" if well else "ended otherwise"
                title = f"{count} {what}, {ago(MINUTES - 1 - minute)}"
                x, width = r(minute * step + 0.1), r(step - 0.2)
                bars.append(Bar(x, r(floor), width, r(height), tone, title))
    good = sum(count for (_, ok), count in counts.items() if ok)
    total = sum(counts.values())
    return Chart(
        bars=bars,
        across=the_hour(),
        up=[Tick(r(TOP + INNER_H * (1 - p)), f"{top * p:g}") for p in (0, 0.5, 1)],
        summary=f"{total} ends, {good} succeeded, at most {most} in a minute"
        if total
        else "Nothing has ended in the last hour.",
        empty=not total,
    )


def the_hour() -> list[Tick]:
    return [Tick(25.0 * part, ago(60 - 15 * part)) for part in range(LABELS)]


def ago(minutes: int) -> str:
    return f"−{minutes} min" if minutes else "now"


def lag_chart(lags: Iterable[tuple[float, float | None]], now: float) -> Chart:
    """One dot for each end of the last hour, by time and, in powers of ten, by its lag."""
    known = sorted((s, at) for at, s in lags if s is not None and 0 <= now - at <= 3_600)
    if not known:
        return Chart(empty=True, summary="Nothing to show of the last hour.")
    low = int(log10(max(known[0][0], FASTEST_S)) // 1)
    high = max(ceil(log10(max(known[-1][0], FASTEST_S))), low + 1)

    def y(lag_s: float) -> float:
        share = (log10(max(lag_s, 10.0**low)) - low) / (high - low)
        return r(TOP + INNER_H * (1 - share))

    middle, most = percentile(known, 0.5), percentile(known, 0.95)
    return Chart(
        dots=[
            Dot(r(W * (1 - (now - at) / 3_600)), y(lag_s), span(lag_s))
            for lag_s, at in known
        ],
        across=the_hour(),
        up=[Tick(y(10.0**n), power(n)) for n in range(low, high + 1)],
        summary=f"half within {span(middle)}, 95 % within {span(most)}",
    )


def percentile(known: Sequence[tuple[float, float]], share: float) -> float:
    """The least that `share` of them do not exceed; they are sorted.

    >>> percentile([(1.0, 0), (2.0, 0), (3.0, 0)], 0.5)
    2.0
    """
    return known[ceil(share * len(known)) - 1][0]


def power(n: int) -> str:
    """
    >>> power(-2), power(0), power(2), power(4)
    ('10 ms', '1 s', '100 s', '10000 s')
    """
    return f"{10 ** (n + 3)} ms" if n < 0 else f"{10**n} s"


def durations_chart(ages: Sequence[Mapping[str, Any]]) -> Chart:
    """Where tasks end, as bars, and over them how densely they are polled there."""
    if not ages:
        return Chart(empty=True, summary="Nothing has been seen to end yet.")
    most = max(age["ended"] for age in ages) or 1.0
    densest = max(1 / age["gap_s"] for age in ages)
    step = W / len(ages)
    bars, points = [], []
    for index, age in enumerate(ages):
        x, height = index * step, age["ended"] / most * INNER_H
        share, until, gap = age["ended"], span(age["until_s"]), span(age["gap_s"])
        title = f"{share:.1%} end by {until}, polled every {gap}"
        bars.append(
            Bar(
                r(x + 0.1),
                r(TOP + INNER_H - height),
                r(step - 0.2),
                r(height),
                "busy",
                title,
            )
        )
        y = TOP + INNER_H * (1 - 0.94 / age["gap_s"] / densest)
        points.append(f"{r(x + step / 2)},{r(y)}")
    return Chart(
        bars=bars,
        line=" ".join(points),
        across=[
            Tick(r(index * step), span(ages[index]["until_s"]))
            for index in range(0, len(ages), max(ceil(len(ages) / LABELS), 1))
        ],
        up=[Tick(TOP + INNER_H, "0"), Tick(TOP, f"{most:.0%}")],
        summary=f"polled every {span(1 / densest)} where it is densest",
    )


def nice(most: int) -> int:
    """The top of an axis: 2, 4 or 10 with zeros.

    >>> [nice(most) for most in (0, 1, 3, 7, 12, 90)]
    [2, 2, 4, 10, 20, 100]
    """
    size = 1
    while True:
        for head in (2, 4, 10):
            if most <= head * size:
                return head * size
        size *= 10


def r(value: float) -> float:
    """
    >>> r(1.23456)
    1.23
    """
    return round(value, 2)
