"""Takes a whole database over to the newest encryption key, and proves it."""

from bridge.config import Config
from bridge.store import Store, open_store
from bridge.store.rekeying import Cursor
from bridge.vault import Vault


async def rekeyed(config: Config) -> Cursor:
    """What was done. Raises StoreLocked if a bridge is running.

    The fingerprint key comes last: as long as it is sealed with an old key, the database
    shows that the work is not done. In the end everything is read with the first key
    alone; what does not open then is counted as lost.
    """
    url = config.database.get_secret_value()
    keys = [key.get_secret_value() for key in config.encryption_keys]
    async with open_store(url, Vault(keys)) as (store, _):
        done = await resealed(store)
        await store.rewrap()
    async with open_store(url, Vault(keys[:1])) as (store, _):
        proof = await resealed(store)
    return done._replace(lost=max(done.lost, proof.lost))


async def resealed(store: Store) -> Cursor:
    cursor = Cursor()
    while not cursor.finished:
        cursor = await store.rekey(cursor)
    return cursor
