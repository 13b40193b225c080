"""Polls whose answers this node waits for, kept from others that share the database."""

import asyncio
from math import inf

from bridge.model import ClaimedPoll
from bridge.store import Store

KEEP_S = 10.0  # for so long at a time nobody else asks
BEFORE_S = 1.0  # the poll would be due; a part of its gap where that is short
PART = 4
SOON_S = 0.01


class Awaited:
    """A claim moves a watch to its next poll. Where the answer takes longer than that gap,
    any node would find it due, ask as well, and fence this answer away.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keep_at: dict[int, tuple[float, int]] = {}  # when, and the claim, by watch
        self._kept: set[int] = set()
        self._written = asyncio.Event()  # what is being kept just now
        self._written.set()

    def add(self, claimed: ClaimedPoll) -> None:
        if self._store.database.shared:
            gap_s = claimed.next_at - claimed.claimed_at
            at = claimed.next_at - min(BEFORE_S, gap_s / PART)
            self._keep_at[claimed.watch_id] = at, claimed.claim_no

    def remove(self, claimed: ClaimedPoll) -> None:
        self._keep_at.pop(claimed.watch_id, None)
        self._kept.discard(claimed.watch_id)

    async def was_kept(self, claimed: ClaimedPoll) -> bool:
        """Whether its next poll is not where the claim has put it, nor will be."""
        if claimed.watch_id not in self._kept:
            self._keep_at.pop(claimed.watch_id, None)
            return False
        await self._written.wait()  # or it would have the last word
        return True

    async def keep(self, now: float) -> None:
        """Keep for us what would soon be due for any node."""
        late = {watch: no for watch, (at, no) in self._keep_at.items() if at <= now}
        if not late:
            return
        until = now + KEEP_S
        self._kept |= late.keys()
        self._keep_at |= {watch: (until - BEFORE_S, no) for watch, no in late.items()}
        self._written.clear()
        try:
            await self._store.keep_polls(list(late.items()), until=until)
        finally:
            self._written.set()

    def wait_s(self, now: float) -> float:
        """Seconds until something has to be kept."""
        soonest = min((at for at, _ in self._keep_at.values()), default=inf)
        return max(soonest - now, SOON_S)
