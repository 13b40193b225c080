"""Polls: claimed, recorded, and the ends that they bring."""

from collections.abc import Callable, Collection, Sequence

from bridge.lanes import Ready, Window
from bridge.model import ClaimedPoll, Observation
from bridge.store import meta, poll_claims, polling, riders
from bridge.store.claims import Claims, Pick
from bridge.store.riders import Ride
from bridge.store.rooms.room import Room
from bridge.store.spacing import Pace
from bridge.store.telling import Told
from bridge.transition import Move


class Polls(Room):
    async def poll_lanes(self, *, now: float, window: Window) -> Ready:
        return await self.database.read(poll_claims.poll_lanes, now=now, window=window)

    async def claim_polls(
        self,
        picks: Sequence[Pick],
        *,
        now: float,
        pace: Pace,
        in_flight: Collection[int] = (),
    ) -> Claims[ClaimedPoll]:
        return await self.database.write(
            poll_claims.claim_polls,
            self._box,
            picks,
            now=now,
            pace=pace,
            in_flight=in_flight,
        )

    async def claim_riders(
        self, ride: Ride, *, now: float, pace: Pace, in_flight: Collection[int]
    ) -> list[ClaimedPoll]:
        """Watches that one request for several can carry as well."""
        return await self.database.write(
            riders.claim_riders, self._box, ride, now=now, pace=pace, in_flight=in_flight
        )

    async def ask_alone(
        self, polls: Sequence[ClaimedPoll], *, now: float, for_good: bool
    ) -> None:
        """Have these asked about one by one, from now on or only this once."""
        await self.database.write(riders.ask_alone, polls, now=now, for_good=for_good)

    async def keep_polls(self, polls: Collection[tuple[int, int]], *, until: float) -> None:
        """Have no other node ask what is still awaited here."""
        await self.database.write(poll_claims.keep_polls, polls, until=until)

    async def record_poll(
        self,
        claimed: ClaimedPoll,
        seen: Observation,
        move: Move,
        *,
        now: float,
        clock: Callable[[], float] | None = None,
    ) -> list[str]:
        """Write an answer that is no end; keys of subscriptions it ended all the same.
        `clock`: as in `record_end`.
        """
        told = await self.database.write(
            polling.record_poll, self._box, claimed, seen, move, now=now
        )
        ended = [*told.keys]
        while told.after is not None:
            now = clock() if clock else now
            told = await self.database.write(
                polling.tell_more, self._box, claimed, seen, move, told.after, now=now
            )
            ended += told.keys
        return ended

    async def record_end(
        self,
        watch_id: int,
        seen: Observation,
        *,
        now: float,
        memory_until: float,
        clock: Callable[[], float] | None = None,
    ) -> list[str]:
        """Write a task's end and owe it to all; keys of the subscriptions it ended.

        If this is cut short, `finish_ends` goes on. Of a crowd each further part has the
        time that `clock` says then: whoever looks for what is new looks back only so far.
        """
        told = await self.database.write(
            polling.record_end,
            self._box,
            watch_id,
            seen,
            now=now,
            memory_until=memory_until,
        )
        return await self._tell_rest(watch_id, told, now, clock)

    async def finish_ends(
        self, *, now: float, clock: Callable[[], float] | None = None
    ) -> list[str]:
        """Tell those who have not heard of an end that is on record; keys of whom."""
        ended: list[str] = []
        for row in await self.database.read(meta.rows, "untold_watches", limit=100):
            now = clock() if clock else now
            told = await self.database.write(
                polling.tell_forgotten, self._box, row["id"], now=now
            )
            ended += await self._tell_rest(row["id"], told, now, clock)
        return ended

    async def _tell_rest(
        self, watch_id: int, told: Told, now: float, clock: Callable[[], float] | None
    ) -> list[str]:
        ended = [*told.keys]
        while told.after is not None:
            now = clock() if clock else now
            told = await self.database.write(
                polling.tell_rest, self._box, watch_id, now=now
            )
            ended += told.keys
        return ended
