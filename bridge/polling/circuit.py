"""Whether a provider is up, by what its polls come to. Without I/O.

One that is down is asked by a single poll now and then, instead of by all of its tasks,
whose own pauses would only grow. When it answers again they come back a few at a time, each
answer letting one more go: a server that has just come up is not met by all who waited.
"""

from bridge.cadence import spread

OPEN_AFTER = 10  # polls in a row, of any tasks, that had no answer
PROBE_S = 1.0  # from the last of them to the first probe; doubles
PROBE_MAX_S = 60.0
WHOLE = 64  # polls at once with which it is taken to be up


class Circuit:
    """One provider's. Closed, everything goes; open, a probe at a time."""

    def __init__(self) -> None:
        self._failures = 0  # in a row
        self._probes = 0  # since it was last up; 0: it is
        self._window = WHOLE
        self.probe_at = 0.0

    @property
    def closed(self) -> bool:
        return not self._probes

    def room(self, now: float) -> int | None:
        """How many polls may be in flight at once; None: it sets no bound."""
        if self.closed:
            return None
        return self._window if now >= self.probe_at else 0

    def failed(self, now: float, dice: float) -> None:
        """A poll had no answer. What was under way when it opened says nothing new."""
        self._failures += 1
        if self._failures < OPEN_AFTER or (not self.closed and now < self.probe_at):
            return
        pause_s = min(PROBE_S * 2.0 ** min(self._probes, 30), PROBE_MAX_S)
        self._probes, self._window = self._probes + 1, 1
        self.probe_at = now + spread(pause_s, dice)

    def answered(self) -> None:
        """A poll had an answer, whatever it said."""
        self._failures = 0
        if self.closed:
            return
        self._window += 1
        self.probe_at = 0.0
        if self._window >= WHOLE:
            self._probes = 0
