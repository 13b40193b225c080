"""The demo's bridge: the real command in a process of its own."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

START_S = 20.0
STOP_S = 20.0
LOOK_S = 0.05
READY_S = 1.0
LOG_LINES = 20


class Child:
    """A bridge process, from `start` to `stop`; what it writes goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        url: str,
        log: Path,
        start_s: float = START_S,
        stop_s: float = STOP_S,
    ) -> None:
        self._command, self._url, self._log = tuple(command), url, log
        self._start_s, self._stop_s = start_s, stop_s
        self._running: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Future[int] | None = None

    async def start(self) -> bool:
        """Whether it became ready; if not, `last_words` may say why."""
        with self._log.open("wb") as out:
            self._running = await asyncio.create_subprocess_exec(
                *self._command, stdout=out, stderr=out, env=environment(os.environ)
            )
        # One waiter for the life of the process, which no look at it cancels.
        self._exit = asyncio.ensure_future(self._running.wait())
        timeout = aiohttp.ClientTimeout(READY_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            for _ in range(round(self._start_s / LOOK_S)):
                if await _done(self._exit, LOOK_S):
                    return False
                if await self._ready(http):
                    return True
        return False

    async def stop(self) -> int | None:
        """SIGTERM, and the exit code; a process that does not heed it is killed."""
        if self._running is None or self._exit is None:
            return None
        if self._running.returncode is None:
            self._running.send_signal(signal.SIGTERM)
        if not await _done(self._exit, self._stop_s):
            self._running.kill()
        return await self._exit

    def last_words(self) -> list[str]:
        """The end of what it has written."""
        return self._log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]

    async def _ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self._url}/readyz") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


async def _done(waiting: asyncio.Future[int], timeout_s: float) -> bool:
    done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
    return bool(done)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Without what would override the demo's configuration file.

    >>> environment({"PATH": "/bin", "BRIDGE_DATABASE": "x", "PORT": "80"})
    {'PATH': '/bin'}
    """
    return {
        name: value
        for name, value in given.items()
        if name != "PORT" and not name.upper().startswith("BRIDGE_")
    }


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
