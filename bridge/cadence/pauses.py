"""Pauses after polls that failed, and of credentials that are refused or throttled."""

from bridge.cadence.policy import PollPolicy

JITTER = 0.1  # gaps are spread evenly over ±10 %, so the mean stays the interval
PAUSE_MAX_S = 300.0  # between polls that fail
CLOSING_PAUSE_MAX_S = 30.0  # … while a deadline waits for one last answer
REFUSED_PAUSE_S = 10.0  # before the first probe of a refused key; doubles up to PAUSE_MAX_S
THROTTLED_PAUSE_S = 1.0  # after a 429 without Retry-After; doubles up to a minute
THROTTLED_PAUSE_MAX_S = 60.0
RETRY_AFTER_MAX_S = 3_600.0  # a provider's Retry-After is believed up to here


def pause_s(
    policy: PollPolicy, failures: int, dice: float, *, closing: bool = False
) -> float:
    """Seconds to the next poll after the `failures`-th that failed in a row (from 1).

    >>> [pause_s(PollPolicy(interval_s=5), n, 0.5) for n in (1, 2, 3, 99)]
    [5.0, 10.0, 20.0, 300.0]
    """
    longest = CLOSING_PAUSE_MAX_S if closing else PAUSE_MAX_S
    doubled = policy.interval_s * 2.0 ** min(failures - 1, 30)
    return max(spread(min(doubled, longest), dice), policy.min_s)


def refused_pause_s(probes: int, dice: float) -> float:
    """Seconds for which a credential rests after its `probes`-th confirmed refusal.

    >>> refused_pause_s(0, 0.0), refused_pause_s(1, 0.0), refused_pause_s(9, 0.0)
    (0.0, 10.0, 300.0)
    """
    if not probes:
        return 0.0
    return later(min(REFUSED_PAUSE_S * 2.0 ** min(probes - 1, 30), PAUSE_MAX_S), dice)


def throttled_pause_s(throttles: int, retry_after_s: float | None, dice: float) -> float:
    """Seconds for which a credential rests after 429, the `throttles`-th since it worked.

    >>> [throttled_pause_s(n, asked_s, 0) for n, asked_s in ((0, None), (3, None), (0, 7))]
    [1.0, 8.0, 7.0]
    """
    if retry_after_s is not None:
        return later(min(max(retry_after_s, THROTTLED_PAUSE_S), RETRY_AFTER_MAX_S), dice)
    return later(
        min(THROTTLED_PAUSE_S * 2.0 ** min(throttles, 30), THROTTLED_PAUSE_MAX_S), dice
    )


def spread(delay_s: float, dice: float) -> float:
    return delay_s * (1 - JITTER + 2 * JITTER * dice)


def later(delay_s: float, dice: float) -> float:
    """Jitter that only adds: for what somebody else asked us to wait."""
    return delay_s * (1 + JITTER * dice)
