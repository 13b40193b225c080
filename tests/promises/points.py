"""Where a serving process can be made to die: at the n-th arrival at a named point.

The program does not know of it. What is named here is wrapped from outside, after the
imports and before the command line runs.
"""

import functools
import inspect
import os
import signal
import sqlite3
from collections.abc import Callable, Generator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import bridge.service as service
import bridge.store.sqlite as sqlite
from bridge.delivery.webhook import Sender
from bridge.polling.upstream import Upstream
from bridge.store import Store, meta, migrate, starting

Wrapped = Callable[..., Any]


class Fuse:
    """Sends this process a signal at the n-th arrival."""

    def __init__(self, arrivals: int, how: signal.Signals) -> None:
        self._left, self._how = arrivals, how

    def burn(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._how)


Arm = Callable[[Fuse], None]


def before(owner: Any, name: str) -> Arm:
    """On entering a function or coroutine."""

    def arm(fuse: Fuse) -> None:
        wrapped: Wrapped = getattr(owner, name)

        @functools.wraps(wrapped)
        def entered(*args: Any, **kwargs: Any) -> Any:
            fuse.burn()
            return wrapped(*args, **kwargs)

        setattr(owner, name, entered)

    return arm


def after(owner: Any, name: str, counts: Callable[[Any], bool] = lambda _: True) -> Arm:
    """On leaving it with a result that `counts`."""

    def arm(fuse: Fuse) -> None:
        wrapped: Wrapped = getattr(owner, name)

        def left(result: Any) -> Any:
            if counts(result):
                fuse.burn()
            return result

        @functools.wraps(wrapped)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return left(await wrapped(*args, **kwargs))

        @functools.wraps(wrapped)
        def called(*args: Any, **kwargs: Any) -> Any:
            return left(wrapped(*args, **kwargs))

        setattr(owner, name, awaited if inspect.iscoroutinefunction(wrapped) else called)

    return arm


def amid(owner: Any, name: str) -> Arm:
    """Within a step or another generator, whenever it yields: in an open transaction."""

    def arm(fuse: Fuse) -> None:
        wrapped: Wrapped = getattr(owner, name)

        @functools.wraps(wrapped)
        def stepped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            step = iter(wrapped(*args, **kwargs))
            given = None
            while True:
                try:
                    query = step.send(given)
                except StopIteration as stop:
                    return stop.value
                given = yield query
                fuse.burn()

        setattr(owner, name, stepped)

    return arm


class Statements:
    """A connection that says which statement it is about to run, or has run."""

    def __init__(
        self, connection: sqlite3.Connection, ran: Callable[[str, bool], None]
    ) -> None:
        self._connection, self._ran = connection, ran

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        self._ran(sql, False)
        cursor = self._connection.execute(sql, *given)
        self._ran(sql, True)
        return cursor


def statement(wanted: str, *, done: bool) -> Arm:
    """Just before, or just after, the database runs this statement."""

    def arm(fuse: Fuse) -> None:
        def ran(sql: str, over: bool) -> None:
            if sql == wanted and over is done:
                fuse.burn()

        connected: Wrapped = sqlite.connected
        vars(sqlite)["connected"] = lambda path: Statements(connected(path), ran)

    return arm


def answer(status: int, *, given: bool) -> Arm:
    """Before, or after, the server is given an answer with this status."""

    def arm(fuse: Fuse) -> None:
        create_app: Wrapped = vars(service)["create_app"]
        vars(service)["create_app"] = lambda *given: watched(create_app(*given), fuse)

    def watched(app: ASGIApp, fuse: Fuse) -> ASGIApp:
        async def marked(scope: Scope, receive: Receive, send: Send) -> None:
            told = 0

            async def passed(message: Message) -> None:
                nonlocal told
                told = message.get("status", told)
                ours = message["type"] == "http.response.body" and told == status
                if ours and not given:
                    fuse.burn()
                await send(message)
                if ours and given:
                    fuse.burn()

            await app(scope, receive, passed)

        return marked

    return arm


def any_items(claims: Any) -> bool:
    return bool(claims.items)


# Passed once in the life of a database, while it has no schema yet.
FRESH: dict[str, Arm] = {
    "open: before the schema": before(sqlite, "upgrade"),
    "open: amid the schema": amid(migrate, "split"),
    "open: schema there, no key yet": after(sqlite, "upgrade"),
    "open: key drawn, not committed": amid(meta, "open_meta"),
}
STARTING: dict[str, Arm] = {
    "start: database opened": after(sqlite, "open_sqlite"),
    "start: before taking over": before(service, "take_over"),
    "start: amid taking over": amid(starting, "take_over"),
    "start: taken over": after(service, "take_over"),
    "start: about to listen": before(service, "run"),
    "start: swept": after(Store, "sweep"),
}
RUNNING: dict[str, Arm] = {
    "commit: begun": statement("BEGIN IMMEDIATE", done=True),
    "commit: a step is done": after(sqlite, "drive"),
    "commit: before": statement("COMMIT", done=False),
    "commit: after": statement("COMMIT", done=True),
    "subscribe: before its 202": answer(202, given=False),
    "subscribe: 202 given to the server": answer(202, given=True),
    "poll: claimed": after(Store, "claim_polls", any_items),
    "poll: answered": after(Upstream, "ask"),
    "poll: written": after(Store, "record_poll"),
    "end: seen, not written": before(Store, "record_end"),
    "end: written": after(Store, "record_end"),
    "delivery: claimed": after(Store, "claim_deliveries", any_items),
    "delivery: about to be sent": before(Sender, "send"),
    "delivery: answered, not written": before(Store, "record_attempt"),
    "delivery: written": after(Store, "record_attempt"),
}
STOPPING: dict[str, Arm] = {
    "stop: asked for": before(service, "wind_down"),
    "stop: all has ended": after(service, "run"),
    "stop: before the database closes": before(sqlite.Sqlite, "close"),
    "stop: after the database closed": after(sqlite.Sqlite, "close"),
}
POINTS = FRESH | STARTING | RUNNING | STOPPING


def arm(point: str, arrivals: int, how: signal.Signals = signal.SIGKILL) -> None:
    POINTS[point](Fuse(arrivals, how))
