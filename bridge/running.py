"""Runs the server and the loops together until told to stop.

Loops run beside the HTTP server, not inside its lifespan, where a crashed one would leave
the server up. If any of them fails, all stop and the process exits non-zero: what was
claimed falls due again, and a supervisor that restarts us beats a half-dead service.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any

import structlog
import uvicorn

log = structlog.get_logger(__name__)

Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]

LAST_S = 2.0  # for what goes on beside the others, once they have ended


class Server(uvicorn.Server):
    """uvicorn, leaving signals to us: it would shut down before the loops hear of one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Stop:
    """Asked for by a signal or by `ask`; asked for again, it ends the grace as well."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.grace: asyncio.Timeout | None = None

    def ask(self) -> None:
        if self.grace is not None:
            self.grace.reschedule(asyncio.get_running_loop().time())
        self.event.set()

    @contextlib.contextmanager
    def on_hangup(self) -> Iterator[asyncio.Event]:
        """An event that SIGHUP sets."""
        loop, hangup = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, hangup.set)
        try:
            yield hangup
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for caught in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(caught, self.ask)
        try:
            yield
        finally:
            for caught in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(caught)


def on_each(event: asyncio.Event, act: Callable[[], Coroutine[Any, Any, None]]) -> Loop:
    """A loop that acts each time `event` is set; whoever stops it sets it once more."""

    async def loop(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await event.wait()
            event.clear()
            if not stop.is_set():
                await act()

    return loop


def until_stop(act: Callable[[], Coroutine[Any, Any, None]]) -> Loop:
    """A loop that ends only by being cancelled, as one that ends when it is asked to."""

    async def loop(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            acting = group.create_task(act())
            await stop.wait()
            acting.cancel()

    return loop


async def run(
    loops: Sequence[Loop],
    servers: Sequence[tuple[Server, socket.socket]],
    stop: Stop,
    *,
    grace_s: float,
    on_stop: Callable[[], None],
    beside: Sequence[Loop] = (),
) -> None:
    """Run all until `stop`, then give what is in flight `grace_s` to finish.

    `on_stop` wakes whoever waits. What is cut short is not lost: it was only claimed.
    The loops `beside` are asked to stop when nothing is in flight any more.
    """
    async with going_on(beside):
        await run_until(loops, servers, stop, grace_s=grace_s, on_stop=on_stop)


@contextlib.asynccontextmanager
async def going_on(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run these to the end of the block, and at most `LAST_S` longer."""
    ended = asyncio.Event()
    try:
        async with asyncio.timeout(None) as last, asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop(ended))
            yield
            ended.set()
            last.reschedule(asyncio.get_running_loop().time() + LAST_S)
    except TimeoutError:
        log.warning("service.cut_short")


async def run_until(
    loops: Sequence[Loop],
    servers: Sequence[tuple[Server, socket.socket]],
    stop: Stop,
    *,
    grace_s: float,
    on_stop: Callable[[], None],
) -> None:
    try:
        async with asyncio.timeout(None) as grace, asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop(stop.event))
            for server, listening in servers:
                group.create_task(serve(server, listening, stop.event))
            await stop.event.wait()
            log.info("service.stopping", grace_s=grace_s)
            on_stop()
            grace.reschedule(asyncio.get_running_loop().time() + grace_s)
            stop.grace = grace
    except TimeoutError:
        log.warning("service.cut_short")
    finally:
        stop.grace = None


async def serve(server: Server, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve HTTP until `stop`, then let open requests finish.

    The server is asked to leave, never cancelled: cancelling `Server.serve` skips its
    shutdown and leaves a task of its own behind. Hence two tasks beside the group.
    """
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = server.force_exit = True
        await serving
        raise
    finally:
        stopping.cancel()
    if not stop.is_set():
        raise RuntimeError("the HTTP server stopped by itself")
