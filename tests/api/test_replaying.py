"""`POST /deliveries/retry`: one attempt more of each of many."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import StoreUnavailable
from bridge.lanes import Window
from bridge.model import AttemptOutcome, Reply
from bridge.receivers import retry
from bridge.store import Pick, Store
from bridge.store.replaying import Replays
from tests.api.acting import ACCEPTED, REFUSED, SUCCEEDED, attempt, poll
from tests.api.conftest import OPS, OTHER, Answer, Api, NotedClock, config_with


@pytest.fixture
async def lost(api: Api, store: Store, clock: NotedClock) -> list[str]:
    """The ids of three deliveries that were given up at 08:00:05, oldest first."""
    made = [await api.subscribe(task_id=f"t{n}") for n in range(3)]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await give_up(store, clock)
    api.woken.clear()
    return [f"msg_{answer.json['id'][4:]}_0" for answer in made]


async def give_up(store: Store, clock: NotedClock) -> None:
    """Every first attempt fails, and there is to be no other."""
    ready = await store.delivery_lanes(now=clock.now(), window=Window())
    picks = [Pick(lane, 100_000) for lane in ready.lanes]
    claims = await store.claim_deliveries(picks, now=clock.now(), lease_s=35)
    for claimed in claims.items:
        verdict = retry.decide(
            claimed, REFUSED, schedule=retry.Schedule(()), now=clock.now(), dice=0.5
        )
        await store.record_attempt(claimed, REFUSED, verdict, now=clock.now())


async def replay(api: Api, key: str | None = None, **fields: Any) -> Answer:
    options = {} if key is None else {"key": key}
    return await api("POST", "/deliveries/retry", json=fields, **options)


async def shown(api: Api, id_: str) -> Any:
    return (await api("GET", f"/deliveries/{id_}")).json


async def test_all_that_was_given_up_is_tried_once_more(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    """The receiver was down for a day."""
    clock.advance(60)
    answer = await replay(api)
    assert (answer.status, answer.json) == (202, {"count": 3})
    assert api.woken == ["dispatcher"]
    for id_ in lost:
        assert (await shown(api, id_))["next_attempt_at"] == "2027-01-15T08:01:05Z"

    await attempt(store, clock, ACCEPTED)
    for id_ in lost:
        found = await shown(api, id_)
        assert (found["state"], found["given_up_at"]) == ("accepted", None)
        assert [one["manual"] for one in found["attempts"]] == [False, True]


async def test_a_dry_run_counts_and_does_nothing(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    answer = await replay(api, dry_run=True)
    until = "2027-01-15T08:00:05.001Z"
    as_of = "2027-01-15T08:00:05Z"
    told = {"count": 3, "until": until, "as_of": as_of}
    assert (answer.status, answer.json) == (200, told)
    assert (await replay(api, dry_run=True, limit=2)).json["count"] == 2
    assert api.woken == []
    assert (await shown(api, lost[0]))["next_attempt_at"] is None


async def test_what_was_counted_is_what_is_taken(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    """Others are given up while somebody makes up his mind."""
    counted = (await replay(api, dry_run=True)).json
    sooner = (await replay(api, dry_run=True, until="2027-01-15T08:00:04Z")).json
    assert (sooner["count"], sooner["until"]) == (0, "2027-01-15T08:00:04Z")
    later = await api.subscribe(task_id="later")
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await give_up(store, clock)
    taken = await replay(api, until=counted["until"], limit=counted["count"])
    assert taken.json == {"count": 3}
    left = await shown(api, f"msg_{later.json['id'][4:]}_0")
    assert left["next_attempt_at"] is None


async def test_what_came_into_its_state_after_the_count_is_not_taken(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    """It was made before, as were those that were counted and have arrived since."""
    older = await api.subscribe(task_id="older")
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    counted = (await replay(api, dry_run=True)).json
    assert (counted["count"], counted["as_of"]) == (3, "2027-01-15T08:00:10Z")
    clock.advance(5)
    await give_up(store, clock)
    taken = await replay(api, until=counted["until"], as_of=counted["as_of"])
    assert taken.json == {"count": 3}
    left = await shown(api, f"msg_{older.json['id'][4:]}_0")
    assert (left["state"], left["next_attempt_at"]) == ("exhausted", None)


async def test_a_repeat_does_the_rest_and_nothing_twice(api: Api, lost: list[str]) -> None:
    """Whoever lost the answer asks again, or twice at once."""
    assert (await replay(api, limit=1)).json == {"count": 1}
    answers = await asyncio.gather(*(replay(api) for _ in range(4)))
    assert sorted(each.json["count"] for each in answers) == [0, 0, 0, 2]
    assert (await replay(api, dry_run=True)).json["count"] == 0


async def test_the_oldest_are_taken_where_there_is_a_limit(
    api: Api, lost: list[str]
) -> None:
    await replay(api, limit=2)
    waiting = [(await shown(api, id_))["next_attempt_at"] is not None for id_ in lost]
    assert waiting == [True, True, False]


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"state": "exhausted"}, 3),
        ({"state": ["gone", "exhausted"]}, 3),
        ({"state": "gone,exhausted"}, 3),
        ({"state": ["gone", "accepted", "presumed", "retrying", "waiting"]}, 0),
        ({"state": ""}, 3),
        ({"since": "2027-01-15T08:00:05Z"}, 3),
        ({"since": "2027-01-15T08:00:06Z"}, 0),
        ({"until": "2027-01-15T08:00:05Z"}, 0),
        ({"until": "2027-01-15T09:00:06+01:00"}, 3),
        ({"until": "2999-01-01T00:00:00Z", "since": None}, 3),
        ({"host": "APP.example.com."}, 3),
        ({"host": "other.example.com"}, 0),
        ({"subscription_id": "sub_SELF"}, 1),
        ({"subscription_id": "sub_nobody"}, 0),
    ],
)
async def test_what_is_meant_is_chosen_as_in_the_list(
    api: Api, lost: list[str], fields: dict[str, Any], count: int
) -> None:
    """Count, then do: both by the same filters."""
    given = dict(fields)
    if "subscription_id" in given:
        given["subscription_id"] = given["subscription_id"].replace("SELF", lost[0][4:-2])
    assert (await replay(api, **given, dry_run=True)).json["count"] == count
    assert (await replay(api, **given)).json == {"count": count}


async def test_a_form_means_the_same(api: Api, lost: list[str]) -> None:
    """For tools without JSON."""
    for form, count in (
        ("state=gone", 0),
        ("state[]=gone&state[]=exhausted&dry_run=true", 3),
        ("state=gone,exhausted&limit=2&dry_run=false", 2),
        ("state[0]=exhausted", 1),
    ):
        answer = await api(
            "POST",
            "/deliveries/retry",
            data=form,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.json["count"] == count


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"state": "done"}, "state", "must be one or several of waiting, retrying"),
        ({"state": ["exhausted", "stopped"]}, "state", "waiting, retrying, accepted"),
        ({"state": [7]}, "state[0]", "must be"),
        ({"state": 7}, "state", "list"),
        ({"since": "yesterday"}, "since", "2026-11-25T12:00:00Z"),
        ({"until": 1800000000}, "until", "2026-11-25T12:00:00Z"),
        ({"as_of": "now"}, "as_of", "2026-11-25T12:00:00Z"),
        (
            {"since": "2027-01-15T08:00:05Z", "until": "2027-01-15T08:00:05Z"},
            "until",
            "later than `since`",
        ),
        ({"limit": 0}, "limit", "1"),
        ({"limit": 10**7}, "limit", "1000000"),
        ({"host": "a\nb"}, "host", "printable"),
        ({"subscription_id": "msg_1"}, "subscription_id", "sub_"),
        ({"dry_run": "perhaps"}, "dry_run", "true or false"),
        ({"dryRun": True}, "dryRun", "did you mean dry_run?"),
        ({"client": "shop"}, "client", "no such field"),
    ],
)
async def test_a_faulty_request_does_nothing(
    api: Api, lost: list[str], fields: dict[str, Any], field: str, told: str
) -> None:
    """A filter that is misspelt and ignored would send everything."""
    answer = await replay(api, **fields)
    assert answer.code == "invalid_request"
    assert told in answer.faults[field]
    assert (await replay(api, dry_run=True)).json["count"] == 3


async def test_nothing_is_sent_for_no_body_at_all(api: Api, lost: list[str]) -> None:
    """A slip of the pen in a shell would replay everything."""
    as_json = {"Content-Type": "application/json"}
    answer = await api("POST", "/deliveries/retry", data=b"", headers=as_json)
    assert (answer.status, answer.code) == (400, "malformed_body")
    assert (await api("GET", "/deliveries/retry")).status == 405
    assert (await replay(api, dry_run=True)).json["count"] == 3


async def test_nobody_replays_what_is_anothers(api: Api, lost: list[str]) -> None:
    """Nor learns how much of it there is; the operator may, of all or of one."""
    sub = f"sub_{lost[0][4:-2]}"
    for fields in ({}, {"subscription_id": sub}, {"host": "app.example.com"}):
        assert (await replay(api, OTHER, **fields)).json == {"count": 0}
    assert (await replay(api, OPS, client="other")).json == {"count": 0}
    assert (await replay(api, OPS, dry_run=True)).json["count"] == 3
    assert (await replay(api, OPS, client="shop", limit=1)).json == {"count": 1}
    assert (await replay(api, OPS)).json == {"count": 2}
    assert (await replay(api, "nobodys-key-0123")).code == "unauthorized"


async def test_twenty_thousand_are_taken_in_chunks(
    api: Api, store: Store, clock: NotedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a transaction of its own, so that others are let in between."""
    for n in range(12):
        await api.subscribe(task_id=f"t{n}")
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await give_up(store, clock)
    monkeypatch.setattr("bridge.api.replaying.FOUND", 10)
    monkeypatch.setattr("bridge.api.replaying.CHUNK", 5)
    api.woken.clear()
    assert (await replay(api)).json == {"count": 12}
    assert api.woken == ["dispatcher"] * 3


async def test_what_was_taken_before_it_broke_off_is_told(
    api: Api, store: Store, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done and stays done; the same request goes on with the rest."""
    monkeypatch.setattr("bridge.api.replaying.CHUNK", 1)
    stopping = iter((False, False, True))
    async with api.changed(draining=lambda: next(stopping)) as other:
        answer = await replay(other)
    assert (answer.status, answer.code) == (503, "not_ready")
    assert "2 deliveries were taken" in answer.json["detail"]
    assert answer.headers["Retry-After"]
    assert (await replay(api)).json == {"count": 1}


async def test_a_database_that_goes_away_in_the_middle_is_told(
    api: Api, store: Store, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nothing was written would be a lie then; before the first chunk it is true."""
    monkeypatch.setattr("bridge.api.replaying.CHUNK", 2)
    counted = Counted(store, most=1)
    async with api.changed(store=counted) as other:
        answer = await replay(other)
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert "2 deliveries were taken" in answer.json["detail"]
        answer = await replay(other)
        assert "nothing was written" in answer.json["detail"]
    assert (await replay(api)).json == {"count": 1}


async def test_a_client_that_has_gone_meanwhile_gets_no_more(
    api: Api, store: Store, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload took its key between two chunks."""
    monkeypatch.setattr("bridge.api.replaying.CHUNK", 1)
    now, later = config_with(), config_with(api_keys=["another-key-0123456789"])
    counted = Counted(store)
    config = {"config": lambda: later if counted.chunks else now}
    async with api.changed(store=counted, **config) as other:
        answer = await replay(other)
    assert (answer.code, counted.chunks) == ("unauthorized", 1)
    assert (await replay(api)).json == {"count": 2}


class Counted(Store):
    """Its database is away after `most` chunks."""

    def __init__(self, store: Store, most: int = 100) -> None:
        super().__init__(store.database, store._box)
        self.chunks, self.most = 0, most

    async def replay(self, *args: Any, **kwargs: Any) -> int:
        if self.chunks == self.most:
            raise StoreUnavailable("gone")
        self.chunks += 1
        return await super().replay(*args, **kwargs)


async def test_what_is_made_meanwhile_is_not_taken(
    api: Api, store: Store, clock: NotedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a replay of what was accepted would never come to an end."""
    for n in range(2):
        await api.subscribe(task_id=f"t{n}")
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await attempt(store, clock, ACCEPTED)
    monkeypatch.setattr("bridge.api.replaying.FOUND", 1)
    async with api.changed(store=Busy(store, api, clock)) as other:
        answer = await replay(other, state="accepted")
    assert answer.json == {"count": 2}
    assert (await replay(api, state="accepted")).json == {"count": 2}


class Busy(Store):
    """One more delivery is made and accepted before each chunk."""

    def __init__(self, store: Store, api: Api, clock: NotedClock) -> None:
        super().__init__(store.database, store._box)
        self.api, self.clock, self.number = api, clock, 10

    async def replay(self, *args: Any, **kwargs: Any) -> int:
        self.number += 1
        await self.api.subscribe(task_id=f"t{self.number}")
        self.clock.advance(5)
        await poll(self, self.clock, SUCCEEDED)
        ready = await self.delivery_lanes(now=self.clock.now(), window=Window())
        firsts = [Pick(lane, 100) for lane in ready.lanes if not lane.retry]
        claims = await self.claim_deliveries(firsts, now=self.clock.now(), lease_s=35)
        for claimed in claims.items:
            verdict = retry.decide(
                claimed, ACCEPTED, schedule=retry.Schedule(), now=self.clock.now(), dice=0.5
            )
            await self.record_attempt(claimed, ACCEPTED, verdict, now=self.clock.now())
        return await super().replay(*args, **kwargs)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_what_arrives_meanwhile_is_not_sent_again_for_its_new_state(
    api: Api, store: Store, clock: NotedClock, lost: list[str], headers: dict[str, str]
) -> None:
    """The dispatcher is quicker than the look for the next state."""
    clock.advance(60)
    body = {"state": ["exhausted", "accepted"]}
    async with api.changed(store=Swift(store, clock)) as other:
        answer = await other("POST", "/deliveries/retry", json=body, headers=headers)
    assert answer.json == {"count": 3}
    for id_ in lost:
        found = await shown(api, id_)
        assert (found["state"], found["next_attempt_at"]) == ("accepted", None)


class Swift(Store):
    """All that was taken has arrived before each look."""

    def __init__(self, store: Store, clock: NotedClock) -> None:
        super().__init__(store.database, store._box)
        self.clock = clock

    async def find_replays(self, *args: Any, **kwargs: Any) -> Replays:
        self.clock.advance(1)
        await attempt(self, self.clock, ACCEPTED)
        return await super().find_replays(*args, **kwargs)


async def test_dead_letters_are_listed_with_their_reason(
    api: Api, store: Store, clock: NotedClock, lost: list[str]
) -> None:
    """Who looks at them asks why, and since when."""
    clock.advance(60)
    await replay(api, limit=1)
    await attempt(store, clock, replace(REFUSED, http_status=404))
    page = (await api("GET", "/deliveries?state=exhausted")).json
    assert [item["id"] for item in page["items"]] == lost[::-1]
    for item in page["items"]:
        assert item["last_outcome"] == "refused"
        assert item["given_up_at"] == "2027-01-15T08:00:05Z"
        assert item["hint"]
    statuses = [item["last_http_status"] for item in page["items"]]
    assert statuses == [500, 500, 404]


async def test_what_another_was_told_is_a_reason_as_well(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Two deliveries of one URL: one is told 410, and one is not even tried again."""
    gone = Reply(outcome=AttemptOutcome.GONE, http_status=410)
    first, second = [(await api.subscribe(task_id=f"t{n}")).json["id"] for n in range(2)]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    ready = await store.delivery_lanes(now=clock.now(), window=Window())
    claims = await store.claim_deliveries(
        [Pick(ready.lanes[0], 2)], now=clock.now(), lease_s=35
    )
    for claimed in claims.items:
        reply = gone if claimed.subscription_id == first else REFUSED
        verdict = retry.decide(
            claimed, reply, schedule=retry.Schedule(), now=clock.now(), dice=0.5
        )
        await store.record_attempt(claimed, reply, verdict, now=clock.now())
    page = (await api("GET", "/deliveries?state=gone")).json
    by_id = {item["subscription_id"]: item for item in page["items"]}
    assert by_id[first]["last_http_status"] == 410
    assert "answered 410 to another" not in by_id[first]["hint"]
    assert "answered 410 to another" in by_id[second]["hint"]
    assert by_id[second]["given_up_at"] == "2027-01-15T08:00:05Z"
    shown_of = (await api("GET", f"/subscriptions/{second}")).json
    assert "answered 410 to another" in shown_of["delivery"]["hint"]
