"""What time brings: deadlines, repairs, pruning, new encryption keys."""

from collections.abc import Callable

from bridge.cadence import PollPolicy
from bridge.store import meta, rekeying, starting, sweeping, upkeep
from bridge.store.rekeying import Cursor
from bridge.store.rooms.room import Room
from bridge.store.upkeep import Deadlines, Doubt


class Upkeep(Room):
    async def begin(self, *, now: float) -> int:
        """At the start. A lone process takes over from the former one, whose claims are
        due again, and how many; 0 of nodes that share the database.
        """
        step = starting.join if self.database.shared else starting.take_over
        return await self.database.write(step, now=now)

    async def come_back(self, *, now: float) -> None:
        """After a time in which the database could not be asked: as others may have, the
        five minutes for a last answer begin anew only if nobody has.
        """
        await self.database.write(starting.join, now=now)

    async def check_deadlines(
        self, policy: Callable[[str], PollPolicy], doubt: Doubt
    ) -> Deadlines:
        return await self.database.write(upkeep.check_deadlines, self._box, policy, doubt)

    async def end_keyless(self, doubt: Doubt) -> list[str]:
        """End what a key that never worked has kept waiting for ten minutes."""
        ended: list[str] = []
        while keys := await self.database.write(upkeep.end_keyless, self._box, doubt):
            ended += keys
        return ended

    async def sweep(self, *, now: float) -> int:
        """Repair what must not exist; how much of it there was."""
        if not await self.database.scan(sweeping.anything_amiss):
            return 0
        return await self.database.write(
            sweeping.sweep, self._box, now=now, shared=self.database.shared
        )

    async def prune(self, *, before: float) -> int:
        """Delete a chunk of what finished before that time; 0 when there is no more."""
        return await self.database.write(
            upkeep.prune, before=before, shared=self.database.shared
        )

    async def forget(self, *, now: float, idempotency_before: float) -> int:
        """Drop a chunk of what is remembered no longer, answers of tasks and
        Idempotency-Keys; 0 when there is no more.
        """
        return await self.database.write(
            upkeep.forget,
            now=now,
            idempotency_before=idempotency_before,
            shared=self.database.shared,
        )

    async def rekey(self, cursor: Cursor = Cursor()) -> Cursor:  # noqa: B008 - immutable
        """Seal a chunk anew with the newest key; call again until it is finished."""
        return await self.database.write(rekeying.rekey, self._box, cursor)

    async def rewrap(self) -> None:
        """Seal the fingerprint key anew: the last step of a rekey."""
        await self.database.write(meta.rewrap, self._box.vault)
