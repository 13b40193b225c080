"""Idempotency-Key: a lost answer is asked for again without doing the work twice."""

import asyncio

from bridge.store import Store
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import CALLBACK, OTHER, Api, NotedClock, config_with

BODY = {"provider": "amux", "task_id": "task1", "callback_url": CALLBACK}
KEY = {"Idempotency-Key": "order-7"}


async def test_the_same_key_gets_the_same_answer(api: Api) -> None:
    """202 again, marked as a replay, so that clients need no second way of reading it."""
    first = await api("POST", "/subscribe", json=BODY, headers=KEY)
    again = await api(
        "POST", "/subscriptions", json=dict(reversed(BODY.items())), headers=KEY
    )

    assert (first.status, again.status) == (202, 202)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert first.json == again.json
    assert first.headers["location"] == again.headers["location"]
    assert api.woken == ["poller"]


async def test_a_replay_of_a_repeat_is_answered_as_the_repeat_was(api: Api) -> None:
    """Who counts its 202s, as new ones, must not count one that has never been."""
    await api.subscribe()
    repeat = await api("POST", "/subscribe", json=BODY, headers=KEY)
    again = await api("POST", "/subscribe", json=BODY, headers=KEY)
    assert (repeat.status, again.status) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json["id"] == repeat.json["id"]


async def test_a_replay_takes_no_place(api: Api) -> None:
    """It is answered like what it repeats, but there is one subscription only."""
    config = config_with(limits={"requests": "1000/s", "active": 2})
    async with api.changed(config=lambda: config) as small:
        for _ in range(3):
            made = await small("POST", "/subscribe", json=BODY, headers=KEY)
            assert made.status == 202
        second = await small.subscribe(task_id="task2")
        third = await small.subscribe(task_id="task3")
    assert (second.status, third.code) == (202, "limit_active")


async def test_a_key_is_good_for_one_body(api: Api) -> None:
    """Answering another request with the first one's answer would lose it."""
    await api("POST", "/subscribe", json=BODY, headers=KEY)
    changed = await api(
        "POST", "/subscribe", json=BODY | {"metadata": {"a": 1}}, headers=KEY
    )
    other_key = await api(
        "POST", "/subscribe", json=BODY, headers=KEY | {"X-Provider-Api-Key": "own"}
    )
    assert (changed.status, changed.code) == (422, "idempotency_key_reused")
    assert other_key.code == "idempotency_key_reused"


async def test_clients_do_not_share_keys(api: Api) -> None:
    """Two clients may well number their orders alike."""
    first = await api("POST", "/subscribe", json=BODY, headers=KEY)
    own = BODY | {"provider_api_key": "own"}
    second = await api("POST", "/subscribe", json=own, headers=KEY, key=OTHER)
    assert (second.status, "idempotency-replayed" in second.headers) == (202, False)
    assert second.json["id"] != first.json["id"]


async def test_a_key_is_forgotten_after_a_day(api: Api, clock: NotedClock) -> None:
    """As the contract says; the active subscription is still found as a repeat."""
    await api("POST", "/subscribe", json=BODY, headers=KEY)
    clock.advance(86_401)
    later = await api("POST", "/subscribe", json=BODY | {"metadata": {"a": 1}}, headers=KEY)
    assert (later.status, "idempotency-replayed" in later.headers) == (202, False)


async def test_a_replay_shows_what_has_become_of_it(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Also after the end: the caller learns it from the answer it had lost."""
    await api("POST", "/subscribe", json=BODY, headers=KEY)
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    again = await api("POST", "/subscribe", json=BODY, headers=KEY)
    assert (again.status, again.json["state"]) == (202, "ended")


async def test_a_key_in_use_is_refused_until_its_request_is_answered(api: Api) -> None:
    """409 while the first one is held by `wait`; afterwards the key replays."""
    held = asyncio.create_task(api("POST", "/subscribe?wait=3", json=BODY, headers=KEY))
    await api.asleep(held)
    early = await api("POST", "/subscribe", json=BODY, headers=KEY)
    other_key = await api("POST", "/subscribe", json=BODY, headers={"Idempotency-Key": "8"})
    await api.passes(held, 5)
    late = await api("POST", "/subscribe", json=BODY, headers=KEY)

    assert (early.status, early.code) == (409, "idempotency_in_flight")
    assert early.headers["retry-after"] == "1"
    assert (other_key.status, held.result().status, late.status) == (200, 202, 202)


async def test_a_request_that_failed_leaves_its_key_free(api: Api) -> None:
    """What was refused may be mended and sent again under the same key."""
    refused = await api("POST", "/subscribe", json=BODY | {"task_id": "/"}, headers=KEY)
    mended = await api("POST", "/subscribe", json=BODY, headers=KEY)
    assert (refused.status, mended.status) == (422, 202)


async def test_a_key_has_bounds(api: Api) -> None:
    """255 printable characters; a blank one is none."""
    longest = await api(
        "POST", "/subscribe", json=BODY, headers={"Idempotency-Key": "k" * 255}
    )
    blank = await api("POST", "/subscribe", json=BODY, headers={"Idempotency-Key": " "})
    for bad in ("k" * 256, "k\u00fc"):
        answer = await api(
            "POST", "/subscribe", json=BODY, headers={"Idempotency-Key": bad}
        )
        assert "255 printable" in answer.faults["Idempotency-Key"]
    assert (longest.status, blank.status) == (202, 200)
