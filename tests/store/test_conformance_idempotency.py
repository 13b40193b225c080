"""Idempotency-Key: the same answer for a day, for one client and one route."""

import asyncio
from typing import Any

import pytest

from bridge.errors import RequestError
from bridge.model import IdempotencyKey, SubscriptionState
from bridge.store import Subscribed
from bridge.store.asking import AskedFor, Once
from bridge.store.hooks import Added
from bridge.store.steps import Step, ask
from tests.store.hooking import FULL, hook_wish, remove
from tests.store.scene import BROKEN, DAY, Scene, key_of, wish


def idempotency(
    key: str = "k-1", body: bytes = b"body", route: str = "subscribe"
) -> IdempotencyKey:
    return IdempotencyKey(route=route, key=key, body=body)


async def subscribe(
    scene: Scene, number: int, given: IdempotencyKey, client: str = "shop"
) -> Subscribed:
    """Each number is a different request, which nothing but the key can make a repeat."""
    return await scene.store.subscribe(
        wish(f"task-{number}", client=client), now=scene.now, idempotency=given
    )


async def test_the_same_key_and_body_is_the_same_answer(scene: Scene) -> None:
    """A client that lost our answer repeats its request, key and all."""
    first = await subscribe(scene, 1, idempotency())
    again = await subscribe(scene, 1, idempotency())
    assert (first.created, first.replayed) == (True, False)
    assert (again.created, again.replayed) == (True, True)
    assert key_of(again) == key_of(first)


async def test_a_repeated_answer_says_again_that_it_was_a_repeat(scene: Scene) -> None:
    """The same key gets the same answer, also where that was 200."""
    await scene.store.subscribe(wish("task-1"), now=scene.now)
    first = await subscribe(scene, 1, idempotency())
    again = await subscribe(scene, 1, idempotency())
    assert (first.created, first.replayed) == (False, False)
    assert (again.created, again.replayed) == (False, True)


async def test_the_same_key_with_another_body_is_refused(scene: Scene) -> None:
    """Two requests under one key are a mistake; guessing which was meant is another."""
    await subscribe(scene, 1, idempotency())
    with pytest.raises(RequestError) as caught:
        await subscribe(scene, 2, idempotency(body=b"other"))
    assert caught.value.code == "idempotency_key_reused"
    assert len(await scene.list_subscriptions()) == 1


async def test_a_key_is_of_one_client(scene: Scene) -> None:
    """Two clients may draw the same key, and neither learns of the other."""
    await subscribe(scene, 1, idempotency())
    other = await subscribe(scene, 2, idempotency(body=b"other"), client="blog")
    assert other.created


async def test_a_key_is_of_one_route(scene: Scene) -> None:
    await subscribe(scene, 1, idempotency())
    other = await subscribe(scene, 2, idempotency(route="batch", body=b"other"))
    assert other.created


async def test_a_key_is_remembered_for_a_day(scene: Scene) -> None:
    first = await subscribe(scene, 1, idempotency())
    scene.later(DAY - 1)
    assert key_of(await subscribe(scene, 1, idempotency())) == key_of(first)
    scene.later(1.0)
    other = await subscribe(scene, 2, idempotency(body=b"other"))
    assert other.created
    assert key_of(await subscribe(scene, 2, idempotency(body=b"other"))) == key_of(other)


async def test_a_replay_does_not_prolong_the_memory(scene: Scene) -> None:
    """The day counts from the request that was answered."""
    await subscribe(scene, 1, idempotency())
    scene.later(DAY - 1)
    await subscribe(scene, 1, idempotency())
    scene.later(1.0)
    assert (await subscribe(scene, 2, idempotency(body=b"other"))).created


async def test_a_replay_shows_the_subscription_as_it_stands_now(scene: Scene) -> None:
    """Also when it was stopped since: the key is an answer, not a new wish."""
    first = await subscribe(scene, 1, idempotency())
    await scene.stop(key_of(first))
    again = await subscribe(scene, 1, idempotency())
    assert (again.replayed, key_of(again)) == (True, key_of(first))
    assert again.subscription.state is SubscriptionState.STOPPED


async def test_an_identical_request_under_a_new_key_is_a_repeat(scene: Scene) -> None:
    """Identity is the whole request; the new key then answers the same."""
    first = await subscribe(scene, 1, idempotency("k-1"))
    second = await subscribe(scene, 1, idempotency("k-2"))
    assert (second.created, second.replayed) == (False, False)
    third = await subscribe(scene, 1, idempotency("k-2"))
    assert (third.replayed, key_of(third)) == (True, key_of(first))


async def test_upkeep_forgets_old_keys_only(scene: Scene) -> None:
    await subscribe(scene, 1, idempotency("old"))
    scene.later(10.0)
    kept = await subscribe(scene, 2, idempotency("new"))
    await scene.store.forget(now=scene.now, idempotency_before=scene.now - 5)
    assert (await subscribe(scene, 3, idempotency("old", body=b"other"))).created
    assert key_of(await subscribe(scene, 2, idempotency("new"))) == key_of(kept)


async def test_a_key_whose_subscription_was_pruned_is_free(scene: Scene) -> None:
    """There is nothing left to answer with."""
    first = await subscribe(scene, 1, idempotency())
    await scene.stop(key_of(first))
    assert await scene.store.prune(before=scene.now + 1) == 1
    again = await subscribe(scene, 1, idempotency())
    assert (again.created, again.replayed) == (True, False)


async def test_a_refused_request_leaves_nothing_behind(scene: Scene) -> None:
    """Neither a subscription nor a watch nor a poll."""
    await subscribe(scene, 1, idempotency())
    with pytest.raises(RequestError):
        await subscribe(scene, 2, idempotency(body=b"other"))
    scene.later(1.0)
    assert (await scene.claim_poll()).task_id == "task-1"


async def test_an_attempt_by_hand_is_asked_for_once_under_a_key(scene: Scene) -> None:
    """Two at once, too: one asks, and the other is told so."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    asked, used = AskedFor(key, 0, "", None), idempotency(route="retry")
    asking = [scene.store.ask_once(asked, "ops", used, now=scene.now) for _ in range(3)]
    told = sorted(await asyncio.gather(*asking))
    assert told == [Once(True), Once(True, replayed=True), Once(True, replayed=True)]
    await scene.deliver(BROKEN)
    again = await scene.store.ask_once(asked, "ops", used, now=scene.now)
    assert (again.replayed, await scene.claim_deliveries()) == (True, [])
    other = idempotency(route="retry", body=b"other")
    with pytest.raises(RequestError, match="draw a new key"):
        await scene.store.ask_once(asked, "ops", other, now=scene.now)


async def test_hooks_of_one_key_that_are_made_at_once_are_one(scene: Scene) -> None:
    used = idempotency(route="hooks")

    async def add() -> Added:
        return await scene.store.add_hook(
            hook_wish(), now=scene.now, most=9, full=FULL, idempotency=used
        )

    told = sorted(await asyncio.gather(add(), add()), key=lambda each: each.replayed)
    assert [(each.created, each.replayed) for each in told] == [(True, False), (True, True)]
    assert told[0].hook == told[1].hook


async def test_a_key_whose_hook_is_forgotten_is_free(scene: Scene) -> None:
    """By a node whose clock is a little ahead: there is nothing left to answer with."""
    used = idempotency(route="hooks")
    given: dict[str, Any] = {"most": 9, "full": FULL, "idempotency": used}
    first = await scene.store.add_hook(hook_wish(), now=scene.now, **given)
    await remove(scene, first.hook.id.removeprefix("hook_"))

    def forgotten() -> Step[None]:
        yield ask("delete_hook", hook_id=1)

    await scene.store.database.write(forgotten)
    again = await scene.store.add_hook(hook_wish(), now=scene.now, **given)
    assert (again.created, again.replayed) == (True, False)
