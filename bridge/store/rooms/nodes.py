"""What nodes know of each other, of their work and of the whole."""

from collections.abc import Collection, Mapping
from typing import Any

from bridge.cadence import History
from bridge.store import durations, figures, meta
from bridge.store.durations import Kind
from bridge.store.figures import Overview
from bridge.store.rooms.room import Room


class Nodes(Room):
    async def note_time(self, now: float, *, believed: float | None = None) -> None:
        """Remember that scheduling time has come so far, and how much of it is no doubt."""
        reached = meta.Reached(now, now if believed is None else believed)
        await self.database.write(meta.note_time, reached)

    async def take_job(self, name: str, *, now: float, every_s: float) -> bool:
        """Whether it is for this node to do it now, of several that share the database."""
        if not self.database.shared:
            return True
        return await self.database.write(meta.take_job, name, now=now, every_s=every_s)

    async def beat(self, node: str, *, takes: bool, now: float, alive_s: float) -> int:
        """Say that this node is up, and whether it takes requests; how many of those that
        do have said so in the last `alive_s`.

        Raises SealBroken if it must not seal anything any more.
        """
        return await self.database.write(
            meta.beat, self._box.vault, node, takes=takes, now=now, alive_s=alive_s
        )

    async def leave(self, node: str, *, before: float) -> None:
        """This node goes. Forgets those as well who were last seen `before`."""
        await self.database.write(meta.leave, node, before=before)

    async def learn(self, news: Mapping[Kind, History], *, now: float) -> None:
        """Add what was seen of durations to what all nodes have seen."""
        await self.database.write(durations.learn, news, now=now)

    async def durations(self, *, since: float) -> dict[Kind, History]:
        """By provider and model, of those that have news since."""
        return await self.database.scan(durations.read, since=since)

    async def forget_durations(
        self, kinds: Collection[Kind], *, before: float = 0.0
    ) -> None:
        """Forget these, and models that were not told of since `before`."""
        await self.database.write(durations.forget, kinds, before=before)

    async def configured_credentials(
        self, providers: Collection[str]
    ) -> dict[str, Mapping[str, Any]]:
        """The state of each provider's configured key, of those that were ever used."""
        return await self.database.read(meta.configured_states, self._box, providers)

    async def credentials(self) -> list[Mapping[str, Any]]:
        """Each account's state: provider, worked_at, refused_at, paused_until, …"""
        return await self.database.scan(meta.rows, "credential_states")

    async def in_use(self) -> tuple[set[str], set[str]]:
        """Clients and providers that the configuration must still know.

        By the writer: what was to be written before this is seen.
        """
        return await self.database.write(meta.in_use)

    async def overview(self, client: str | None, *, now: float) -> Overview:
        """How much there is and how it goes, of the last hour."""
        return await self.database.scan(figures.overview, self._box, client, now=now)

    async def backlog(self, now: float) -> Mapping[str, Any]:
        """watches, paused, deliveries, oldest_poll_at, oldest_delivery_at, exhausted."""
        [row] = await self.database.scan(meta.rows, "backlog", now=now)
        return row
