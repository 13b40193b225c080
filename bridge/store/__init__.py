"""The memory: one method for each step of a task's path, and nothing else to know.

All SQL is in queries.sql; the modules beside it are the steps; `sqlite` runs them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.errors import ConfigError
from bridge.store import meta
from bridge.store.box import Box
from bridge.store.claims import Claims, Pick
from bridge.store.driver import check_driver
from bridge.store.facade import Store
from bridge.store.listing import DeliveryFilter
from bridge.store.meta import Reached
from bridge.store.noticing import To as NoticesTo
from bridge.store.reading import Page, SubscriptionFilter
from bridge.store.replaying import After, Replays
from bridge.store.rooms.deliveries import Followed
from bridge.store.starting import AWAY_S
from bridge.store.steps import Database
from bridge.store.subscribing import Subscribed
from bridge.store.upkeep import Doubt
from bridge.vault import Vault

__all__ = [
    "AWAY_S",
    "After",
    "Claims",
    "DeliveryFilter",
    "Doubt",
    "Followed",
    "NoticesTo",
    "Page",
    "Pick",
    "Reached",
    "Replays",
    "Store",
    "Subscribed",
    "SubscriptionFilter",
    "open_store",
]


@asynccontextmanager
async def open_store(url: str, vault: Vault) -> AsyncIterator[tuple[Store, Reached]]:
    """The store behind a database URL, and the time that former processes had reached.

    Raises ConfigError for a URL of no known kind, StoreLocked, StoreUnavailable, and
    SealBroken if none of the vault's keys is the one the database was written with.
    """
    database = await open_database(url)
    try:
        fingerprints, reached = await database.write(meta.open_meta, vault)
        yield Store(database, Box(vault, fingerprints)), reached
    finally:
        await database.close()


async def open_database(url: str) -> Database:
    scheme, _, path = url.partition("://")
    if scheme == "sqlite" and path.startswith("/") and len(path) > 1:
        from bridge.store.sqlite import open_sqlite

        return await open_sqlite(Path(path[1:]))
    if scheme in ("postgresql", "postgres"):
        check_driver()
        from bridge.store.postgres import open_postgres

        return await open_postgres(url)
    raise ConfigError(
        f"database: {scheme}:// is not in this version of poll-bridge; "
        "write sqlite:///bridge.db"
    )
