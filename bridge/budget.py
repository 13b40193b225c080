"""How many requests a rate limit allows now: the generic cell rate algorithm. Pure."""

import math
from dataclasses import dataclass, replace

from bridge.rate import Rate

SLACK_S = 1e-6  # floats near today's unix time are exact to less than this
LATE_S = 60.0  # no claim comes so long after it looked at its clock
BURST_SHARE = 15  # about so little of the rate may go at once: a claim is worth its cost

# One request is longer on its way than another, so those of a span may arrive in less:
# so much less is provided for. With the burst it costs a tenth of the rate at most.
UNEVEN_S = 0.03
UNEVEN_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Budget:
    """One credential's requests, or a robot's messages: in any span of `rate.per_s`,
    `rate.count` at most leave, and arrive if one is no more than 30 ms (3 % of the span)
    longer on its way than another.

    `full_at` is all there is to remember: when the whole burst will be available again.

    >>> budget = Budget(Rate(2, 1.0)).spend(1, 0.0)
    >>> budget.available(0.4), budget.free_at(0.4), budget.available(0.515)
    (0, 0.515, 1)
    """

    rate: Rate
    full_at: float = 0.0
    at_once: int = 0  # the burst; 0: a share of the rate

    @property
    def burst(self) -> int:
        count = self.rate.count
        return self.at_once or max(1, min(count // 10, count // BURST_SHARE + 1))

    @property
    def gap_s(self) -> float:
        per_s = self.rate.per_s
        uneven_s = min(UNEVEN_S, UNEVEN_SHARE * per_s)
        return (per_s + uneven_s) / (self.rate.count - self.burst + 1)

    def available(self, now: float) -> int:
        """Requests that may be made at once."""
        owed = max(self._full_at(now) - SLACK_S - now, 0.0) / self.gap_s
        return max(self.burst - math.ceil(owed), 0)

    def spend(self, count: int, now: float) -> "Budget":
        full_at = max(self._full_at(now), now) + count * self.gap_s
        return replace(self, full_at=full_at)

    def free_at(self, now: float) -> float:
        """When the next request may be made."""
        return max(self._full_at(now) - (self.burst - 1) * self.gap_s, now)

    def _full_at(self, now: float) -> float:
        """Under a smaller rate, that of a former configuration, more was owed.

        Under this one it is never more than the burst; one more leaves room for rounding.
        A little more is owed by the clock of a claim that comes late, and stays so.
        """
        most = now + (self.burst + 1) * self.gap_s
        return self.full_at if self.full_at <= most + LATE_S else most
