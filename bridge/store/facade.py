"""The store as the rest of the program has it: one method for each step of the path."""

from collections.abc import Callable

from bridge.store.bounded import Bounded
from bridge.store.rooms.by_hand import ByHand
from bridge.store.rooms.deliveries import Deliveries
from bridge.store.rooms.nodes import Nodes
from bridge.store.rooms.polls import Polls
from bridge.store.rooms.sessions import Sessions
from bridge.store.rooms.standing import Standing
from bridge.store.rooms.subscriptions import Subscriptions
from bridge.store.rooms.upkeep import Upkeep
from bridge.store.timed import Timed


class Store(Subscriptions, Polls, Deliveries, ByHand, Standing, Sessions, Upkeep, Nodes):
    """All rooms over one database; see `Room` for what holds in each of them."""

    def bounded(self, most: int) -> "Store":
        """The same, for callers who may ask for so many steps at a time."""
        return Store(Bounded(self.database, most), self._box, self._mint)

    def timed(self, note: Callable[[str, float], None]) -> "Store":
        """The same; `note` is told how many seconds each step took, by its kind."""
        return Store(Timed(self.database, note), self._box, self._mint)
