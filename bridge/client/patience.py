"""How often, and for how long, what fails in passing is tried again."""

import math
from collections.abc import Callable

from bridge.client.errors import Refused
from bridge.errors import ClientError

FIRST_PAUSE_S, MOST_PAUSE_S = 0.25, 8.0


def pause_s(failures: int, error: ClientError, dice: float) -> float:
    """Before the next try: doubled each time, up to half of it by chance; no earlier than
    the bridge has asked for.

    >>> gone = ClientError("connection refused")
    >>> [pause_s(n, gone, 1.0) for n in (1, 2, 3, 9)]
    [0.25, 0.5, 1.0, 8.0]
    >>> pause_s(1, Refused(429, "rate_limited", "", retry_after_s=5.0), 0.0)
    5.0
    """
    step_s: float = min(FIRST_PAUSE_S * 2 ** (failures - 1), MOST_PAUSE_S)
    asked_s = error.retry_after_s if isinstance(error, Refused) else None
    return max(step_s * (0.5 + dice / 2), asked_s or 0.0)


class Patience:
    """Ends `for_s` after the first failure of a row, and at `end` in any case."""

    def __init__(
        self,
        for_s: float,
        *,
        now: Callable[[], float],
        dice: Callable[[], float],
        end: float = math.inf,
    ) -> None:
        self._for_s, self._end, self._now, self._dice = for_s, end, now, dice
        self._failures, self._until = 0, math.inf

    def renew(self) -> None:
        """It went well: the next failure is the first."""
        self._failures = 0

    def rest_s(self, error: ClientError) -> float:
        """Before the next try. Raises `error` if there is to be none."""
        now = self._now()
        if not self._failures:  # what was held before it is no part of the failure
            self._until = min(now + self._for_s, self._end)
        self._failures += 1
        rest_s = pause_s(self._failures, error, self._dice())
        if not error.passing or now + rest_s > self._until:
            raise error
        return rest_s
