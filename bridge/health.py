"""Whether the loops turn and the database syncs: what /livez and /readyz say."""

from collections.abc import Mapping
from typing import NamedTuple

CLOCK, STORE, SYNC = "clock", "store", "sync"  # what may not be ready
STALLED_S = 60.0  # a loop that has not turned for so long is taken for dead


class Pulse(NamedTuple):
    """How the polls of one provider went of late, in this process. Unix seconds."""

    last_ok_at: float | None = None
    down_since: float | None = None


class Health:
    """Pulses of the loops, and reasons for not being ready. Seconds are monotonic."""

    def __init__(self) -> None:
        self._pulses: dict[str, float] = {}
        self._unready: dict[tuple[str, str], str] = {("start", ""): "starting"}

    def beat(self, loop: str, now: float) -> None:
        self._pulses[loop] = now

    def stalled(self, now: float) -> Mapping[str, float]:
        """Loops that have not turned in time, with the seconds since they last did."""
        return {loop: age_s for loop, age_s in self.ages(now).items() if age_s > STALLED_S}

    def ages(self, now: float) -> Mapping[str, float]:
        """Seconds since each loop turned."""
        return {loop: now - at for loop, at in self._pulses.items()}

    def set_unready(self, what: str, why: str, *, by: str = "") -> None:
        """`by` names who says so, where several do: only the same can take it back."""
        self._unready[what, by] = why

    def set_ready(self, what: str, *, by: str = "") -> None:
        self._unready.pop((what, by), None)

    @property
    def unready(self) -> Mapping[str, str]:
        """Reasons by part; empty: ready to take subscriptions."""
        return {what: why for (what, _), why in self._unready.items()}
