"""Rows that do not open any more: each is its own misfortune, and nobody else's."""

import pytest

from bridge.errors import SealBroken
from bridge.model import DeliveryState, Observation, Outcome, SubscriptionState
from bridge.store import meta
from bridge.store.rekeying import PLACES
from bridge.store.steps import Query, Step, ask
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GAP_S,
    HOUR,
    Scene,
    destination,
    failed,
    key_of,
    pending,
    succeeded,
)

LOST_KEY = "an-encryption-key-that-somebody-took-away"
RUBBISH = b"\x01" + bytes(40)


async def damage(scene: Scene, place: str) -> None:
    """All that is sealed there is rubbish now."""
    [found] = [one for one in PLACES if one.place == place]

    def spoil() -> Step[int]:
        rows = yield ask(found.read, after=0, sequence=-1, limit=100)
        spoilt = [
            {"id": row["id"], "sequence": row["sequence"], "sealed": RUBBISH}
            for row in rows
        ]
        yield Query(found.write, spoilt)
        return len(rows)

    assert await scene.store.database.write(spoil), "there was nothing to damage"


async def test_a_key_that_does_not_open_leaves_its_own_tasks_unasked(scene: Scene) -> None:
    """Their last poll says so; the configured key is never sent in its place."""
    await scene.add("own", provider_key="sk-own")
    await damage(scene, "credential")
    await scene.add("fine", provider_key="sk-fine")
    await scene.add("configured")
    scene.later(1.0)
    claims = {one.task_id: one for one in await scene.claim_polls()}
    assert {task_id: one.own_key for task_id, one in claims.items()} == {
        "own": None,
        "fine": "sk-fine",
        "configured": None,
    }
    assert [task_id for task_id, one in claims.items() if one.own] == ["own", "fine"]


@pytest.mark.parametrize("changes", [{}, {"metadata": {"again": True}}])
async def test_who_brings_the_key_again_mends_it(
    scene: Scene, changes: dict[str, object]
) -> None:
    """Also by an identical request, which is what the last poll's detail asks for."""
    await scene.add("t", provider_key="sk-own")
    await damage(scene, "credential")
    await scene.subscribe("t", provider_key="sk-own", **changes)
    scene.later(1.0)
    assert (await scene.claim_poll()).own_key == "sk-own"


@pytest.mark.parametrize("place", ["destination", "subscription", "event"])
async def test_what_cannot_be_sent_is_a_failed_attempt(scene: Scene, place: str) -> None:
    """It is retried, in case the key comes back, and at last exhausted: it can be seen."""
    lost = await scene.ended("lost", metadata={"order": 1}, signing_secrets=("s",))
    await damage(scene, place)
    fine = await scene.ended("fine", destination=destination("fine"))
    scene.later(GAP_S)
    claims = {one.subscription_id[4:]: one for one in await scene.claim_deliveries()}
    assert {key: one.readable for key, one in claims.items()} == {lost: False, fine: True}
    assert claims[lost].signing_secrets == ()
    await scene.hear(claims[lost], BROKEN)
    assert (await scene.delivery(lost)).state is DeliveryState.RETRYING


async def test_who_names_the_url_again_mends_it(scene: Scene) -> None:
    await scene.ended()
    await damage(scene, "destination")
    await scene.add("another")
    assert (await scene.claim_delivery()).readable


@pytest.mark.parametrize("seen", [succeeded(), pending()])
async def test_what_a_caller_gave_does_not_open_and_it_is_told_all_the_same(
    scene: Scene, seen: Observation
) -> None:
    """Its event lacks what is lost, and is not sent; the others of the task are."""
    lost = await scene.add(metadata={"order": 1}, deadline_s=10.0)
    await damage(scene, "subscription")
    fine = await scene.add(metadata={"order": 2}, deadline_s=10.0)
    scene.later(10.0)
    await scene.check_deadlines()
    ended = await scene.poll(seen)
    assert set(ended) == {lost, fine}
    claims = {one.subscription_id[4:]: one for one in await scene.claim_deliveries()}
    assert {key: one.readable for key, one in claims.items()} == {lost: False, fine: True}


@pytest.mark.parametrize("place", ["destination", "subscription", "event", "attempt"])
async def test_what_does_not_open_is_left_out_where_it_is_shown(
    scene: Scene, place: str
) -> None:
    """A list with one damaged row is still a list."""
    key = await scene.ended(metadata={"order": 1})
    await scene.deliver(ACCEPTED)
    await damage(scene, place)
    [shown] = await scene.list_subscriptions()
    assert shown.state is SubscriptionState.ENDED
    assert (shown.callback_url is None) == (place == "destination")
    assert (shown.metadata == {}) == (place == "subscription")
    assert (shown.event is None) == (place == "event")
    assert len(await scene.list_deliveries()) == 1
    delivery = await scene.delivery(key)
    assert (delivery.callback_url is None) == (place == "destination")
    assert (delivery.log[0].answer == b"") == (place == "attempt")


async def test_an_end_that_does_not_open_is_asked_for_again(scene: Scene) -> None:
    """Memory is a courtesy; the provider is still there."""
    await scene.ended()
    await damage(scene, "answer")
    late = await scene.subscribe(metadata={"late": True})
    assert late.subscription.state is SubscriptionState.ACTIVE
    assert await scene.poll(failed()) == [key_of(late)]
    assert (await scene.show(key_of(late))).outcome is Outcome.FAILED


async def test_a_rekey_goes_on_past_what_does_not_open(scene: Scene) -> None:
    await scene.add("lost", metadata={"n": 1}, destination=None)
    await damage(scene, "subscription")
    await scene.add("fine", metadata={"n": 2}, destination=None)
    vault = Vault([LOST_KEY, ENCRYPTION_KEY])
    fingerprints, _ = await scene.store.database.write(meta.open_meta, vault)
    scene.store._box.vault, scene.store._box.fingerprints = vault, fingerprints
    cursor = await scene.store.rekey()
    while not cursor.finished:
        cursor = await scene.store.rekey(cursor)
    assert cursor.done == 1


async def test_a_key_that_was_ever_the_newest_is_missed_at_the_start(scene: Scene) -> None:
    """Else its rows would be found unreadable one by one, each with a task behind it."""
    write = scene.store.database.write
    await write(meta.open_meta, Vault([LOST_KEY, ENCRYPTION_KEY]))
    with pytest.raises(SealBroken, match="1 of the encryption keys"):
        await write(meta.open_meta, Vault([ENCRYPTION_KEY]))
    await write(meta.open_meta, Vault([ENCRYPTION_KEY, LOST_KEY]))
    await write(meta.rewrap, Vault([LOST_KEY, ENCRYPTION_KEY]))
    await write(meta.open_meta, Vault([LOST_KEY]))


async def test_an_own_key_that_was_wiped_is_not_the_configured_one(scene: Scene) -> None:
    """It is wiped after its last use; a watch that is still there must not borrow ours."""
    await scene.add("t", provider_key="sk-own", deadline_s=DAY)
    [found] = [one for one in await scene.store.credentials() if one["provider"] == "amux"]

    def wipe() -> Step[None]:
        yield ask("keep_key", credential_id=found["id"], sealed=None)

    await scene.store.database.write(wipe)
    scene.later(HOUR)
    claimed = await scene.claim_poll()
    assert (claimed.own, claimed.own_key) == (True, None)
