"""Deliveries: claimed, recorded, read; and where they go."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from bridge.lanes import Ready, Window
from bridge.model import ClaimedDelivery, Delivery, Destination, Reply
from bridge.receivers.breaker import Breaker
from bridge.receivers.retry import Verdict
from bridge.store import asking, breaking, delivery_claims, reading, robots
from bridge.store.claims import Claims, Pick
from bridge.store.listing import DeliveryFilter, list_deliveries
from bridge.store.reading import Page
from bridge.store.rooms.room import Room


class Followed(NamedTuple):
    """What came of an attempt beyond its deliveries: what it has made of the breaker of its
    client and host, and of which subscriptions it has closed others (keys).
    """

    breaker: Breaker | None
    closed: Sequence[str]


class Deliveries(Room):
    async def delivery_lanes(self, *, now: float, window: Window) -> Ready:
        return await self.database.read(
            delivery_claims.delivery_lanes, now=now, window=window
        )

    async def claim_deliveries(
        self,
        picks: Sequence[Pick],
        *,
        now: float,
        lease_s: float,
        in_flight: Collection[int] = (),
    ) -> Claims[ClaimedDelivery]:
        return await self.database.write(
            delivery_claims.claim_deliveries,
            self._box,
            picks,
            now=now,
            lease_s=lease_s,
            in_flight=in_flight,
        )

    async def record_attempt(
        self, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, *, now: float
    ) -> Followed:
        recorded = await self.database.write(
            breaking.record, self._box, claimed, reply, verdict, now=now
        )
        return Followed(recorded.breaker, await self.finish(recorded.rest))

    async def record_attempts(
        self,
        told: Sequence[tuple[ClaimedDelivery, Verdict]],
        reply: Reply,
        *,
        now: float,
    ) -> Followed:
        """As `record_attempt`, of several that one message told of."""
        rests, breaker = await self.database.write(
            breaking.record_several, self._box, told, reply, now=now
        )
        closed = [key for rest in rests for key in await self.finish(rest)]
        return Followed(breaker, closed)

    async def delivery(
        self, key: str, sequence: int, client: str | None, hook: str = ""
    ) -> Delivery | None:
        """With its attempts."""
        return await self.database.read(
            reading.read_delivery, self._box, key, sequence, client, hook
        )

    async def deliveries(
        self, wanted: DeliveryFilter, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        return await self.database.scan(
            list_deliveries, self._box, wanted, limit=limit, before=before
        )

    async def speak(self, destination: Destination, *, now: float) -> float:
        """When one message more may be sent there, by what a chat robot's service allows:
        `now`, and it is counted; else later.
        """
        if destination.robot is None:
            return now
        return await self.database.write(
            robots.speak, self._box, destination.robot, destination.url, now=now
        )

    async def mute(self, destination: Destination, *, until: float) -> None:
        """A chat robot has said that it was told too much."""
        if destination.robot is not None:
            await self.database.write(
                robots.mute, self._box, destination.robot, destination.url, until=until
            )

    async def reopen(self, client: str, destination: Destination, *, now: float) -> None:
        """Send there again, if it was gone: it has answered a test."""
        await self.database.write(asking.reopen, self._box, client, destination, now=now)
