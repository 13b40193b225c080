"""How one provider is polled: what the operator and the provider's page say of it."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """Which rule places the polls of a task that runs."""

    FIXED = "fixed"  # always the interval
    BACKOFF = "backoff"  # a gap that doubles: the habit of others, to compare with
    LEARNED = "learned"  # where such tasks have been seen to end


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """All in seconds."""

    first_s: float = 5.0
    interval_s: float = 5.0  # what may be spent: as many polls as if asked so often
    min_s: float = 1.0
    max_s: float = 60.0
    mode: Mode = Mode.LEARNED
    expected_s: float | None = None  # how long a task usually takes, says the page
    refresh_s: float | None = None  # how often the provider itself looks
    timeout_s: float = 30.0
    grace_s: float = 120.0  # "not found" means little for so long
    deadline_s: float = 86_400.0
    retention_s: float = 604_800.0  # how long the provider knows an ended task
    link_lifetime_s: float = 3_600.0  # of result links whose expiry is not known
