"""Rekey: everything sealed anew, a chunk at a time, while the bridge serves."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from bridge.store import Store, meta
from bridge.store.box import Box
from bridge.store.rekeying import Cursor
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY
from tests.store.hooking import SECRET, hooked
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    GAP_S,
    Scene,
    destination,
    key_of,
    succeeded,
)

NEW_KEY = "another-encryption-key-of-40-characters-1"
BOTH, NEW = [NEW_KEY, ENCRYPTION_KEY], [NEW_KEY]


Reopened = Callable[[Sequence[str]], Awaitable[Store]]


@pytest.fixture
def reopened(store: Store) -> Reopened:
    """The same database, as a process with other encryption keys finds it."""

    async def open_with(keys: Sequence[str]) -> Store:
        vault = Vault(keys)
        fingerprints, _ = await store.database.write(meta.open_meta, vault)
        return Store(store.database, Box(vault, fingerprints))

    return open_with


async def rekey_all(store: Store) -> Cursor:
    cursor = await store.rekey()
    while not cursor.finished:
        cursor = await store.rekey(cursor)
    await store.rewrap()
    return cursor


async def something_sealed_everywhere(scene: Scene) -> tuple[str, str]:
    """An ended subscription and an active one; six places hold sealed values."""
    ended = await scene.ended(
        "a", metadata={"order": 7}, destination=destination("a"), signing_secrets=("s",)
    )
    await scene.deliver(BROKEN)
    return ended, await scene.add("b", provider_key="sk-own")


async def test_with_the_newest_key_there_is_nothing_to_do(scene: Scene) -> None:
    """A second run of the command says so."""
    await something_sealed_everywhere(scene)
    assert (await rekey_all(scene.store)).done == 0


async def test_after_a_rekey_the_new_key_alone_opens_everything(
    scene: Scene, reopened: Reopened
) -> None:
    """Then, and only then, the old key may be thrown away."""
    ended, active = await something_sealed_everywhere(scene)
    assert (await rekey_all(await reopened(BOTH))).done == 7
    scene.store = await reopened(NEW)
    shown = await scene.show(ended)
    assert (shown.metadata, shown.callback_url) == ({"order": 7}, "https://app.test/a")
    assert (await scene.delivery(ended)).log[0].answer == b"oh no"
    late = await scene.subscribe("a", metadata={"late": True})
    assert late.subscription.event is not None
    scene.later(GAP_S)
    claimed = {d.message_id: d for d in await scene.claim_deliveries()}
    assert claimed[f"msg_{ended}_0"].signing_secrets == ("s",)
    assert (await scene.claim_poll()).own_key == "sk-own"
    assert (await scene.subscribe("b", provider_key="sk-own")).created is False
    assert active


async def test_hooks_go_on_with_the_new_key_alone(scene: Scene, reopened: Reopened) -> None:
    """Their secrets and URLs are sealed as well."""
    hook = await hooked(scene)
    await scene.ended(destination=None)
    await rekey_all(await reopened(BOTH))
    scene.store = await reopened(NEW)
    found = await scene.store.hook(hook, "shop")
    assert found is not None
    assert found.url == "https://tool.test/standing"
    claimed = await scene.claim_delivery()
    assert (claimed.readable, claimed.signing_secrets) == (True, (SECRET,))


async def test_fingerprints_survive_a_rekey(scene: Scene, reopened: Reopened) -> None:
    """Identity, watches and destinations are found again: their key never changes."""
    key = await scene.add()
    await rekey_all(await reopened(BOTH))
    scene.store = await reopened(NEW)
    assert key_of(await scene.subscribe()) == key
    other = await scene.add(metadata={"n": 2})
    assert sorted(await scene.poll(succeeded())) == sorted([key, other])


async def test_a_rekey_goes_in_chunks_and_can_be_interrupted(
    scene: Scene, reopened: Reopened
) -> None:
    """It runs beside the bridge, and a crash in the middle costs nothing."""
    for n in range(501):
        await scene.add(f"task-{n}", metadata={"n": n}, destination=None)
    store = await reopened(BOTH)
    cursors = [await store.rekey()]
    while cursors[-1].done < 500:
        cursors.append(await store.rekey(cursors[-1]))
    assert cursors[-1].done == 500
    assert not cursors[-1].finished
    assert (await rekey_all(store)).done == 1


async def test_what_is_written_during_a_rekey_is_sealed_with_the_new_key(
    scene: Scene, reopened: Reopened
) -> None:
    """Rows behind the cursor need no second visit."""
    await scene.ended("a", metadata={"n": 1})
    scene.store = await reopened(BOTH)
    cursor = await scene.store.rekey()
    while not cursor.finished:
        cursor = await scene.store.rekey(cursor)
        await scene.add(f"task-{cursor}", metadata={"at": cursor.place})
    await scene.deliver(ACCEPTED)
    await scene.store.rewrap()
    scene.store = await reopened(NEW)
    assert len(await scene.list_subscriptions()) > 5
