"""The memory: one method for each step of a task's path, and nothing else to know.

All SQL is in queries.sql; the modules beside it are the steps; `sqlite` runs them.
"""

import secrets
import string
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.cadence import PollPolicy
from bridge.errors import ConfigError, RequestError
from bridge.model import (
    ClaimedDelivery,
    ClaimedPoll,
    Delivery,
    IdempotencyKey,
    Observation,
    Reply,
    Subscription,
    Wish,
)
from bridge.retry import Verdict
from bridge.store import delivering, meta, polling, reading, rekeying, subscribing, upkeep
from bridge.store.box import Box
from bridge.store.claims import Choose, Claims
from bridge.store.polling import Gap
from bridge.store.reading import DeliveryFilter, Page, SubscriptionFilter
from bridge.store.rekeying import Cursor
from bridge.store.steps import Database
from bridge.store.subscribing import Subscribed
from bridge.store.upkeep import Deadlines
from bridge.transition import Move
from bridge.vault import Vault

__all__ = [
    "Claims",
    "DeliveryFilter",
    "Page",
    "Store",
    "Subscribed",
    "SubscriptionFilter",
    "open_store",
]

ALPHABET = string.digits + string.ascii_letters
KEY_LENGTH = 22  # characters of base62: 131 bits


def minted_key() -> str:
    """The random part of a subscription's id, from which all its other ids derive.

    Drawn as one number: a draw for each character would take a third of a subscribe.
    """
    drawn, key = secrets.randbelow(len(ALPHABET) ** KEY_LENGTH), ""
    for _ in range(KEY_LENGTH):
        drawn, digit = divmod(drawn, len(ALPHABET))
        key += ALPHABET[digit]
    return key


class Store:
    """Every method is one transaction; each write is on disk when it returns.

    Times are unix seconds. `client` None stands for the operator, who sees all clients.
    Keys of subscriptions are their ids without the prefix.
    Raises StoreUnavailable, with nothing written, if the database does not answer.
    """

    def __init__(
        self, database: Database, box: Box, mint: Callable[[], str] = minted_key
    ) -> None:
        self.database, self._box, self._mint = database, box, mint

    async def subscribe(
        self,
        wish: Wish,
        *,
        now: float,
        idempotency: IdempotencyKey | None = None,
        full: RequestError | None = None,
    ) -> Subscribed:
        """Raises RequestError if the Idempotency-Key was used with another body.

        `full` is raised if this is not a repeat: the client may have no more.
        """
        step = subscribing.subscribe(
            self._box, wish, idempotency, now=now, mint=self._mint, full=full
        )
        return await self.database.write(step)

    async def stop(self, key: str, client: str | None, *, now: float) -> bool:
        """Stop a subscription and drop what it owes; False if there is none."""
        return await self.database.write(subscribing.stop(key, client, now=now))

    async def abandon(
        self, clients: Collection[str], providers: Collection[str], *, now: float
    ) -> int:
        """Stop all that these clients and providers have in flight; how many it was."""
        stopped = 0
        while count := await self.database.write(
            subscribing.abandon(clients, providers, now=now)
        ):
            stopped += count
        return stopped

    async def subscription(self, key: str, client: str | None) -> Subscription | None:
        return await self.database.read(reading.read_subscription(self._box, key, client))

    async def subscriptions(
        self, wanted: SubscriptionFilter, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        step = reading.list_subscriptions(self._box, wanted, limit=limit, before=before)
        return await self.database.read(step)

    async def claim_polls(
        self, *, now: float, choose: Choose, gap: Gap, in_flight: Collection[int] = ()
    ) -> Claims[ClaimedPoll]:
        step = polling.claim_polls(
            self._box, now=now, choose=choose, gap=gap, in_flight=in_flight
        )
        return await self.database.write(step)

    async def record_poll(
        self, claimed: ClaimedPoll, seen: Observation, move: Move, *, now: float
    ) -> list[str]:
        """Write an answer that is no end; keys of subscriptions it ended all the same."""
        return await self.database.write(
            polling.record_poll(self._box, claimed, seen, move, now=now)
        )

    async def record_end(
        self, watch_id: int, seen: Observation, *, now: float, memory_until: float
    ) -> list[str]:
        """Write a task's end and owe it to all; keys of the subscriptions it ended."""
        return await self.database.write(
            polling.record_end(
                self._box, watch_id, seen, now=now, memory_until=memory_until
            )
        )

    async def claim_deliveries(
        self, *, now: float, lease_s: float, choose: Choose, in_flight: Collection[int] = ()
    ) -> Claims[ClaimedDelivery]:
        step = delivering.claim_deliveries(
            self._box, now=now, lease_s=lease_s, choose=choose, in_flight=in_flight
        )
        return await self.database.write(step)

    async def record_attempt(
        self, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, *, now: float
    ) -> None:
        await self.database.write(
            delivering.record_attempt(self._box, claimed, reply, verdict, now=now)
        )

    async def ask_for_attempt(
        self, key: str, sequence: int, client: str | None, *, now: float
    ) -> bool:
        """Owe one extra attempt; False if there is no such delivery.

        Raises RequestError if the delivery was stopped, superseded or filtered.
        """
        return await self.database.write(
            delivering.ask_for_attempt(key, sequence, client, now=now)
        )

    async def delivery(
        self, key: str, sequence: int, client: str | None
    ) -> Delivery | None:
        """With its attempts."""
        step = reading.read_delivery(self._box, key, sequence, client)
        return await self.database.read(step)

    async def deliveries(
        self, wanted: DeliveryFilter, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        step = reading.list_deliveries(self._box, wanted, limit=limit, before=before)
        return await self.database.read(step)

    async def begin(self, *, now: float) -> int:
        """Take over from a former process: its claims are due again, and how many."""
        return await self.database.write(upkeep.begin(now=now))

    async def check_deadlines(
        self, policy: Callable[[str], PollPolicy], *, now: float
    ) -> Deadlines:
        return await self.database.write(upkeep.check_deadlines(self._box, policy, now=now))

    async def end_keyless(self, *, now: float) -> list[str]:
        """End what a key that never worked has kept waiting for ten minutes."""
        ended: list[str] = []
        while keys := await self.database.write(upkeep.end_keyless(self._box, now=now)):
            ended += keys
        return ended

    async def sweep(self, *, now: float) -> int:
        """Repair what must not exist; how much of it there was."""
        if not await self.database.read(upkeep.anything_amiss()):
            return 0
        return await self.database.write(upkeep.sweep(self._box, now=now))

    async def prune(self, *, before: float) -> int:
        """Delete a chunk of what finished before that time; 0 when there is no more."""
        return await self.database.write(upkeep.prune(before=before))

    async def forget(self, *, now: float, idempotency_before: float) -> None:
        """Drop what is remembered no longer: answers of tasks and Idempotency-Keys."""
        while await self.database.write(
            upkeep.forget(now=now, idempotency_before=idempotency_before)
        ):
            pass

    async def rekey(self, cursor: Cursor = Cursor()) -> Cursor:  # noqa: B008 - immutable
        """Seal a chunk anew with the newest key; call again until it is finished."""
        return await self.database.write(rekeying.rekey(self._box, cursor))

    async def rewrap(self) -> None:
        """Seal the fingerprint key anew: the last step of a rekey."""
        await self.database.write(meta.rewrap(self._box.vault))

    async def note_time(self, now: float) -> None:
        """Remember that scheduling time has come so far."""
        await self.database.write(meta.note_time(now))

    async def configured_credentials(
        self, providers: Collection[str]
    ) -> dict[str, Mapping[str, Any]]:
        """The state of each provider's configured key, of those that were ever used."""
        names = {meta.configured(self._box.fingerprints, name): name for name in providers}
        rows = await self.credentials()
        return {names[key]: row for row in rows if (key := row["fingerprint"]) in names}

    async def credentials(self) -> list[Mapping[str, Any]]:
        """Each account's state: provider, worked_at, refused_at, paused_until, …"""
        return await self.database.read(meta.rows("credential_states"))

    async def active_counts(self) -> dict[str, int]:
        """Active subscriptions of each client."""
        rows = await self.database.read(meta.rows("active_counts"))
        return {row["client"]: row["active"] for row in rows}

    async def in_use(self) -> tuple[set[str], set[str]]:
        """Clients and providers that the configuration must still know."""
        return await self.database.read(meta.in_use())

    async def backlog(self, now: float) -> Mapping[str, Any]:
        """watches, deliveries, oldest_poll_at, oldest_delivery_at, exhausted."""
        [row] = await self.database.read(meta.rows("backlog", now=now))
        return row


@asynccontextmanager
async def open_store(url: str, vault: Vault) -> AsyncIterator[tuple[Store, float]]:
    """The store behind a database URL, and the scheduling time it is known to have reached.

    Raises ConfigError for a URL of no known kind, StoreLocked, StoreUnavailable, and
    SealBroken if none of the vault's keys is the one the database was written with.
    """
    database = await open_database(url)
    try:
        fingerprints, reached_at = await database.write(meta.open_meta(vault))
        yield Store(database, Box(vault, fingerprints)), reached_at
    finally:
        await database.close()


async def open_database(url: str) -> Database:
    scheme, _, path = url.partition("://")
    if scheme == "sqlite" and path.startswith("/") and len(path) > 1:
        from bridge.store.sqlite import open_sqlite

        return await open_sqlite(Path(path[1:]))
    raise ConfigError(
        f"database: {scheme}:// is not in this version of poll-bridge; "
        "write sqlite:///bridge.db"
    )
