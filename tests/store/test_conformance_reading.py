"""Reading: one, many, filtered, page by page, and never another client's."""

from typing import Any

import pytest

from bridge.model import DeliveryState, Outcome, Status, Subscription
from bridge.store import DeliveryFilter, SubscriptionFilter, listing
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    GAP_S,
    HOUR,
    Scene,
    destination,
    failed,
    key_of,
    pending,
    succeeded,
)


async def pages(scene: Scene, wanted: SubscriptionFilter, limit: int) -> list[list[str]]:
    """Keys, page by page, as a client would walk them."""
    found, before = [], 2**62
    while True:
        page = await scene.store.subscriptions(wanted, limit=limit, before=before)
        found.append([key_of(item) for item in page.items])
        if page.next_before is None:
            return found
        before = page.next_before


async def delivery_pages(
    scene: Scene, wanted: DeliveryFilter, limit: int
) -> list[list[str]]:
    found, before = [], 2**62
    while True:
        page = await scene.store.deliveries(wanted, limit=limit, before=before)
        found.append([item.id for item in page.items])
        if page.next_before is None:
            return found
        before = page.next_before


async def test_an_unknown_key_is_nothing(scene: Scene) -> None:
    assert await scene.store.subscription("unknown", None) is None
    assert await scene.store.subscription("", "shop") is None
    assert await scene.store.delivery("unknown", 0, None) is None


async def test_one_client_never_reads_anothers(scene: Scene) -> None:
    """Ids of other clients are no ids. The operator sees all."""
    key = await scene.ended()
    assert await scene.store.subscription(key, "blog") is None
    assert await scene.store.delivery(key, 0, "blog") is None
    for client in ("shop", None):
        assert await scene.store.subscription(key, client) is not None
        assert await scene.store.delivery(key, 0, client) is not None
    assert await scene.list_subscriptions(client="blog") == []
    assert await scene.list_deliveries(client="blog") == []
    assert await scene.list_deliveries(client="blog", subscription_key=key) == []


async def test_a_list_is_newest_first(scene: Scene) -> None:
    keys = [await scene.add(f"task-{n}") for n in range(5)]
    found = [key_of(one) for one in await scene.list_subscriptions()]
    assert found == keys[::-1]


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_pages_neither_repeat_nor_leave_out(scene: Scene, limit: int) -> None:
    """A walk through the pages is the list."""
    keys = [await scene.add(f"task-{n}") for n in range(5)][::-1]
    for n in range(3):
        await scene.add(f"other-{n}", client="blog")
    found = await pages(scene, SubscriptionFilter(client="shop"), limit)
    assert found == [keys[n : n + limit] for n in range(0, 5, limit)]


async def test_what_is_added_meanwhile_does_not_move_the_pages(scene: Scene) -> None:
    """A cursor is a place, not a count."""
    keys = [await scene.add(f"task-{n}") for n in range(4)][::-1]
    wanted = SubscriptionFilter(client="shop")
    first = await scene.store.subscriptions(wanted, limit=2)
    await scene.add("new")
    assert first.next_before is not None
    second = await scene.store.subscriptions(wanted, limit=2, before=first.next_before)
    assert [key_of(item) for item in (*first.items, *second.items)] == keys


async def some_of_each(scene: Scene) -> dict[str, str]:
    """Subscriptions that differ in every field that a list is filtered by."""
    keys = {"ended": await scene.ended("ended"), "failing": await scene.add("failing")}
    await scene.poll(failed(), after_s=GAP_S)
    keys["running"] = await scene.add("running")
    keys["rong"] = await scene.add("running", provider="rong")
    keys["blog"] = await scene.add("running", client="blog")
    await scene.poll(pending(Status.RUNNING))
    keys["new"] = await scene.add("new")
    keys["stopped"] = await scene.add("stopped")
    await scene.stop(keys["stopped"])
    return keys


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "active"}, {"running", "rong", "blog", "new"}),
        ({"state": "ended"}, {"ended", "failing"}),
        ({"state": "stopped"}, {"stopped"}),
        ({"status": "running"}, {"running", "rong", "blog"}),
        ({"status": "failed"}, {"failing"}),
        ({"status": "queued"}, set()),
        ({"outcome": "succeeded"}, {"ended"}),
        ({"outcome": "timed_out"}, set()),
        ({"provider": "rong"}, {"rong"}),
        ({"task_id": "running"}, {"running", "rong", "blog"}),
        ({"task_id": "running", "client": "shop"}, {"running", "rong"}),
        ({"task_id": "running", "client": "shop", "provider": "amux"}, {"running"}),
        ({"client": "blog"}, {"blog"}),
        ({"client": "blog", "state": "ended"}, set()),
        ({"client": "' OR 1=1 --"}, set()),
    ],
)
async def test_a_list_is_filtered(
    scene: Scene, filters: dict[str, Any], expected: set[str]
) -> None:
    """Filters are joined by "and"."""
    keys = await some_of_each(scene)
    found = {key_of(one) for one in await scene.list_subscriptions(**filters)}
    assert found == {keys[name] for name in expected}


async def test_filters_and_pages_go_together(scene: Scene) -> None:
    for n in range(7):
        await scene.add(f"task-{n}", provider=("amux", "rong")[n % 2])
    found = await pages(scene, SubscriptionFilter(client="shop", provider="amux"), 2)
    assert [len(page) for page in found] == [2, 2]


async def test_a_list_shows_what_a_single_look_shows(scene: Scene) -> None:
    await some_of_each(scene)
    for shown in await scene.list_subscriptions():
        assert shown == await scene.show(key_of(shown))


async def test_an_ended_subscription_does_not_change_any_more(scene: Scene) -> None:
    """Its watch may go on for others; what it was told stays what it was told."""
    key = await scene.add(deadline_s=10.0)
    other = await scene.add()
    scene.later(10.0)
    await scene.check_deadlines()
    await scene.poll(pending(Status.QUEUED, progress=5), after_s=0.0)
    await scene.deliver(ACCEPTED)
    before = await scene.show(key)
    await scene.poll(pending(Status.RUNNING, progress=90), after_s=GAP_S)
    assert (await scene.show(other)).progress == 90
    after = await scene.show(key)
    assert facts(after) == facts(before)
    assert (after.status, after.progress) == (Status.QUEUED, 5)
    assert (after.outcome, after.next_poll_at) == (Outcome.TIMED_OUT, None)


def facts(shown: Subscription) -> tuple[object, ...]:
    return (
        shown.state,
        shown.status,
        shown.outcome,
        shown.progress,
        shown.event,
        shown.ended_at,
        shown.delivery,
    )


# Deliveries


async def test_a_delivery_tells_all_about_itself(scene: Scene) -> None:
    key = await scene.ended(destination=destination("hook", "host.test"))
    created_at = scene.now
    await scene.deliver(BROKEN, after_s=1.0)
    delivery = await scene.delivery(key)
    assert (delivery.id, delivery.subscription_id) == (f"msg_{key}_0", f"sub_{key}")
    assert (delivery.client, delivery.type) == ("shop", "task.succeeded")
    assert delivery.callback_url == "https://host.test/hook"
    assert delivery.host == "host.test"
    assert (delivery.created_at, delivery.updated_at) == (created_at, scene.now)
    assert (delivery.attempts, delivery.next_attempt_at) == (1, scene.now + 5)
    [attempt] = delivery.log
    assert (attempt.answer, attempt.hint) == (b"oh no", delivery.hint)


async def test_a_list_of_deliveries_leaves_out_the_attempts(scene: Scene) -> None:
    """Answers may be 4 KiB each; a list is for looking over."""
    key = await scene.ended()
    await scene.deliver(BROKEN)
    [listed] = await scene.list_deliveries()
    assert listed.log == ()
    assert listed.id == (await scene.delivery(key)).id


async def test_each_sequence_is_a_delivery(scene: Scene) -> None:
    key = await scene.add(events=("task.ended", "task.updated"))
    await scene.poll(pending(progress=1))
    await scene.poll(pending(progress=2), after_s=GAP_S)
    await scene.poll(succeeded(), after_s=GAP_S)
    types = [(await scene.delivery(key, n)).type for n in range(3)]
    assert types == ["task.succeeded", "task.updated", "task.updated"]
    assert await scene.store.delivery(key, 3, None) is None
    listed = await scene.list_deliveries(subscription_key=key)
    assert [one.id for one in listed] == [f"msg_{key}_{n}" for n in (0, 2, 1)]


async def test_deliveries_are_filtered(scene: Scene) -> None:
    first = await scene.ended("a", destination=destination("a", "one.test"))
    await scene.deliver(ACCEPTED)
    began_at = scene.now
    scene.later(HOUR)
    second = await scene.ended("b", destination=destination("b", "two.test"))
    for filters, expected in (
        ({"state": DeliveryState.ACCEPTED.value}, [first]),
        ({"state": "waiting"}, [second]),
        ({"state": "gone"}, []),
        ({"host": "two.test"}, [second]),
        ({"subscription_key": first}, [first]),
        ({"since": began_at}, [second, first]),
        ({"since": began_at + 1}, [second]),
        ({"until": began_at + 1}, [first]),
        ({"until": began_at}, []),
        ({"since": began_at, "until": scene.now, "state": "accepted"}, [first]),
        ({"client": "shop"}, [second, first]),
        ({"client": "blog"}, []),
    ):
        found = await scene.list_deliveries(**filters)
        assert [one.id for one in found] == [f"msg_{key}_0" for key in expected], filters


@pytest.mark.parametrize("limit", [1, 3, 5])
async def test_pages_of_deliveries_neither_repeat_nor_leave_out(
    scene: Scene, limit: int
) -> None:
    for n in range(5):
        await scene.add(f"task-{n}")
        await scene.add(f"task-{n}", client="blog")
    await scene.poll(succeeded())
    found = await delivery_pages(scene, DeliveryFilter(client="shop"), limit)
    assert all(len(page) == limit for page in found[:-1])
    ids = [one for page in found for one in page]
    assert len(ids) == len(set(ids)) == 5
    assert ids == [one.id for one in await scene.list_deliveries(client="shop")]


@pytest.mark.parametrize("state", [None, "waiting"])
async def test_a_client_with_little_beside_one_with_much_finds_it_step_by_step(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    """A page looks at so many deliveries and no more, whosesoever they are."""
    monkeypatch.setattr(listing, "LOOKED", 3)
    keys = [await scene.ended("old"), await scene.ended("older")]
    for n in range(7):
        await scene.ended(f"task-{n}", client="blog")
    keys.append(await scene.ended("new"))
    wanted = DeliveryFilter(client="shop", state=state)
    found = await delivery_pages(scene, wanted, 2)
    assert [len(page) for page in found] == [1, 0, 1, 1]
    ids = [one for page in found for one in page]
    assert ids == [f"msg_{key}_0" for key in reversed(keys)]


async def test_a_page_that_looks_no_further_still_keeps_to_the_times_asked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED", 2)
    made: list[str] = []
    for n in range(6):
        made.append(await scene.ended(f"task-{n}"))
        scene.later(HOUR)
    since, until = scene.now - 5 * HOUR - 60, scene.now - 2 * HOUR - 60
    for state in (None, "waiting"):
        wanted = DeliveryFilter(client="shop", state=state, since=since, until=until)
        found = await delivery_pages(scene, wanted, 10)
        ids = [one for page in found for one in page]
        assert ids == [f"msg_{key}_0" for key in made[3:0:-1]], state


async def test_a_list_since_a_time_ends_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are older: whoever follows `next_cursor` does not go through them."""
    monkeypatch.setattr(listing, "LOOKED", 2)
    for n in range(8):
        await scene.ended(f"task-{n}")
        scene.later(HOUR)
    wanted = DeliveryFilter(client="shop", since=scene.now - HOUR - 1)
    found = await delivery_pages(scene, wanted, 10)
    assert [len(page) for page in found] == [1]
