"""Callers who wait for each other in the database leave the loops their connections."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from bridge.errors import StoreUnavailable
from bridge.store import Store, meta
from bridge.store.bounded import Bounded
from bridge.store.steps import Step, ask
from tests.store.conftest import opened
from tests.store.postgres import Server, connected, until

MOST, CROWD = 2, 20
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
    AND query LIKE '%jobs%' AND pid <> pg_backend_pid()"""


@pytest.fixture
async def url(server: Server) -> str:
    """Of a database where nobody else waits."""
    return server.url(await server.fresh())


@pytest.fixture
async def loops(url: str) -> AsyncIterator[Store]:
    async with opened(url) as store:
        await store.take_job("held up", now=0.0, every_s=0.0)
        yield store


@pytest.fixture
async def holder(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Whoever wants that job waits for it."""
    async with connected(url) as connection:
        await connection.execute("BEGIN")
        await connection.execute("SELECT FROM jobs WHERE name = 'held up' FOR UPDATE")
        yield connection


def held_up() -> Step[None]:
    """A step that waits for whoever has the job."""
    yield ask("lock_job", name="held up")


async def test_however_many_come_the_others_find_a_connection(
    loops: Store, holder: asyncpg.Connection, url: str
) -> None:
    """A pool that a crowd has taken would answer nobody before the crowd gives up."""
    callers = loops.bounded(MOST)
    async with connected(url) as look, asyncio.TaskGroup() as group:
        for _ in range(CROWD):
            group.create_task(callers.database.write(held_up))

        async def all_places_are_taken() -> bool:
            waiting: int = await look.fetchval(WAITING)
            return waiting == MOST

        await until(all_places_are_taken)
        for _ in range(3):
            assert await loops.take_job("another", now=0.0, every_s=0.0)
            assert await all_places_are_taken()
        await holder.execute("COMMIT")


async def test_no_more_is_to_be_asked_for_at_once_than_there_are_places(
    loops: Store,
) -> None:
    assert loops.bounded(MOST).database.at_once == MOST
    there_are = loops.database.at_once
    assert loops.bounded(2 * there_are).database.at_once == there_are


async def test_who_finds_no_place_is_told_in_time(
    loops: Store, holder: asyncpg.Connection
) -> None:
    """And what gave up its wait, or its step, has given back its place."""
    callers = Bounded(loops.database, 1, wait_s=0.05)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(callers.write(held_up))
        await asyncio.sleep(0)  # it has taken the only place
        with pytest.raises(StoreUnavailable, match="too many"):
            await callers.read(meta.read_time)
        first.cancel()
    assert await callers.scan(meta.read_time) == (0, 0)
