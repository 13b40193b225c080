"""Two nodes at the same rows at once: whoever comes first, the outcome is right."""

from typing import Any

from bridge import retry
from bridge.model import ClaimedDelivery, DeliveryState, Reply
from bridge.store import delivering
from tests.store.held import held
from tests.store.scene import ACCEPTED, GONE, HOUR, TOO_MANY, Scene, destination


def heard(scene: Scene, claimed: ClaimedDelivery, reply: Reply) -> tuple[Any, ...]:
    """The step that records it, and what it is given but for the time."""
    verdict = retry.decide(claimed, reply, schedule=scene.schedule, now=scene.now, dice=0.0)
    return delivering.record_attempt, scene.store._box, claimed, reply, verdict


async def test_who_are_told_410_at_once_do_not_wait_for_each_other(scene: Scene) -> None:
    """Each has its own delivery locked when it drops all that is owed to the URL."""
    keys = [await scene.ended(f"task-{n}") for n in range(3)]
    scene.later(10.0)
    one, other, late = await scene.claim_deliveries()
    database = scene.store.database
    async with held(database, "drop_schedule", *heard(scene, one, GONE), now=scene.now):
        await scene.hear(other, GONE)
        assert (await scene.delivery(keys[2])).state is DeliveryState.GONE
    await scene.hear(late, GONE)
    states = [(await scene.delivery(key)).state for key in keys]
    assert states == [DeliveryState.GONE] * 3


async def test_a_retry_by_hand_does_not_land_in_a_lane_that_is_pruned(scene: Scene) -> None:
    """The lane of the whole host is nobody's any more, and a person is about to use it."""
    await scene.ended("old", destination=destination("old"))
    await scene.deliver(ACCEPTED, after_s=3.0)
    scene.later(HOUR)
    key = await scene.ended()
    await scene.deliver(TOO_MANY, after_s=3.0)
    await scene.deliver(ACCEPTED, after_s=HOUR)
    step, database = delivering.ask_for_attempt, scene.store.database
    async with held(database, "ask_attempt", step, key, 0, "shop", now=scene.now) as asked:
        assert await scene.store.prune(before=scene.now - 1.5 * HOUR) == 1
    assert asked.result()
    assert (await scene.claim_delivery()).manual
