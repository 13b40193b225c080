"""What callers call a model, where the provider does not name it, and whose place is free.

It is kept apart from providers' own names: it is the caller's, and told to nobody else.
"""

from collections.abc import Mapping
from typing import NamedTuple

LABEL = "~"  # in front of it; `due_polls` writes it, too
FEW = 3.0  # ends of tasks: fewer are nothing to hold a place by for long
SHORT_S = 600.0  # without a poll: others may have the place of one of few tasks
IDLE_S = 86_400.0  # … and of any
KEPT_S = 30 * 86_400.0  # without a poll: it is forgotten


class Use(NamedTuple):
    ends: float  # that were ever seen
    at: float  # when it was polled last, or another node told of it


def is_label(model: str) -> bool:
    return model.startswith(LABEL)


def giving_way(uses: Mapping[str, Use], now: float) -> str | None:
    """Which of these models gives its place to a new one: of few tasks, one that nobody has
    asked for in ten minutes; else one that nobody has in a day; else none.

    So what is used stays, and who invents labels without end displaces those alone.

    >>> giving_way({"old": Use(9, 0), "new": Use(1, 50), "newer": Use(2, 60)}, now=700)
    'new'
    >>> giving_way({"old": Use(9, 0), "busy": Use(9, 99_000)}, now=100_000)
    'old'
    >>> giving_way({"busy": Use(9, 0), "new": Use(1, 50)}, now=100)
    """
    few = [m for m, use in uses.items() if use.ends < FEW and use.at < now - SHORT_S]
    idle = [m for m, use in uses.items() if use.at < now - IDLE_S]
    return min(few or idle, key=lambda model: uses[model].at, default=None)
