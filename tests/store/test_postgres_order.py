"""Two who hear of one URL at once take its rows in one order, so neither is undone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from bridge.model import ClaimedDelivery, DeliveryState, Reply
from bridge.receivers import retry
from bridge.receivers.breaker import OPEN_AFTER
from bridge.store import breaking
from bridge.store.steps import Rows, Step, ask
from tests.store.held import END, done_or_blocked, held
from tests.store.postgres import Server, connected
from tests.store.scene import BROKEN, GONE, TIMEOUT, TOO_MANY, Scene, destination, succeeded

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
async def other(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """To look on."""
    async with connected(server.url()) as connection:
        yield connection


async def two_attempts(scene: Scene, silences: int) -> list[ClaimedDelivery]:
    """Of one URL, at a host that others are at, after so many that nobody answered."""
    await scene.add("another", destination=destination("another"), first_poll_s=1e6)
    for n in range(silences + 2):
        await scene.add(f"task-{n}")
    await scene.poll(succeeded())
    claims = await scene.claim_deliveries()
    for claimed in claims[2:]:
        await scene.hear(claimed, TIMEOUT)
    return list(claims[:2])


def heard(scene: Scene, claimed: ClaimedDelivery, reply: Reply) -> tuple[Any, ...]:
    """What the step that records it is given but for the time."""
    verdict = retry.decide(claimed, reply, schedule=scene.schedule, now=scene.now, dice=0.0)
    return scene.store._box, claimed, reply, verdict


class Begun:
    """Counts how often a step is begun: once, unless it was in somebody's way."""

    def __init__(self, step: Callable[..., Step[Any]]) -> None:
        self._step, self.times = step, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Step[Any]:
        self.times += 1
        return self._step(*args, **kwargs)


LAST_SILENCE = OPEN_AFTER - 1  # before the one that opens


@pytest.mark.parametrize(
    ("silences", "reply"),
    [
        (1, TOO_MANY),
        (LAST_SILENCE, TIMEOUT),
    ],
)
async def test_a_410_does_not_cross_what_gives_its_url_a_lane(
    scene: Scene,
    other: asyncpg.Connection,
    silences: int,
    reply: Reply,
) -> None:
    """A 429, and the last silence that the breaker bears, move the URL to a lane of its
    own; all of them take the URL before the lane.
    """
    one, two = await two_attempts(scene, silences)
    before = await other.fetchval(DEADLOCKS)
    database, begun = scene.store.database, Begun(breaking.record)
    moving = begun, *heard(scene, one, reply)
    async with held(database, "move_destination", *moving, now=scene.now):
        writing = database.write(begun, *heard(scene, two, GONE), now=scene.now)
        recording = asyncio.create_task(writing)
        await done_or_blocked(recording, other)
        assert not recording.done()
    await recording
    assert begun.times == 2
    assert await other.fetchval(DEADLOCKS) == before
    states = {each.state for each in await scene.list_deliveries()}
    assert states == {DeliveryState.GONE}


@pytest.mark.parametrize("reply", [BROKEN, TOO_MANY, TIMEOUT])
async def test_of_two_lanes_the_older_is_taken_first(
    scene: Scene, other: asyncpg.Connection, reply: Reply
) -> None:
    """That of an attempt, which another holds, and the one that its URL has got since."""
    one, two = await two_attempts(scene, 1)
    await scene.hear(one, TOO_MANY)
    [new_id] = {lane.id for lane in await scene.lanes()} - {two.lane_id}
    database = scene.store.database
    async with held(database, END, taken, two.lane_id):
        writing = database.write(breaking.record, *heard(scene, two, reply), now=scene.now)
        recording = asyncio.create_task(writing)
        await done_or_blocked(recording, other)
        assert not recording.done()
        assert await database.write(taken, new_id)
    await recording


def taken(lane_id: int) -> Step[Rows]:
    return (yield ask("due_lane", lane_id=lane_id))
