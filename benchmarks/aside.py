"""Things in processes of their own, so that what is measured shares its with nothing.

The processes are forked off one that has loaded the bridge and done nothing else.
"""

import gc
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import orjson
import uvloop

T = TypeVar("T")

PATIENCE_S = 20.0  # for a process to come up, or to go
LOOK_S = 0.01
LAST_WORDS = 2_000  # characters of the log that are shown when something went wrong

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["benchmarks.node"])


def done_aside(function: Callable[..., T], *arguments: Any) -> T:
    """What `function` returns, called in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=CONTEXT) as pool:
        return pool.submit(settled, function, *arguments).result()


def settled(function: Callable[..., T], *arguments: Any) -> T:
    """As `serve` does it: what is loaded by now need not be searched for garbage."""
    gc.collect()
    gc.freeze()
    return function(*arguments)


def looped(coroutine: Coroutine[Any, Any, T]) -> T:
    """Its result, on the event loop that `serve` uses."""
    return uvloop.run(coroutine)


@contextmanager
def serving(serve: Callable[..., None], *arguments: Any) -> Iterator[Any]:
    """What `serve` sends to its first argument, a connection, while it goes on serving."""
    ours, theirs = CONTEXT.Pipe()
    server = CONTEXT.Process(target=serve, args=(theirs, *arguments), daemon=True)
    server.start()
    try:
        yield heard(ours)
    finally:
        server.terminate()
        server.join(PATIENCE_S)


def heard(connection: Connection) -> Any:
    if not connection.poll(PATIENCE_S):
        raise TimeoutError("the server did not come up")
    return connection.recv()


@dataclass(frozen=True, slots=True)
class Served:
    """A running `poll-bridge serve`."""

    url: str
    pid: int


@contextmanager
def serve_command(config: Path) -> Iterator[Served]:
    """The command itself, as an operator runs it.

    It is killed in the end: told to stop, it would wait for receivers that hang.
    """
    log = config.with_suffix(".log")
    command = [sys.executable, "-m", "bridge", "serve", "--config", str(config)]
    with log.open("wb") as stderr:
        running = subprocess.Popen(command, stderr=stderr, cwd=config.parent)
    try:
        yield Served(address_in(log, running), running.pid)
    except Exception as error:
        error.add_note(log.read_text("utf-8")[-LAST_WORDS:])
        raise
    finally:
        running.kill()
        running.wait()


def address_in(log: Path, running: subprocess.Popen[bytes]) -> str:
    """Where it says it listens."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for line in log.read_bytes().splitlines():
            if b"service.listening" in line:
                address: str = orjson.loads(line)["address"]
                return address
        if running.poll() is not None:
            raise RuntimeError("serve ended")
        time.sleep(LOOK_S)
    raise TimeoutError("serve did not come up")
