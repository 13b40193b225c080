"""A replay of what a chat robot was to say: its limits hold for that as well."""

from bridge.model import DeliveryState
from tests.store.scene import ACCEPTED, MINUTE, Scene
from tests.store.test_conformance_replaying import replay
from tests.store.test_conformance_robots import all_told, hear_all, owed, robot, told


async def test_a_robot_is_not_told_more_than_it_takes(scene: Scene) -> None:
    """Twelve at once would be answered with an error, and some of them be lost."""
    keys = await owed(scene, 12, robot())
    await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    scene.later(5 * MINUTE)
    assert await replay(scene, state="accepted") == 12
    claims = await scene.claim_deliveries()
    assert [len(each) for each in told(claims)] == [1, 11]
    assert all_told(claims) == sorted(keys)
    assert all(one.manual for claim in claims for one in (claim, *claim.riders))
    await hear_all(scene, claims, ACCEPTED)
    for key in keys:
        delivery = await scene.delivery(key)
        assert (delivery.state, delivery.attempts) == (DeliveryState.ACCEPTED, 2)


async def test_what_is_new_and_what_is_replayed_share_its_limit(scene: Scene) -> None:
    """Two lanes lead to it, and one budget; what is new comes first."""
    old = await owed(scene, 12, robot())
    await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    scene.later(5 * MINUTE)
    new = await owed(scene, 12, robot())
    assert await replay(scene, state="accepted") == 12
    first = await scene.claim_deliveries()
    assert (len(first), all_told(first)) == (2, sorted(new))
    assert not await scene.claim_deliveries()
    await hear_all(scene, first, ACCEPTED)
    heard: list[str] = []
    for _ in range(120):
        scene.later(1.0)
        claims = await scene.claim_deliveries()
        assert len(claims) <= 1
        heard += all_told(claims)
        await hear_all(scene, claims, ACCEPTED)
    assert sorted(heard) == sorted(old)
