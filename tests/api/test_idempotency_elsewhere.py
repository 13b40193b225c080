"""Idempotency-Key of what else makes or asks for something: hooks, and attempts by hand."""

import asyncio
from typing import Any

import pytest

from bridge.api.idempotency import remembered
from bridge.api.replaying import ROUTE
from bridge.store import After, Store
from bridge.store.resuming import Kept, note
from tests.api.acting import ACCEPTED, REFUSED, SUCCEEDED, attempt, poll
from tests.api.conftest import OPS, OTHER, Answer, Api, NotedClock

URL = "https://hooks.zapier.example/hooks/standard/1/abc"
KEY = {"Idempotency-Key": "order-7"}


async def hook(api: Api, headers: Any = KEY, **fields: Any) -> Answer:
    return await api("POST", "/hooks", json={"url": URL} | fields, headers=headers)


def is_replay(answer: Answer) -> bool:
    return bool(answer.headers.get("idempotency-replayed") == "true")


async def test_the_same_key_gets_the_same_hook(api: Api) -> None:
    """With its secret, which the lost answer had told; 201 as the first time."""
    first, again = await hook(api), await hook(api)
    assert (first.status, again.status) == (201, 201)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert again.json == first.json
    assert again.json["signing_secret"].startswith("whsec_")
    repeat = await hook(api, {"Idempotency-Key": "other"})
    told = [repeat, await hook(api, {"Idempotency-Key": "other"})]
    assert [each.status for each in told] == [200, 200]


async def test_a_key_is_good_for_one_hook(api: Api) -> None:
    """What was refused leaves it free; and clients do not share theirs."""
    assert (await hook(api, provider="nobody")).status == 422
    await hook(api)
    changed = await hook(api, format="flat")
    assert (changed.status, changed.code) == (422, "idempotency_key_reused")
    other = await api("POST", "/hooks", json={"url": URL}, headers=KEY, key=OTHER)
    assert (other.status, is_replay(other)) == (201, False)


async def test_a_key_does_not_bring_a_removed_hook_back(api: Api) -> None:
    """The request may have been on its way for long: it is no new wish. That there is a
    hook must not be said either, as nothing is told there.
    """
    made = (await hook(api)).json
    await api("DELETE", f"/hooks/{made['id']}")
    for _ in range(2):
        again = await hook(api)
        assert (again.status, again.code) == (409, "hook_removed")
        assert "was removed at 2027-01-15T08:00:00Z; use a new key" in again.json["detail"]
    assert (await api("GET", "/hooks")).json["items"] == []
    anew = await api("POST", "/hooks", json={"url": URL})
    assert anew.status == 201
    assert anew.json["id"] != made["id"]


async def test_a_key_is_forgotten_after_a_day(api: Api, clock: NotedClock) -> None:
    await hook(api)
    clock.advance(86_401)
    assert (await hook(api, format="flat")).status == 201


@pytest.fixture
async def lost(api: Api, store: Store, clock: NotedClock) -> list[str]:
    """The ids of two deliveries that were refused once."""
    made = [await api.subscribe(task_id=f"t{n}") for n in range(2)]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await attempt(store, clock, REFUSED)
    return [f"msg_{answer.json['id'][4:]}_0" for answer in made]


async def retried(api: Api, id_: str, **options: Any) -> Answer:
    return await api("POST", f"/deliveries/{id_}/retry", headers=KEY, **options)


async def test_an_attempt_is_asked_for_once(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    """Also when it was made, and failed, before the request came again."""
    first = await retried(api, lost[0])
    await attempt(store, clock, REFUSED)
    api.woken.clear()
    again = await retried(api, lost[0])
    assert [(each.status, is_replay(each)) for each in (first, again)] == [
        (202, False),
        (202, True),
    ]
    assert len(again.json["attempts"]) == 2
    await attempt(store, clock, ACCEPTED)
    assert len((await api("GET", f"/deliveries/{lost[0]}")).json["attempts"]) == 2
    assert api.woken == []


async def test_a_key_is_good_for_one_delivery(api: Api, lost: list[str]) -> None:
    """The operator's are not its owner's; and what was refused leaves it free."""
    assert (await retried(api, "msg_none_0")).status == 404
    await retried(api, lost[0])
    other = await retried(api, lost[1])
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    by_operator = await retried(api, lost[1], key=OPS)
    assert (by_operator.status, is_replay(by_operator)) == (202, False)
    assert (await retried(api, lost[0], key=OTHER)).status == 404


async def test_keys_have_bounds(api: Api, lost: list[str]) -> None:
    long = {"Idempotency-Key": "k" * 256}
    for path in ("/hooks", f"/deliveries/{lost[0]}/retry", "/deliveries/retry"):
        answer = await api("POST", path, json={"url": URL}, headers=long)
        assert "255 printable" in answer.faults["Idempotency-Key"], path


async def test_a_key_in_use_is_refused(api: Api) -> None:
    """While the first of the two has no answer yet."""
    looking, seen = asyncio.Event(), asyncio.Event()

    async def slow(_host: str) -> None:
        seen.set()
        await looking.wait()

    async with api.changed(vet=slow) as other:
        first = asyncio.create_task(hook(other))
        await seen.wait()
        second = await hook(other)
        assert (second.status, second.code) == (409, "idempotency_in_flight")
        looking.set()
        assert (await first).status == 201


async def replayed(api: Api, **fields: Any) -> Answer:
    return await api("POST", "/deliveries/retry", json=fields, headers=KEY)


async def attempts(api: Api, lost: list[str]) -> list[int]:
    shown = [(await api("GET", f"/deliveries/{id_}")).json for id_ in lost]
    return [len(each["attempts"]) for each in shown]


async def test_many_are_tried_once_more_under_a_key(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    """And not again when their attempts have failed before the request was repeated."""
    first = await replayed(api, state="retrying")
    assert (first.status, first.json, is_replay(first)) == (202, {"count": 2}, False)
    await attempt(store, clock, REFUSED)
    api.woken.clear()
    again = await replayed(api, state="retrying")
    assert (again.status, again.json, is_replay(again)) == (202, {"count": 2}, True)
    assert (await attempts(api, lost), api.woken) == ([2, 2], [])
    other = await replayed(api, state="exhausted")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


async def test_what_broke_off_goes_on_under_its_key(
    api: Api,
    store: Store,
    clock: NotedClock,
    lost: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever became of the first meanwhile; the answer tells of both together."""
    monkeypatch.setattr("bridge.api.replaying.CHUNK", 1)
    stopping = iter((False, True))
    async with api.changed(draining=lambda: next(stopping)) as other:
        broken = await replayed(other, state=["gone", "retrying"])
    assert (broken.status, broken.code) == (503, "not_ready")
    await attempt(store, clock, REFUSED)
    assert await attempts(api, lost) == [2, 1]
    rest = await replayed(api, state=["gone", "retrying"])
    assert (rest.status, rest.json, is_replay(rest)) == (202, {"count": 2}, False)
    await attempt(store, clock, REFUSED)
    assert await attempts(api, lost) == [2, 2]
    assert is_replay(await replayed(api, state=["gone", "retrying"]))


async def test_what_others_were_at_is_taken_by_the_repeat(
    api: Api, store: Store, lost: list[str]
) -> None:
    """Where the first request broke off while it waited for them."""
    used = remembered(ROUTE, KEY["Idempotency-Key"], {"state": "retrying"})
    assert used is not None
    kept = Kept("shop", used)
    start = await store.begin_replay(kept, now=api.clock.now())
    all_seen = start._replace(taken=1, chosen=2, after=After(9e9, 0), left=(2,))
    await store.database.write(note, store._box, kept, all_seen)
    assert (await replayed(api, state="retrying")).json == {"count": 2}
    assert is_replay(await replayed(api, state="retrying"))
    waiting = await api("POST", "/deliveries/retry", json={"state": "retrying"})
    assert waiting.json == {"count": 1}


async def test_a_limit_counts_what_was_taken_before_it_broke_off(
    api: Api, store: Store, clock: NotedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        await api.subscribe(task_id=f"t{n}")
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await attempt(store, clock, REFUSED)
    monkeypatch.setattr("bridge.api.replaying.CHUNK", 1)
    stopping = iter((False, True))
    async with api.changed(draining=lambda: next(stopping)) as other:
        assert (await replayed(other, state="retrying", limit=2)).status == 503
    assert (await replayed(api, state="retrying", limit=2)).json == {"count": 2}
    assert (await api("POST", "/deliveries/retry", json={"state": "retrying"})).json == {
        "count": 1
    }


async def test_a_dry_run_uses_no_key(api: Api, lost: list[str]) -> None:
    """Count first, then do: a script has one key for both."""
    counted = await replayed(api, state="retrying", dry_run=True)
    assert (counted.status, counted.json["count"]) == (200, 2)
    assert (await replayed(api, state="retrying")).json == {"count": 2}
