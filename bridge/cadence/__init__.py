"""When to ask a provider. Pure: `dice` is a number in [0, 1) that the caller draws.

Polls of a task that runs are placed by a `Plan`, made from what was seen of such tasks
(`History`) for what the operator allows (`PollPolicy`), and further apart where all have to
wait for a rate limit (`stretched`). Polls that fail have growing pauses.
"""

from bridge.cadence.ages import COUNT, EDGES
from bridge.cadence.history import History
from bridge.cadence.pauses import (
    CLOSING_PAUSE_MAX_S,
    JITTER,
    PAUSE_MAX_S,
    RETRY_AFTER_MAX_S,
    THROTTLED_PAUSE_MAX_S,
    later,
    pause_s,
    refused_pause_s,
    spread,
    throttled_pause_s,
)
from bridge.cadence.plan import Plan, fixed, learned
from bridge.cadence.policy import Mode, PollPolicy
from bridge.cadence.progress import Pace, following, remaining_s
from bridge.cadence.stretch import Stretch, stretched

__all__ = [
    "CLOSING_PAUSE_MAX_S",
    "COUNT",
    "EDGES",
    "JITTER",
    "PAUSE_MAX_S",
    "RETRY_AFTER_MAX_S",
    "THROTTLED_PAUSE_MAX_S",
    "History",
    "Mode",
    "Pace",
    "Plan",
    "PollPolicy",
    "Stretch",
    "fixed",
    "following",
    "later",
    "learned",
    "pause_s",
    "refused_pause_s",
    "remaining_s",
    "spread",
    "stretched",
    "throttled_pause_s",
]
