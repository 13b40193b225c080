"""Wakes the callers that wait for a subscription of this process to change."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager


def to_nobody(_keys: Iterable[str]) -> None:
    pass


class Bell:
    """Rung with the keys of subscriptions; costs nothing for those nobody waits for.

    `over` is told of each that has ended or was stopped here.
    """

    def __init__(self, over: Callable[[Iterable[str]], None] = to_nobody) -> None:
        self._over = over
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._any: set[asyncio.Event] = set()

    @contextmanager
    def listen(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set when `key` is rung. Listen first, then look, then wait."""
        event = asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    @contextmanager
    def listen_to_all(self, event: asyncio.Event) -> Iterator[None]:
        """Sets `event` whatever is rung."""
        self._any.add(event)
        try:
            yield
        finally:
            self._any.discard(event)

    def ring(self, keys: Collection[str]) -> None:
        """These have ended, or were stopped."""
        self._over(keys)
        self._wake(keys)

    def _wake(self, keys: Iterable[str]) -> None:
        for key in keys:
            for event in self._waiting.get(key, ()):
                event.set()
        for event in self._any:
            event.set()

    def ring_all(self) -> None:
        """Something changed for some watch: let every waiter look again."""
        self._wake(list(self._waiting))

    @property
    def idle(self) -> bool:
        return not self._waiting
