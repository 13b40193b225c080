"""How long all have to wait when a rate limit is too small for their wishes. Pure.

The multiplier of every gap of one client's tasks with one credential. It stretches all of
them alike, measured in polls that would have been due, so what can still be asked goes
where it helps most: no poll that is left out would gain more than another.

Nothing has to be summed over all watches: what was waited for by those that are asked says
how much too many the wishes are. What is aimed at is a little less than that, so that some
always wait and no request of the limit goes unused.
"""

from typing import NamedTuple

AIM = 0.85  # of the wait that was seen
FOLLOW = 0.02  # how far one poll moves it: fifty are the memory
EASE = 0.01  # how far one poll moves it down when nobody has to wait
LEAP = 1.5  # a wait is believed up to so many times the one that was meant
HALF_S = 60.0  # without anybody having to wait, after which half of it is forgotten
MOST = 10_000.0


class Stretch(NamedTuple):
    """The multiplier, and when somebody last had to wait."""

    factor: float = 1.0
    at: float = 0.0

    def now(self, now: float) -> float:
        """What is left of it: a crowd that has gone leaves nobody waiting.

        >>> Stretch(9.0, 0.0).now(60.0), Stretch(9.0, 0.0).now(1e9)
        (5.0, 1.0)
        """
        halvings = min(max(now - self.at, 0.0) / HALF_S, 60.0)
        return 1.0 + (self.factor - 1.0) * float(0.5**halvings)


def stretched(stretch: float, waited: float, *, short: bool) -> float:
    """The new multiplier after a poll that came when `waited` polls would have been due.

    `short`: others were due as well, and the limit had nothing left for them. After an
    outage all have waited long, whatever the limit: hence no leaps.

    >>> stretched(1.0, 1.0, short=False), stretched(1.0, 1.0, short=True)
    (1.0, 1.0)
    >>> round(stretched(20.0, 30.0, short=True), 2)
    20.11
    >>> round(stretched(30.0, 30.0, short=False), 2)
    29.7
    """
    waited = min(waited, LEAP * stretch + 1)
    change = FOLLOW * (AIM * waited - stretch) if short else -EASE * stretch
    return min(max(stretch + change, 1.0), MOST)
