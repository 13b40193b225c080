"""Polls whose answers this node waits for, kept from others that share the database."""

from dataclasses import replace
from math import inf

from bridge.model import ClaimedPoll
from bridge.store import Store

KEEP_S = 10.0  # for so long at a time nobody else asks
BEFORE_S = 1.0  # the poll would be due
SOON_S = 0.01


class Awaited:
    """A claim moves a watch to its next poll. Where the answer takes longer than that gap,
    any node would find it due, ask as well, and fence this answer away.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polls: dict[int, ClaimedPoll] = {}  # by watch

    def add(self, claimed: ClaimedPoll) -> None:
        if self._store.database.shared:
            self._polls[claimed.watch_id] = claimed

    def remove(self, claimed: ClaimedPoll) -> None:
        self._polls.pop(claimed.watch_id, None)

    async def keep(self, now: float) -> None:
        """Keep for us what would soon be due for any node."""
        late = [one for one in self._polls.values() if one.next_at - now < BEFORE_S]
        if not late:
            return
        until = now + KEEP_S
        polls = [(one.watch_id, one.claim_no) for one in late]
        await self._store.keep_polls(polls, until=until)
        for one in late:
            if one.watch_id in self._polls:  # unless it was answered meanwhile
                self._polls[one.watch_id] = replace(one, next_at=until)

    def wait_s(self, now: float) -> float:
        """Seconds until something has to be kept."""
        soonest = min((one.next_at for one in self._polls.values()), default=inf)
        return max(soonest - BEFORE_S - now, SOON_S)
