"""Wakes the loops when there is work: this node's, and those of the others that share its
database.
"""

from collections.abc import Callable, Mapping

POLLS, DELIVERIES = "poll_bridge_polls", "poll_bridge_deliveries"
CHANNELS = (POLLS, DELIVERIES)


def unheard(_channel: str) -> None:
    """There is no other node."""


class Signals:
    """`tell` lets the other nodes hear of a channel; it must not block."""

    def __init__(self, tell: Callable[[str], None] = unheard) -> None:
        self.tell = tell
        self._wakes: Mapping[str, Callable[[], None]] = {}

    def connect(self, *, polls: Callable[[], None], deliveries: Callable[[], None]) -> None:
        """What wakes the loops of this node."""
        self._wakes = {POLLS: polls, DELIVERIES: deliveries}

    def due(self) -> None:
        """A watch may be due."""
        self.hear(POLLS)
        self.tell(POLLS)

    def owed(self) -> None:
        """A delivery may be due."""
        self.hear(DELIVERIES)
        self.tell(DELIVERIES)

    def hear(self, channel: str) -> None:
        """Somebody has told of it."""
        self._wakes[channel]()
