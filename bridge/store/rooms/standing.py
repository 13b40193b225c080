"""What stands for all subscriptions: hooks, and notices to the operator."""

from collections.abc import Sequence
from functools import partial

from bridge.errors import RequestError
from bridge.messages.notices import Notice, Seen
from bridge.model import Hook, HookWish, IdempotencyKey
from bridge.store import hooks, noticing, reading
from bridge.store.calling import Call
from bridge.store.hooks import Added
from bridge.store.reading import Page
from bridge.store.rooms.room import Room


class Standing(Room):
    async def add_hook(
        self,
        wish: HookWish,
        *,
        now: float,
        most: int,
        full: RequestError,
        idempotency: IdempotencyKey | None = None,
    ) -> Added:
        """Raises RequestError if the Idempotency-Key was used with another body, and `full`
        if this is no repeat and the client has `most` hooks already.
        """
        add = partial(hooks.add, most=most, full=full)
        return await self.database.write(
            add, self._box, wish, self._mint(), idempotency, now=now
        )

    async def hook(self, key: str, client: str | None) -> Hook | None:
        return await self.database.read(hooks.read, self._box, key, client)

    async def hook_call(self, key: str, client: str | None) -> Call | None:
        return await self.database.read(hooks.read_call, self._box, key, client)

    async def hooks(
        self, client: str | None, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        return await self.database.scan(
            hooks.page, self._box, client, limit=limit, before=before
        )

    async def remove_hook(self, key: str, client: str | None, *, now: float) -> bool:
        """Remove it and drop what it is owed; False if there is none, nor was of late."""
        removed = await self.database.write(hooks.remove, key, client, now=now)
        await self.finish(removed.rest)
        return removed.found

    async def notice(self, to: noticing.To, seen: Seen, *, now: float) -> Sequence[Notice]:
        """Owe the operator what is new since anybody last looked; what that is."""
        return await self.database.write(
            noticing.look, self._box, to, seen, now=now, mint=self._mint
        )
