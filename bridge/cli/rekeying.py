"""Takes a whole database over to the newest encryption key, and proves it."""

from bridge.cli.beside import Beside
from bridge.cli.progress import Advance, unseen
from bridge.config import Config
from bridge.store import Store, open_store
from bridge.store.box import Box
from bridge.store.meta import open_meta
from bridge.store.rekeying import PLACES, Cursor
from bridge.vault import Vault


async def rekeyed(config: Config, place: Beside, advance: Advance = unseen) -> Cursor:
    """What was done. Raises StoreLocked if a bridge is running: one that does not have the
    new key yet would neither open what is sealed with it, nor seal with it.

    The fingerprint key comes last: as long as it is sealed with an old key, the database
    shows that the work is not done. In the end everything is read with the first key
    alone; what does not open then is counted as lost.
    """
    url = config.database.get_secret_value()
    keys = [key.get_secret_value() for key in config.encryption_keys]
    await place.check_free()
    async with open_store(url, Vault(keys)) as (store, _), place.alone():
        done = await resealed(store, advance)
        await place.check_free()  # a node may have been past its start already
        await store.rewrap()
        again = await reopened(store, Vault(keys[:1]))
        proof = await resealed(again, advance, before=len(PLACES))
    return done._replace(lost=max(done.lost, proof.lost))


async def reopened(store: Store, vault: Vault) -> Store:
    """The same database, with other keys. Raises SealBroken if they do not open it."""
    fingerprints, _ = await store.database.write(open_meta, vault)
    return Store(store.database, Box(vault, fingerprints))


async def resealed(store: Store, advance: Advance, *, before: int = 0) -> Cursor:
    """`before`: how many of the places of both passes are done with."""
    cursor = Cursor()
    while not cursor.finished:
        cursor = await store.rekey(cursor)
        advance(before + cursor.place, 2 * len(PLACES))
    return cursor
