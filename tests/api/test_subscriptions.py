"""Reading subscriptions and stopping them."""

from typing import Any

import pytest

from bridge.model import ErrorCode, Observation, PollOutcome, Status, TaskError
from bridge.store import Store
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import Api, NotedClock

FAILED = Observation(
    outcome=PollOutcome.ENDED,
    status=Status.FAILED,
    http_status=200,
    error=TaskError(code=ErrorCode.TASK_FAILED, message="it broke", provider_code="E1"),
)


async def test_an_end_is_shown_as_it_is_delivered(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Whoever reads instead of being called gets the same facts."""
    path = f"/subscriptions/{(await api.subscribe()).json['id']}"
    clock.advance(5)
    await poll(store, clock, FAILED)
    shown = (await api("GET", path)).json

    assert (shown["state"], shown["status"]) == ("ended", "failed")
    assert (shown["outcome"], shown["ended_at"]) == ("failed", "2027-01-15T08:00:05Z")
    assert shown["result"] is None
    assert shown["error"]["message"] == "it broke"
    assert shown["error"]["provider_code"] == "E1"
    assert shown["last_poll"]["outcome"] == "ended"
    assert shown["next_poll_at"] is None
    assert shown["delivery"] == {
        "id": shown["delivery"]["id"],
        "state": "waiting",
        "attempts": 0,
        "last_outcome": None,
        "hint": None,
        "next_attempt_at": "2027-01-15T08:00:05Z",
    }
    assert shown["delivery"]["id"] == f"msg_{shown['id'][4:]}_0"


async def test_lists_are_newest_first_and_go_on_where_they_stopped(api: Api) -> None:
    """Cursors, not offsets: what is added meanwhile moves nothing."""
    for number in range(5):
        await api.subscribe(task_id=f"t{number}")
    seen: list[str] = []
    path, pages = "/subscriptions?limit=2", 0
    while path:
        page = (await api("GET", path)).json
        await api.subscribe(task_id=f"later{pages}")
        seen += [item["task_id"] for item in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        path = f"/subscriptions?limit=2&cursor={cursor}" if cursor else ""

    assert seen == ["t4", "t3", "t2", "t1", "t0"]
    assert pages == 3


@pytest.mark.parametrize(
    ("query", "tasks"),
    [
        ("", ["t2", "t1", "t0"]),
        ("state=active", ["t1"]),
        ("state=ended", ["t0"]),
        ("state=stopped", ["t2"]),
        ("status=failed", ["t0"]),
        ("outcome=failed&state=ended", ["t0"]),
        ("outcome=timed_out", []),
        ("provider=sandbox", ["t1"]),
        ("task_id=t0", ["t0"]),
        ("task_id=&state=%20", ["t2", "t1", "t0"]),
    ],
)
async def test_lists_are_filtered(
    api: Api, store: Store, clock: NotedClock, query: str, tasks: list[str]
) -> None:
    """Every filter of the contract; blank ones count as absent."""
    await api.subscribe(task_id="t0")
    clock.advance(5)
    await poll(store, clock, FAILED)
    await api.subscribe(task_id="t1", provider="sandbox")
    last = (await api.subscribe(task_id="t2")).json["id"]
    await api("DELETE", f"/subscriptions/{last}")

    page = (await api("GET", f"/subscriptions?{query}")).json
    assert [item["task_id"] for item in page["items"]] == tasks
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("stat=active", "stat", "did you mean state?"),
        ("zzzzz=1", "zzzzz", "known: state, status"),
        ("state=done", "state", "must be one of active, ended, stopped"),
        ("status=ended", "status", "queued, running"),
        ("outcome=done", "outcome", "timed_out"),
        ("state=active&state=ended", "state", "given twice"),
        ("limit=0", "limit", "from 1 to 200"),
        ("limit=201", "limit", "from 1 to 200"),
        ("limit=two", "limit", "whole number"),
        ("limit=%D9%A3", "limit", "whole number"),
        ("cursor=5", "cursor", "not a `next_cursor`"),
        ("cursor=%F0%9F%98%80", "cursor", "not a `next_cursor`"),
        ("cursor=ZGVsaXZlcmllczox", "cursor", "of this list"),
        ("task_id=a%00b", "task_id", "printable"),
        ("provider=" + "x" * 513, "provider", "512"),
    ],
)
async def test_a_faulty_query_is_explained(
    api: Api, query: str, field: str, told: str
) -> None:
    """A filter that is misspelt and ignored would show everything."""
    answer = await api("GET", f"/subscriptions?{query}")
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert told in answer.faults[field]


async def test_all_faults_of_a_query_are_told(api: Api) -> None:
    """As with bodies."""
    answer = await api("GET", "/subscriptions?a=1&limit=0")
    assert list(answer.faults) == ["a", "limit"]


@pytest.mark.parametrize(
    "name", ["sub_" + "x" * 22, "sub_", "x", "sub_..", "sub_\u00fc", "sub_" + "x" * 99]
)
async def test_an_id_that_is_none_is_not_found(api: Api, name: str) -> None:
    """Whatever it looks like: ids are opaque."""
    for method in ("GET", "DELETE"):
        answer = await api(method, f"/subscriptions/{name}")
        assert (answer.status, answer.code) == (404, "subscription_not_found")


async def test_stopping_twice_is_as_good_as_once(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """A lost 204 is asked for again. Nothing is polled, no end is recorded."""
    path = f"/subscriptions/{(await api.subscribe()).json['id']}"
    answers = [await api("DELETE", path) for _ in range(2)]
    clock.advance(600)

    assert [(each.status, each.body) for each in answers] == [(204, b""), (204, b"")]
    assert await poll(store, clock, SUCCEEDED) == []
    shown: dict[str, Any] = (await api("GET", path)).json
    assert (shown["state"], shown["outcome"], shown["ended_at"]) == ("stopped", None, None)
    assert shown["delivery"]["state"] == "stopped"


async def test_stopping_an_ended_one_drops_what_it_owes(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """The end stays readable; the webhook is not wanted any more."""
    path = f"/subscriptions/{(await api.subscribe()).json['id']}"
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await api("DELETE", path)
    shown = (await api("GET", path)).json
    assert (shown["state"], shown["delivery"]["state"]) == ("ended", "stopped")


async def test_a_stopped_subscription_makes_room_for_the_same_request(api: Api) -> None:
    """Asking again after a DELETE means it."""
    first = (await api.subscribe()).json["id"]
    await api("DELETE", f"/subscriptions/{first}")
    again = await api.subscribe()
    assert (again.status, again.json["state"]) == (202, "active")
