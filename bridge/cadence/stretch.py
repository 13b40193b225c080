"""How long all have to wait when a rate limit is too small for their wishes. Pure.

The multiplier of every gap of one client's tasks with one credential. It stretches all of
them alike, measured in polls that would have been due, so what can still be asked goes
where it helps most: no poll that is left out would gain more than another.

Nothing has to be summed over all watches: what was waited for by those that are asked says
how much too many the wishes are. What is aimed at is a little less than that, so that some
always wait and no request of the limit goes unused.
"""

AIM = 0.85  # of the wait that was seen
FOLLOW = 0.02  # how far one poll moves it: fifty are the memory
EASE = 0.01  # how far one poll moves it down when nobody has to wait
MOST = 10_000.0


def stretched(stretch: float, waited: float, *, short: bool) -> float:
    """The new multiplier after a poll that came when `waited` polls would have been due.

    `short`: others were due as well and could not be asked.

    >>> stretched(1.0, 1.0, short=False), stretched(1.0, 1.0, short=True)
    (1.0, 1.0)
    >>> round(stretched(1.0, 30.0, short=True), 2)
    1.49
    >>> round(stretched(30.0, 30.0, short=False), 2)
    29.7
    """
    change = FOLLOW * (AIM * waited - stretch) if short else -EASE * stretch
    return min(max(stretch + change, 1.0), MOST)
