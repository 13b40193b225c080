"""Events of a running bridge, shown as they happen: `tail`."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.cli.exits import UsageFault
from bridge.cli.output import as_json, note, program, say, say_styled, unread
from bridge.cli.wording import event_of, spoken, style_of
from bridge.client.connection import Connection
from bridge.client.errors import NotABridge
from bridge.errors import ClientError
from bridge.messages.events import expand


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown. Empty: any."""

    providers: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    subscriptions: frozenset[str] = frozenset()

    def __contains__(self, event: Mapping[str, Any]) -> bool:
        data = data_of(event)
        said = (
            (self.providers, data.get("provider")),
            (self.types, event.get("type")),
            (self.subscriptions, data.get("subscription_id")),
        )
        return all(not chosen or each in chosen for chosen, each in said)


def data_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    data = event.get("data")
    return data if isinstance(data, dict) else {}


def wanted_of(
    providers: list[str] | None, types: list[str] | None, subscriptions: list[str] | None
) -> Wanted:
    """Raises UsageFault."""
    try:
        expanded = expand(types or ())
    except ValueError as error:
        raise UsageFault(f"--type: {error}") from None
    for each in subscriptions or ():
        if not each.startswith("sub_"):
            raise UsageFault(f"--subscription: {each!r} is none; `list` shows them: sub_…")
    return Wanted(frozenset(providers or ()), expanded, frozenset(subscriptions or ()))


async def until_interrupted(tail: "Tail", connection: Connection) -> None:
    """Or until SIGTERM, or the last event that is wanted."""
    following = asyncio.ensure_future(tail.follow(connection))
    loop = asyncio.get_running_loop()
    for caught in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(caught, following.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await following


class Tail:
    """Shows the events that are wanted, and says when it is not told of any."""

    def __init__(self, wanted: Wanted, *, count: int | None, json: bool) -> None:
        self._wanted, self._left, self._json = wanted, count, json
        self._opened = self._lost = False

    async def follow(self, connection: Connection) -> None:
        """Until enough was shown, or nobody reads it. Raises ClientError, also if it cannot
        be reached at the start: there is most likely something to be mended.
        """
        self._url = connection.url
        async with connection as api:
            async for message in api.messages("/events", self.change):
                event = event_of(message.data.encode(), "POST")
                if event is None:
                    raise NotABridge(self._url, 200)
                if event not in self._wanted:
                    continue
                try:
                    self._show(event)
                except BrokenPipeError:
                    unread()
                    return
                if self._left is not None:
                    self._left -= 1
                    if not self._left:
                        return

    def change(self, error: ClientError | None) -> None:
        if error is None:
            again = (
                f"; what happened meanwhile is not shown here, but by `{program()} list`"
            )
            note(f"listening on {self._url}/events{again if self._lost else ''}")
            self._opened, self._lost = True, False
        elif not self._opened:
            raise error
        elif not self._lost:
            self._lost = True
            note(f"lost: {error}; connecting again …")

    def _show(self, event: Mapping[str, Any]) -> None:
        if self._json:
            say(as_json(event, indent=None))
            return
        type_, *rest = spoken(event) or ["?"]
        styles = ("bold", "")
        clock = time.strftime("%H:%M:%S")
        id_ = str(data_of(event).get("subscription_id") or "")
        said = [(type_, style_of(type_)), *zip(rest, styles, strict=False)]
        say_styled([(clock, "dim"), *said, (id_, "dim")])
