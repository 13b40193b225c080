"""Tells other nodes that there is work, and hears it from them: LISTEN and NOTIFY.

What is told is that it is time to look and nothing else, so a notification that gets lost
costs no more than the wait for the next look. It takes a connection of its own, which must
not lead through a pooler that gives each transaction another one.
"""

import asyncio
from collections.abc import Callable, Collection

import asyncpg
import structlog

from bridge.clock import Clock
from bridge.store.postgres import faults
from bridge.store.postgres.connecting import TIMEOUT_S, connect

GAP_S = 0.02  # between two notifications: each wakes every node
BEAT_S = 15.0  # after so long without any, see whether the connection is still there
PAUSE_S = 0.1  # before it is made again, doubled up to
PAUSE_MAX_S = 5.0
REFUSED_S = 60.0  # where the server refuses to listen: it may have no such thing

log = structlog.get_logger(__name__)


class Listener:
    """Calls `heard` with the channel that another node has told of.

    And with every channel whenever it has connected: something may have been missed.
    """

    def __init__(
        self,
        url: str,
        channels: Collection[str],
        heard: Callable[[str], None],
        *,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url, self._channels, self._heard = url, channels, heard
        self._clock, self._timeout_s = clock, timeout_s
        self._news: set[str] = set()
        self._pause_s = PAUSE_S
        self._awake = asyncio.Event()  # there are news, or the connection is lost

    def tell(self, channel: str) -> None:
        """There is work for any node. Costs nothing, however often it is said."""
        self._news.add(channel)
        self._awake.set()

    async def run(self) -> None:
        """Until it is cancelled. Survives whatever becomes of the connection, and a server
        that has no LISTEN: then work is found by looking for it.
        """
        while True:
            try:
                connection = await connect(self._url, timeout_s=self._timeout_s)
                try:
                    await self._listen(connection)
                    await self._relay(connection)
                finally:
                    connection.terminate()
            except faults.ERRORS as error:
                most_s = PAUSE_MAX_S if faults.lost(error) else REFUSED_S
                log.warning("listener.lost", error=faults.told(error))
            last_s, self._pause_s = self._pause_s, min(2 * self._pause_s, most_s)
            await self._clock.wait(asyncio.Event(), last_s)

    async def _listen(self, connection: asyncpg.Connection) -> None:
        connection.add_termination_listener(lambda _: self._awake.set())
        for channel in self._channels:
            await connection.add_listener(channel, self._on_notification)
            self._heard(channel)

    def _on_notification(
        self, connection: asyncpg.Connection, pid: int, channel: str, _payload: object
    ) -> None:
        if pid != connection.get_server_pid():  # what we told, we know
            self._heard(channel)

    async def _relay(self, connection: asyncpg.Connection) -> None:
        """Send the news until that fails."""
        while True:
            await self._clock.wait(self._awake, BEAT_S)
            self._awake.clear()
            news, self._news = self._news, set()
            try:
                notify = "; ".join(f'NOTIFY "{channel}"' for channel in sorted(news))
                await connection.execute(notify or "SELECT 1")
            except BaseException:
                self._news |= news
                raise
            self._pause_s = PAUSE_S
            await self._clock.wait(asyncio.Event(), GAP_S)
