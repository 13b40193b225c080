"""A provider that is down is tried by one poll at a time, and comes back gently."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model import Answer
from bridge.polling.circuit import OPEN_AFTER, PROBE_MAX_S, WHOLE, Circuit
from tests import world as w
from tests.conftest import FakeClock
from tests.world import World


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    world = await World(tmp_path, clock).up()
    yield world
    await world.down()


def opened(at: float = 0.0) -> Circuit:
    circuit = Circuit()
    for _ in range(OPEN_AFTER):
        circuit.failed(at, 0.5)
    return circuit


def test_a_few_failures_open_nothing() -> None:
    """One task that a gateway cannot answer for is that task's affair."""
    circuit = Circuit()
    for _ in range(OPEN_AFTER - 1):
        circuit.failed(0.0, 0.5)
    circuit.answered()
    circuit.failed(0.0, 0.5)
    assert circuit.room(0.0) is None


def test_open_it_lets_one_through_at_a_time_ever_more_seldom() -> None:
    circuit, now, gaps = opened(), 0.0, []
    for _ in range(12):
        assert circuit.room(now) == 0
        gaps.append(circuit.probe_at - now)
        now = circuit.probe_at
        assert circuit.room(now) == 1
        circuit.failed(now, 0.5)
    assert gaps == sorted(gaps)
    assert gaps[-1] == PROBE_MAX_S


def test_what_was_under_way_when_it_opened_says_nothing_new() -> None:
    circuit = opened()
    probe_at = circuit.probe_at
    for _ in range(100):
        circuit.failed(0.1, 0.5)
    assert circuit.probe_at == probe_at


def test_it_closes_a_few_polls_at_a_time() -> None:
    circuit = opened()
    rooms = []
    while not circuit.closed:
        circuit.answered()
        rooms.append(circuit.room(circuit.probe_at))
    assert rooms[:-1] == list(range(2, WHOLE))
    assert rooms[-1] is None


async def test_a_provider_that_is_down_is_probed_and_then_asked_about_all(
    world: World,
) -> None:
    """Three hundred tasks, ten minutes down: a few dozen polls, and none is forgotten."""
    world.providers.says = lambda _: w.said(502, b"bad gateway")
    await asyncio.gather(*(world.subscribe(f"t{n}") for n in range(300)))
    await world.pass_time(30.0, step_s=1.0)
    before = len(world.providers.questions)
    await world.pass_time(570.0, step_s=1.0)
    assert len(world.providers.questions) - before <= 40
    world.providers.says = w.succeeded
    await world.pass_time(90.0, step_s=1.0)
    assert len(world.receivers.taken) == 300


async def test_another_provider_is_asked_as_ever(world: World) -> None:
    def says(task_id: str) -> Answer:
        return w.said(502, b"") if task_id.startswith("down") else w.succeeded(task_id)

    world.providers.says = says
    await asyncio.gather(*(world.subscribe(f"down-{n}") for n in range(50)))
    await world.pass_time(20.0, step_s=1.0)
    fine = await world.subscribe("fine", provider="newapi")
    await world.pass_time(5.0, step_s=1.0)
    assert fine.id in world.receivers.taken


async def test_one_clients_tasks_without_an_answer_keep_nobody_elses_from_theirs(
    world: World,
) -> None:
    """The provider works, only not for these; a probe is of any client's task."""

    def says(task_id: str) -> Answer:
        return w.said(502, b"") if task_id.startswith("bad") else w.succeeded(task_id)

    world.providers.says = says
    await asyncio.gather(*(world.subscribe(f"bad-{n}") for n in range(400)))
    await world.pass_time(30.0, step_s=1.0)
    fine = [await world.subscribe(f"t{n}", client="blog") for n in range(3)]
    await world.pass_time(300.0, step_s=1.0)
    assert {one.id for one in fine} <= set(world.receivers.taken)
