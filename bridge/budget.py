"""How many requests a rate limit allows now: the generic cell rate algorithm."""

import math

from bridge.rate import Rate

SLACK_S = 1e-6  # floats near today's unix time are exact to less than this
BURST_SHARE = 10  # a tenth of the rate may go at once: a claim shall be worth its cost


class Budget:
    """One credential's requests: in any span of `rate.per_s`, `rate.count` at most.

    `spent_at` is when to take all of it for spent: by a former process, say.

    >>> budget = Budget(Rate(2, 1.0))
    >>> budget.take(1, 0.0)
    >>> budget.available(0.4), budget.free_at(0.4), budget.available(0.5)
    (0, 0.5, 1)
    """

    def __init__(self, rate: Rate, spent_at: float = -math.inf) -> None:
        self._burst = max(1, rate.count // BURST_SHARE)
        self._gap_s = rate.per_s / (rate.count - self._burst + 1)
        # When the whole burst is available again.
        self._full_at = spent_at + self._burst * self._gap_s

    def available(self, now: float) -> int:
        """Requests that may be made at once."""
        owed = max(self._full_at - SLACK_S - now, 0.0) / self._gap_s
        return max(self._burst - math.ceil(owed), 0)

    def take(self, count: int, now: float) -> None:
        self._full_at = max(self._full_at, now) + count * self._gap_s

    def free_at(self, now: float) -> float:
        """When the next request may be made."""
        return max(self._full_at - (self._burst - 1) * self._gap_s, now)
