"""Two nodes and one chat robot: together they keep its limit, and tell all once."""

import asyncio
from collections.abc import Sequence

from bridge.model import ClaimedDelivery
from tests.conftest import FakeClock
from tests.store.conftest import opened
from tests.store.scene import ACCEPTED, Scene
from tests.store.test_conformance_robots import all_told, hear_all, owed, robot

MINUTE_S, ALLOWED = 60.0, 20  # of DingTalk, which mutes those who are faster


async def turn(scene: Scene) -> Sequence[ClaimedDelivery]:
    claims = await scene.claim_deliveries()
    await hear_all(scene, claims, ACCEPTED)
    return claims


async def test_two_nodes_share_what_a_robot_takes(url: str, clock: FakeClock) -> None:
    """Each looks for work all the time, through the lanes of two clients."""
    async with opened(url) as first, opened(url) as second:
        nodes = [Scene(first, clock), Scene(second, clock)]
        keys: list[str] = []
        claims: list[ClaimedDelivery] = []
        times: list[float] = []
        for number in range(60):
            if number < 40:
                for client in ("shop", "blog"):
                    keys += await owed(nodes[number % 2], 3, robot(), client=client)
            for _ in range(2):
                for found in await asyncio.gather(*map(turn, nodes)):
                    claims += found
                    times += [clock.now()] * len(found)
            clock.advance(1.0)
        for _ in range(4):
            clock.advance(MINUTE_S)
            for node in nodes:
                claims += await turn(node)
        assert all_told(claims) == sorted(keys)
        assert all(
            late - early > MINUTE_S
            for early, late in zip(times, times[ALLOWED:], strict=False)
        )
        assert len(times) > 0.8 * ALLOWED * (times[-1] - times[0]) / MINUTE_S
        assert await first.sweep(now=clock.now()) == 0
