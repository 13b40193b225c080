"""What an end is counted as."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import world as w
from tests.conftest import FakeClock
from tests.world import World

DAY_S = 86_400.0


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    world = await World(tmp_path, clock).up()
    yield world
    await world.down()


def figure(world: World, name: str, **labels: str) -> float | None:
    return world.metrics.registry.get_sample_value(f"bridge_{name}", labels)


async def ended(world: World, *paths: str, after_s: float) -> int:
    """Of those who wait for one task: how many polls there were until its end."""
    before = len(world.providers.asked)
    world.providers.says = w.pending
    for path in paths:
        await world.subscribe("t", path=path)
    await world.pass_time(after_s)
    world.providers.says = w.succeeded
    await world.pass_time(300.0)
    return len(world.providers.asked) - before


async def test_polls_before_a_task_was_asked_about_anew_are_not_counted_again(
    world: World,
) -> None:
    """Its memory is over, so somebody who comes late has it polled, once or twice."""
    first = await ended(world, "a", after_s=300.0)
    await world.pass_time(2 * DAY_S, step_s=3_600.0)
    second = await ended(world, "b", "c", "d", after_s=0.0)
    assert 0 < second < first
    assert figure(world, "polls_per_task_count", provider="amux") == 2
    assert figure(world, "polls_per_task_sum", provider="amux") == first + second
    assert figure(world, "poll_requests_saved_total", how="sharing") == 2 * second
