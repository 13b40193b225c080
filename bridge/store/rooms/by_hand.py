"""Attempts that a person asks for: one, or one of each of many."""

from collections.abc import Sequence
from functools import partial

from bridge.model import IdempotencyKey
from bridge.store import asking, replaying, resuming
from bridge.store.asking import AskedFor, Once
from bridge.store.replaying import After, ReplayFilter, Replays
from bridge.store.resuming import Kept, Progress
from bridge.store.rooms.room import Room


class ByHand(Room):
    async def ask_for_attempt(
        self, key: str, sequence: int, client: str | None, *, now: float, hook: str = ""
    ) -> bool:
        """Owe one extra attempt; False if there is no such delivery. `hook`: the key of the
        hook it is for, if it is for one.

        Raises RequestError if the delivery was stopped, superseded or filtered, if its hook
        was removed, and while an attempt that was asked for is being made.
        """
        return await self.database.write(
            asking.ask_for_attempt, key, sequence, client, now=now, hook=hook
        )

    async def ask_once(
        self, asked: AskedFor, client: str, used: IdempotencyKey, *, now: float
    ) -> Once:
        """As `ask_for_attempt`, by `client`, unless that was asked for under this
        Idempotency-Key already. Raises RequestError if it was used for another delivery.
        """
        return await self.database.write(
            asking.ask_once, self._box, asked, client, used, now=now
        )

    async def find_replays(
        self,
        wanted: ReplayFilter,
        *,
        began_at: float,
        limit: int,
        after: After = replaying.BEGINNING,
    ) -> Replays:
        """Some of the deliveries that one extra attempt each may be asked for. `wanted` has
        a state and an end of its time.
        """
        return await self.database.scan(
            replaying.find_replays, wanted, began_at=began_at, after=after, limit=limit
        )

    async def replay(
        self, ids: Sequence[int], state: str, *, began_at: float, now: float
    ) -> int:
        """Owe one extra attempt to each of a chunk that is still in that state and is owed
        none; to how many.
        """
        owed = await self.database.write(
            replaying.replay, ids, state, began_at=began_at, now=now
        )
        if self.database.shared:
            for each in set(ids) - owed:  # others may be at it: wait for them, one by one
                owed |= await self.database.write(
                    replaying.replay, [each], state, began_at=began_at, now=now, wait=True
                )
        return len(owed)

    async def begin_replay(self, kept: Kept, *, now: float) -> Progress:
        """How far a replay under this Idempotency-Key has come. Raises RequestError if it
        was used for another.
        """
        return await self.database.write(resuming.begin, self._box, kept, now=now)

    async def replay_on(
        self,
        kept: Kept,
        so_far: Progress,
        then: Progress,
        ids: Sequence[int],
        state: str,
        *,
        now: float,
    ) -> Progress:
        """As `replay`, after which it has come to `then`. Raises RequestError if another
        request goes on with it.
        """
        go_on = partial(resuming.go_on, state=state, shared=self.database.shared)
        done = await self.database.write(go_on, self._box, kept, so_far, then, ids, now=now)
        return await self.replay_left(kept, done, state, now=now)

    async def replay_left(
        self, kept: Kept, so_far: Progress, state: str, *, now: float
    ) -> Progress:
        """Wait for those that others were at, one by one."""
        while so_far.left:
            so_far = await self.database.write(
                resuming.wait_for_left, self._box, kept, so_far, state, now=now
            )
        return so_far

    async def end_replay(self, kept: Kept, so_far: Progress) -> Progress:
        return await self.database.write(resuming.end, self._box, kept, so_far)
