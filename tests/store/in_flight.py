"""Work that is under way when a database is upgraded, or moved to another one."""

from dataclasses import dataclass

from bridge.model import ClaimedDelivery, DeliveryState, Outcome
from bridge.receivers.retry import Schedule
from bridge.store import Store
from tests.conftest import FakeClock
from tests.store.scene import ACCEPTED, BROKEN, DAY, MINUTE, Scene, pending, succeeded

UPDATED = ("task.ended", "task.updated")
ONE_RETRY = Schedule((5.0,))


@dataclass(frozen=True)
class Flight:
    """Keys of subscriptions, by what was under way."""

    watched: str  # its task runs; it has been told so
    waiting: str  # another one of that task, with a key of its own
    attempted: str  # its end is on the way to the receiver
    exhausted: str  # its end was refused until the schedule was used up

    @property
    def keys(self) -> list[str]:
        return [self.watched, self.waiting, self.attempted, self.exhausted]


async def taken_off(store: Store, clock: FakeClock) -> Flight:
    scene = Scene(store, clock, schedule=ONE_RETRY)
    exhausted = await scene.ended("exhausted")
    await scene.deliver(BROKEN)
    await scene.deliver(BROKEN, after_s=MINUTE)
    assert (await scene.delivery(exhausted)).state is DeliveryState.EXHAUSTED
    watched = await scene.add("watched", events=UPDATED, metadata={"order": 7})
    waiting = await scene.add("waiting", provider_key="sk-own")
    await scene.poll(pending(progress=10))
    await scene.deliver(ACCEPTED)
    attempted = await scene.ended("attempted")
    claimed = await scene.claim_delivery()
    assert claimed.message_id == f"msg_{attempted}_0"
    return Flight(watched, waiting, attempted, exhausted)


async def landed(store: Store, clock: FakeClock, flight: Flight) -> None:
    """Everything goes on, ends, and is told under the ids that it had before."""
    scene = Scene(store, clock, schedule=ONE_RETRY)
    await store.begin(now=scene.now)
    shown = await scene.show(flight.watched)
    assert (shown.metadata, shown.progress) == ({"order": 7}, 10)
    lost = await told_next(scene)
    assert (lost.message_id, lost.attempt) == (f"msg_{flight.attempted}_0", 2)
    await scene.poll(succeeded(), after_s=MINUTE)
    assert await scene.retry(flight.exhausted)
    left = {flight.watched, flight.waiting, flight.exhausted}
    told = [await told_next(scene, len(left) - n) for n in range(len(left))]
    assert {each.message_id for each in told} == {f"msg_{key}_0" for key in left}
    later = await scene.add("later")
    assert later not in flight.keys
    for key in flight.keys:
        assert (await scene.show(key)).outcome is Outcome.SUCCEEDED
        assert (await scene.delivery(key)).state is DeliveryState.ACCEPTED
    scene.later(DAY / 2)
    assert not await scene.claim_deliveries()
    assert await store.sweep(now=scene.now) == 0


async def told_next(scene: Scene, due: int = 1) -> ClaimedDelivery:
    """One of those that are due is told, and accepted."""
    scene.later(MINUTE)
    claims = await scene.claim_deliveries()
    assert len(claims) == due
    await scene.hear(claims[0], ACCEPTED)
    return claims[0]
