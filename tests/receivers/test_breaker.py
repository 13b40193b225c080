"""A dispatcher leaves a host alone where nobody answers, and comes back to it gently."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from bridge.model import DeliveryState
from bridge.receivers.breaker import OPEN_AFTER, WHOLE
from tests import world as w
from tests.conftest import FakeClock
from tests.world import Gate, World

CROWD = 60


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    world = await World(tmp_path, clock).up()
    world.providers.says = w.succeeded
    yield world
    assert await world.store.sweep(now=clock.now()) + world.repaired == 0
    await world.down()


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What is logged meanwhile."""
    former = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    with capture_logs() as caught:
        yield caught  # type: ignore[misc]
    structlog.configure(**former)


async def owed(world: World, count: int = CROWD, host: str = "app.test") -> list[str]:
    made = await asyncio.gather(
        *(world.subscribe(f"t{n}", host=host, path=f"{n}") for n in range(count))
    )
    return [one.id for one in made]


async def test_a_host_that_is_down_for_an_hour_costs_little_and_nothing_is_lost(
    world: World, lines: list[dict[str, object]]
) -> None:
    """Without a breaker these would be attempted eight times each, all in vain."""
    world.receivers.says = lambda _: 0
    told = await owed(world)
    await world.pass_time(3_600.0, step_s=5.0)
    assert OPEN_AFTER <= len(world.receivers.posts) <= 90
    assert world.metrics.registry.get_sample_value("bridge_callback_hosts_silent") == 1
    world.receivers.says = lambda _: 200
    await world.pass_time(3_600.0, step_s=5.0)
    assert set(world.receivers.taken) == set(told)
    assert world.metrics.registry.get_sample_value("bridge_callback_hosts_silent") == 0
    said = [one for one in lines if str(one["event"]).startswith("host.")]
    assert [(one["event"], one["client"], one["host"]) for one in said] == [
        ("host.silent", "shop", "app.test"),
        ("host.answers", "shop", "app.test"),
    ]


async def test_it_is_tried_by_one_at_a_time_and_then_by_ever_more(
    world: World,
) -> None:
    """First attempts and retries together, whatever is due."""
    gate, width = Gate(), 0

    async def receive(_: str) -> int:
        nonlocal width
        width = max(width, gate.held + 1)
        await gate.wait()
        return 200

    world.receivers.says = lambda _: 0
    await owed(world)
    await world.pass_time(30.0, step_s=1.0)
    world.receivers.says = receive
    async with world.running():
        await world.until(lambda: gate.held > 0, step_s=1.0)
        for _ in range(20):
            world.clock.advance(1.0)
            await w.settled(world.store)
        assert width == 1
        gate.open()
        await world.until(lambda: len(world.receivers.taken) == CROWD, step_s=1.0)
    assert width <= WHOLE


async def test_a_url_that_fails_by_500_keeps_its_schedule(world: World) -> None:
    """A workflow that is broken is no host that is down: the others there go on."""
    world.receivers.says = lambda url: 200 if url.endswith("/1") else 500
    made = await owed(world)
    await world.pass_time(60.0, step_s=5.0)
    assert list(world.receivers.taken) == [made[1]]
    assert len(world.receivers.posts) == 1 + 3 * (CROWD - 1)


async def test_a_restart_finds_it_open(world: World) -> None:
    """Else each restart would be one more rush at a host that is down."""
    world.receivers.says = lambda _: 0
    await owed(world)
    await world.pass_time(120.0, step_s=5.0)
    before = len(world.receivers.posts)
    await world.down()
    await world.up()
    await world.turn()
    assert len(world.receivers.posts) <= before + 1
    world.receivers.says = lambda _: 200
    await world.pass_time(600.0, step_s=5.0)
    assert len(world.receivers.taken) == CROWD


async def test_what_waits_is_waiting(world: World) -> None:
    world.receivers.says = lambda _: 0
    made = [await world.subscribe(f"t{n}", path=f"{n}") for n in range(CROWD)]
    await world.pass_time(60.0, step_s=5.0)
    states = [(await world.delivery(one)).state for one in made]
    assert states.count(DeliveryState.WAITING) > CROWD / 2
    assert DeliveryState.EXHAUSTED not in states
