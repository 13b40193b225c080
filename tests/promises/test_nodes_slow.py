"""Nodes that share a database leave each other's slow answers alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.model import ClaimedPoll
from bridge.store.poll_claims import keep_polls
from tests.conftest import FakeClock
from tests.store.postgres import Server
from tests.world import World, config_with

SLOW_S = 30.0  # more than the gap of five seconds
PATIENCE_S = 0.5  # with what is not to happen


@pytest.fixture
async def nodes(
    server: Server, tmp_path: Path, clock: FakeClock
) -> AsyncIterator[tuple[World, World]]:
    url = server.url(await server.fresh())
    one = await World(tmp_path, clock, database=url).up()
    other = await World(tmp_path, clock, database=url).up()
    yield one, other
    await other.down()
    await one.down()


async def claimed(world: World) -> list[ClaimedPoll]:
    """What a turn of this node's poller takes, and is still waiting for."""
    return list((await world.poller._claim()).items)


async def test_a_slow_answer_is_awaited_by_one_node(
    nodes: tuple[World, World], clock: FakeClock
) -> None:
    """Asked by all at once, a provider that is slow gets slower; and each answer would
    be fenced away by the next question."""
    one, other = nodes
    await one.subscribe("t")
    clock.advance(2.0)
    assert len(await claimed(one)) == 1
    for _ in range(round(SLOW_S / 0.5)):
        clock.advance(0.5)
        assert await claimed(one) == []
        assert await claimed(other) == []


async def test_what_a_dead_node_awaited_is_asked_by_another(
    nodes: tuple[World, World], clock: FakeClock
) -> None:
    one, other = nodes
    await one.subscribe("t")
    clock.advance(2.0)
    assert len(await claimed(one)) == 1
    clock.advance(20.0)
    assert len(await claimed(other)) == 1


async def test_a_node_leaves_what_it_has_no_page_for(
    server: Server, tmp_path: Path, clock: FakeClock
) -> None:
    """Configurations are rolled out one node after the other."""
    url = server.url(await server.fresh())
    knows = await World(tmp_path, clock, database=url).up()
    lacks = await World(
        tmp_path, clock, database=url, config=config_with(enabled=False)
    ).up()
    await knows.subscribe("t")
    clock.advance(2.0)
    assert await claimed(lacks) == []
    assert len(await claimed(knows)) == 1
    await lacks.down()
    await knows.down()


@pytest.mark.parametrize("took_s", [0.3, 4.3, 8.0])
async def test_an_answer_that_was_kept_from_others_does_not_delay_the_next_poll(
    nodes: tuple[World, World], clock: FakeClock, took_s: float
) -> None:
    """It was only kept, not moved: the next one is where the plan has it."""
    one, other = nodes
    await one.subscribe("t")
    clock.advance(2.0)
    [item] = await claimed(one)
    for _ in range(round(took_s / 0.1)):
        clock.advance(0.1)
        assert await claimed(one) == []
    one.upstream = one.providers
    await one.poller._poll(item)
    due = item.claimed_at + 5.5 if took_s < 5 else clock.now() + 5.5
    while clock.now() < due and not await claimed(other):
        clock.advance(0.1)
    assert clock.now() < due + 0.2


async def test_an_answer_that_comes_while_it_is_being_kept_has_the_last_word(
    nodes: tuple[World, World], clock: FakeClock
) -> None:
    """Or the next poll would be as far away as nobody else was to ask."""
    one, other = nodes
    await one.subscribe("t")
    clock.advance(2.0)
    [item] = await claimed(one)
    clock.advance(item.next_at - clock.now() - 0.5)
    one.upstream = one.providers
    reached, go = asyncio.Event(), asyncio.Event()
    database = one.store.database
    write = database.write

    async def late(step: Any, *args: Any, **kwargs: Any) -> Any:
        if step is keep_polls:
            reached.set()
            await go.wait()
        return await write(step, *args, **kwargs)

    setattr(database, "write", late)  # noqa: B010 - a database that is slow is no mock
    async with asyncio.TaskGroup() as group:
        group.create_task(claimed(one))
        await reached.wait()
        answered = group.create_task(one.poller._poll(item))
        await asyncio.wait({answered}, timeout=PATIENCE_S)
        go.set()
    clock.advance(item.next_at - clock.now() + 0.1)
    assert len(await claimed(other)) == 1
