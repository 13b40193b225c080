"""Nodes wake each other at once, whatever becomes of the connection they do it by."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bridge.clock import Clock, SystemClock
from bridge.store.postgres.listening import GAP_S, Listener
from tests.conftest import FakeClock
from tests.store.postgres import Server, connected, running_alone

CHANNELS = ("bridge_deliveries", "bridge_polls")
LISTENING = """SELECT pid FROM pg_stat_activity WHERE application_name = 'poll-bridge'
    AND query LIKE 'LISTEN%' AND datname = current_database()"""


class Node:
    """A node that only listens; `heard` is what it has to look for."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.listener = Listener(
            url, CHANNELS, self.heard.put_nowait, clock=clock, timeout_s=5.0
        )

    async def connected(self) -> None:
        """Until it has looked for everything once."""
        for channel in CHANNELS:
            assert await self.heard.get() == channel


@asynccontextmanager
async def listening(
    *urls: str,
    clock: Clock = SystemClock(),  # noqa: B008 - no state of anybody's
) -> AsyncIterator[list[Node]]:
    nodes = [Node(url, clock) for url in urls]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(node.listener.run()) for node in nodes]
        for node in nodes:
            await node.connected()
        yield nodes
        for task in tasks:
            task.cancel()


@pytest.fixture
async def url(server: Server) -> str:
    """Of a database of its own, for its channels are everybody's in it."""
    return server.url(await server.fresh())


async def test_what_one_node_tells_the_others_hear(url: str) -> None:
    async with listening(url, url, url) as nodes:
        nodes[0].listener.tell("bridge_polls")
        for node in nodes[1:]:
            assert await node.heard.get() == "bridge_polls"
        nodes[1].listener.tell("bridge_deliveries")
        assert await nodes[2].heard.get() == "bridge_deliveries"
        assert await nodes[0].heard.get() == "bridge_deliveries"
        assert all(node.heard.empty() for node in nodes)


async def test_however_much_there_is_to_tell_it_is_told_once(
    url: str, clock: FakeClock
) -> None:
    """Each notification wakes every node: a thousand subscribes must not do so each."""
    async with listening(url) as [other], listening(url, clock=clock) as [node]:
        for _ in range(1000):
            node.listener.tell("bridge_polls")
        assert await other.heard.get() == "bridge_polls"
        node.listener.tell("bridge_polls")
        async with connected(url) as meanwhile:
            await meanwhile.execute("SELECT 1")
        assert other.heard.empty()
        clock.advance(GAP_S)
        assert await other.heard.get() == "bridge_polls"
        assert other.heard.empty()


async def test_after_a_lost_connection_there_is_a_look_for_everything(url: str) -> None:
    """Something may have been told meanwhile; and what was to be told is told then."""
    async with listening(url) as [node], connected(url) as admin:
        lost = await admin.fetchval(LISTENING)
        async with listening(url) as [other]:
            await admin.execute("SELECT pg_terminate_backend($1)", lost)
            node.listener.tell("bridge_polls")
            await node.connected()
            assert await other.heard.get() == "bridge_polls"
            assert other.heard.empty()


async def test_a_server_that_is_away_is_waited_for() -> None:
    with running_alone() as own:
        own.stop()
        nodes = [Node(own.url(), SystemClock()) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(node.listener.run()) for node in nodes]
            own.start()
            for node in nodes:
                await node.connected()
            nodes[0].listener.tell("bridge_polls")
            assert await nodes[1].heard.get() == "bridge_polls"
            for task in tasks:
                task.cancel()


class RefusedAtFirst:
    """Channels that the server does not take when it is asked for the first time."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return len(CHANNELS)

    def __contains__(self, channel: object) -> bool:
        return channel in CHANNELS

    def __iter__(self) -> Iterator[str]:
        self.asked += 1
        return iter(CHANNELS if self.asked > 1 else [""])


async def test_a_server_that_refuses_to_listen_is_asked_again(url: str) -> None:
    """Some that speak the protocol have no LISTEN: no reason to stop the node."""
    channels, heard = RefusedAtFirst(), asyncio.Queue[str]()
    listener = Listener(url, channels, heard.put_nowait, clock=SystemClock())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.run())
        for channel in CHANNELS:
            assert await heard.get() == channel
        task.cancel()
    assert channels.asked == 2


async def test_a_fault_of_ours_is_not_taken_for_a_lost_connection(url: str) -> None:
    """It would be repeated for ever, and nobody would see it."""

    def fail(_channel: str) -> None:
        raise KeyError("a bug")

    listener = Listener(url, CHANNELS, fail, clock=SystemClock())
    with pytest.raises(KeyError, match="a bug"):
        await listener.run()
