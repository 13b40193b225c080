"""Clients and providers that are about to go, while a reload looks whether they may.

They may not if work is in flight for them. So that none is begun between that look and what
follows from it, whoever would begin some waits for the decision, and is then judged by the
configuration that has come of it.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Leaving:
    """Keys are those of the configuration: ``clients.shop``, ``providers.amux``."""

    def __init__(self) -> None:
        self._keys: frozenset[str] = frozenset()
        self._decision = asyncio.Event()

    @contextmanager
    def undecided(self, keys: Iterable[str]) -> Iterator[None]:
        """Hold up what would be begun for these until the end of the block."""
        self._keys, self._decision = frozenset(keys), asyncio.Event()
        try:
            yield
        finally:
            self._keys = frozenset()
            self._decision.set()

    async def decided(self, *keys: str) -> None:
        """Return when none of these is about to go: as a rule at once, with no other task
        having run meanwhile.
        """
        while self._keys.intersection(keys):
            await self._decision.wait()
