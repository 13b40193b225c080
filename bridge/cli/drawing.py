"""Pictures in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

ROWS = 24
WIDTH = 40
BLOCKS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int = WIDTH) -> str:
    """
    >>> bar(0.5, 4), bar(0.3, 4), bar(0.0, 4)
    ('██', '█▎', '')
    """
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return ("█" * (eighths // 8) + BLOCKS[eighths % 8]).rstrip()


def durations(learned: Mapping[str, Any]) -> list[str]:
    """How long tasks take and how closely they are asked about, by age.

    `learned` is one item of `GET /providers/{name}/durations`.
    """
    rows = merged(learned["ages"], ROWS)
    most = max((row["ended"] for row in rows), default=0.0) or 1.0
    name = learned["model"] or "all models"
    yours = f"{learned['tasks']:,.0f} tasks, believed to {learned['trust']:.0%}"
    return [
        f"{name}: {yours}",
        f"{'age':>8}  {'tasks that end':<{WIDTH}}  a poll every",
        *(
            f"{short(row['until_s']):>8}  {bar(row['ended'] / most):<{WIDTH}}"
            f"  {short(row['gap_s'])}"
            for row in rows
        ),
    ]


def merged(ages: Sequence[Mapping[str, float]], most: int) -> list[dict[str, float]]:
    """As many neighbours together as it takes for so many rows."""
    each = -(-len(ages) // most) or 1
    groups = [ages[start : start + each] for start in range(0, len(ages), each)]
    return [
        {
            "until_s": group[-1]["until_s"],
            "ended": sum(one["ended"] for one in group),
            "gap_s": sum(one["gap_s"] for one in group) / len(group),
        }
        for group in groups
    ]


def short(seconds: float) -> str:
    """
    >>> short(3.21), short(75), short(5400)
    ('3.2 s', '75 s', '1.5 h')
    """
    if seconds >= 3_600:
        return f"{seconds / 3_600:.3g} h"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
