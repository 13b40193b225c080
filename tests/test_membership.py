"""A node among those that share its database: by which time it goes, and when it serves."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from bridge.clock import SharedClock
from bridge.errors import SealBroken
from bridge.health import CLOCK, STORE, Health
from bridge.membership import BEATS_S, Membership
from bridge.store import Store, meta
from bridge.store.postgres.looking import looking
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, START
from tests.store.conftest import opened
from tests.store.postgres import Server, connected

HOUR_S = 3_600.0
NEW_KEY = "another-encryption-key-of-40-characters-1"
SOON = 0.5  # seconds; a round trip to the database takes real time

# Of the server's functions, as its clock is not ours to set.
CLOCK_OF_THE_SERVER = """
CREATE TABLE said (at DOUBLE PRECISION NOT NULL);
INSERT INTO said VALUES (0);
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT to_timestamp(at) FROM public.said'
"""


DISK_FULL = """
CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100';
END $$;
CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON nodes EXECUTE FUNCTION disk_full()
"""


class Node:
    """On a machine of its own. `true` time goes on when a test says so."""

    def __init__(self, store: Store, url: str, *, offset_s: float = 0.0) -> None:
        self.true, self.offset_s, self._url = START, offset_s, url
        self.clock = SharedClock(wall=self.wall, monotonic=lambda: self.true)
        self.health = Health()
        self.health.set_ready("start")
        self.takes = True
        self.membership = Membership(
            store,
            secrets.token_hex(4),
            takes=lambda: self.takes,
            clock=self.clock,
            health=self.health,
        )

    def wall(self) -> float:
        return self.true + self.offset_s

    async def turn(self, passed_s: float = 1.0, *, database_off_s: float = 0.0) -> None:
        """After some time, with a database whose clock is so far off."""
        self.true += passed_s
        async with connected(self._url) as server:
            await server.execute("UPDATE said SET at = $1", self.true + database_off_s)
        await self.membership.turn()

    @property
    def ahead_s(self) -> float:
        return self.clock.now() - self.true


@pytest.fixture
async def url(server: Server) -> str:
    name = await server.fresh()
    await server.tell(CLOCK_OF_THE_SERVER, database=name)
    return server.url(name, search_path="public,pg_catalog")


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with opened(url) as store:
        yield store


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S])
async def test_a_database_whose_clock_is_off_for_a_moment_is_not_followed(
    store: Store, url: str, off_s: float
) -> None:
    """What is due, and until when it is claimed, would be an hour off long after that."""
    node = Node(store, url)
    await node.turn()
    assert not node.health.unready
    await node.turn(database_off_s=off_s)
    assert node.health.unready.keys() == {CLOCK}
    assert node.ahead_s == pytest.approx(0, abs=SOON)
    await node.turn()
    assert not node.health.unready
    for _ in range(3):
        await node.turn(600)
        assert node.ahead_s == pytest.approx(0, abs=SOON)


async def test_a_node_that_began_with_a_wrong_time_takes_the_right_one_at_once(
    store: Store, url: str
) -> None:
    """Which of the two clocks is wrong it cannot know; so far it has claimed nothing."""
    node = Node(store, url)
    node.clock.start(node.true + HOUR_S)
    await node.turn(database_off_s=HOUR_S)
    assert node.health.unready.keys() == {CLOCK}
    assert node.ahead_s == pytest.approx(HOUR_S, abs=SOON)
    await node.turn()
    assert not node.health.unready
    assert node.ahead_s == pytest.approx(0, abs=SOON)
    another = Node(store, url)
    await another.turn(node.true - another.true)
    assert another.membership.nodes == 2


async def test_a_node_whose_own_clock_is_off_keeps_the_time_it_has(
    store: Store, url: str
) -> None:
    """And does nothing, until somebody sets that clock right."""
    node = Node(store, url)
    await node.turn()
    node.offset_s = HOUR_S
    for _ in range(3):
        await node.turn()
        assert node.health.unready.keys() == {CLOCK}
        assert node.ahead_s == pytest.approx(0, abs=SOON)
    node.offset_s = 0.0
    await node.turn()
    assert not node.health.unready


async def test_only_nodes_that_take_requests_share_them(store: Store, url: str) -> None:
    """Else three pollers would leave the only API a quarter of what a client may ask."""
    api, poller, leaving = (Node(store, url) for _ in range(3))
    poller.takes = False
    for node in (poller, api, leaving):
        await node.turn()
    assert poller.membership.nodes == 1, "it asks of nobody to wait for ever"
    assert (api.membership.nodes, leaving.membership.nodes) == (1, 2)
    leaving.takes = False
    for node in (api, leaving, api):
        await node.turn(BEATS_S + 1)
    assert api.membership.nodes == 1
    assert await up(url) == 3, "a rekey waits for all of them"
    for node in (poller, leaving):
        stop = asyncio.Event()
        stop.set()
        await node.membership.run(stop)
    assert await up(url) == 1


async def up(url: str) -> int:
    async with looking(url) as look:
        return await look.read(meta.count_nodes(since=START))


async def test_a_database_that_can_only_be_read_is_not_ready(
    store: Store, url: str
) -> None:
    """Its disk is full: no 202 can be given, whoever else finds nothing to write."""
    node = Node(store, url)
    async with connected(url) as admin:
        await admin.execute(DISK_FULL)
        for _ in range(3):
            await node.turn()
            assert node.health.unready.keys() == {STORE}
            node.health.set_ready(STORE, by="upkeep")
            assert node.health.unready.keys() == {STORE}
        await admin.execute("DROP TRIGGER disk_full ON nodes")
        await node.turn()
        assert not node.health.unready


async def test_a_node_that_was_silent_during_a_rekey_stops(store: Store, url: str) -> None:
    """What it went on sealing would not open once its key is taken away, as it may be."""
    node = Node(store, url)
    await node.turn()
    await store.database.write(meta.rewrap, Vault([NEW_KEY, ENCRYPTION_KEY]))
    await node.turn()
    with pytest.raises(SealBroken, match="rekey"):
        await node.turn(BEATS_S + 1)
