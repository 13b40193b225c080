"""Subscriptions: made, read, stopped, hinted at."""

from collections.abc import Callable, Collection, Sequence

from bridge.errors import RequestError
from bridge.model import IdempotencyKey, Subscription, Wish
from bridge.store import (
    calling,
    live,
    meta,
    polling,
    reading,
    subscribing,
    timeline,
)
from bridge.store.calling import Call
from bridge.store.live import Mark, News
from bridge.store.reading import Page, SubscriptionFilter
from bridge.store.rooms.room import Room
from bridge.store.subscribing import Subscribed
from bridge.store.timeline import Timeline


class Subscriptions(Room):
    async def subscribe(
        self,
        wish: Wish,
        *,
        now: float,
        idempotency: IdempotencyKey | None = None,
        full: RequestError | None = None,
        most: int | None = None,
    ) -> Subscribed:
        """Raises RequestError if the Idempotency-Key was used with another body.

        `full` is raised if this is not a repeat: the client may have no more. With `most`
        it is counted first whether that many are active.
        """
        return await self.database.write(
            subscribing.subscribe,
            self._box,
            wish,
            idempotency,
            now=now,
            mint=self._mint,
            full=full,
            most=most,
        )

    async def stop(self, key: str, client: str | None, *, now: float) -> bool:
        """Stop a subscription and drop what it owes; False if there is none."""
        return await self.database.write(subscribing.stop, key, client, now=now)

    async def stop_active(self, key: str, client: str | None, *, now: float) -> bool | None:
        """Stop a subscription, unless it is over: then False, and nothing is changed. None:
        there is none.
        """
        return await self.database.write(subscribing.stop_active, key, client, now=now)

    async def abandon(
        self, clients: Collection[str], providers: Collection[str], *, now: float
    ) -> int:
        """Stop all that these clients and providers have in flight; how many it was."""
        stopped = 0
        while count := await self.database.write(
            subscribing.abandon, clients, providers, now=now
        ):
            stopped += count
        return stopped

    async def subscription(self, key: str, client: str | None) -> Subscription | None:
        return await self.database.read(reading.read_subscription, self._box, key, client)

    async def call(self, key: str, client: str | None) -> Call | None:
        """How its callback is called; None: there is no such subscription, or none is."""
        return await self.database.read(calling.read_call, self._box, key, client)

    async def subscriptions(
        self, wanted: SubscriptionFilter, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        return await self.database.scan(
            reading.list_subscriptions, self._box, wanted, limit=limit, before=before
        )

    async def timeline(self, key: str, client: str | None) -> Timeline | None:
        """A subscription with all that became of it, attempts included."""
        return await self.database.scan(timeline.read_timeline, self._box, key, client)

    async def new_events(self, after: Mark) -> Sequence[Mark]:
        """A page of the events behind that one, of all clients, by their times. A mark made
        of a time stands before all events of that time.
        """
        return await self.database.scan(live.new_events, after)

    async def event_news(
        self, marks: Sequence[Mark], clients: Collection[str] | None
    ) -> Sequence[News]:
        """These events, but for those that do not open or have been pruned."""
        return await self.database.scan(live.event_news, self._box, marks, clients)

    async def hint(self, key: str, least_s: Callable[[str], float], *, now: float) -> bool:
        """Poll a subscription's task now, but once in `least_s` of its provider."""
        return await self.database.write(polling.hint, key, least_s, now=now)

    async def active_counts(self) -> dict[str, int]:
        """Active subscriptions of each client."""
        rows = await self.database.scan(meta.rows, "active_counts")
        return {row["client"]: row["active"] for row in rows}
