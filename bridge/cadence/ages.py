"""Ages of tasks in buckets that grow with age: a second matters at ten, not at a thousand.

>>> [round(edge, 2) for edge in (EDGES[0], EDGES[1], EDGES[-1])]
[0.5, 0.53, 174162.44]
"""

from itertools import pairwise
from math import log

START_S = 0.5  # a task that is younger is as good as new
RATIO = 1.06
COUNT = 219  # up to two days, beyond every provider's own time limit

EDGES = tuple(START_S * RATIO**n for n in range(COUNT + 1))
WIDTHS = tuple(after - before for before, after in pairwise(EDGES))

_SCALE = 1 / log(RATIO)


def bucket(age_s: float) -> int:
    """Which of the `COUNT` buckets an age is in; all that is too young is in the first.

    >>> bucket(-3), bucket(0.5), bucket(0.55), bucket(1e9) == COUNT - 1
    (0, 0, 1, True)
    """
    if age_s <= START_S:
        return 0
    return min(int(log(age_s / START_S) * _SCALE + 1e-9), COUNT - 1)
