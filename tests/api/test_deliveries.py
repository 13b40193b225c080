"""Reading deliveries with their attempts, and asking for one more."""

import pytest

from bridge.store import Store
from tests.api.acting import ACCEPTED, REFUSED, SUCCEEDED, attempt, poll
from tests.api.conftest import CALLBACK, Api, NotedClock


@pytest.fixture
async def delivery(api: Api, store: Store, clock: NotedClock) -> str:
    """The id of a delivery that was refused once."""
    subscription_id = (await api.subscribe()).json["id"]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await attempt(store, clock, REFUSED)
    api.woken.clear()
    return f"msg_{subscription_id[4:]}_0"


async def test_a_delivery_is_shown_with_its_attempts(api: Api, delivery: str) -> None:
    """What the receiver answered is what its owner needs to see."""
    shown = (await api("GET", f"/deliveries/{delivery}")).json

    assert shown == {
        "id": delivery,
        "subscription_id": f"sub_{delivery[4:-2]}",
        "hook_id": None,
        "type": "task.succeeded",
        "callback_url": CALLBACK,
        "host": "app.example.com",
        "state": "retrying",
        "attempt_count": 1,
        "last_outcome": "refused",
        "last_http_status": 500,
        "hint": shown["hint"],
        "created_at": "2027-01-15T08:00:05Z",
        "updated_at": "2027-01-15T08:00:05Z",
        "next_attempt_at": shown["next_attempt_at"],
        "given_up_at": None,
        "attempts": [
            {
                "number": 1,
                "manual": False,
                "started_at": "2027-01-15T08:00:05Z",
                "finished_at": "2027-01-15T08:00:05Z",
                "outcome": "refused",
                "http_status": 500,
                "detail": "500",
                "answer": "no \ufffd",
                "hint": shown["hint"],
            }
        ],
    }
    assert shown["hint"]
    assert shown["next_attempt_at"].startswith("2027-01-15T08:00:10")


async def test_a_retry_is_one_extra_attempt(
    api: Api, store: Store, clock: NotedClock, delivery: str
) -> None:
    """For an operator who has just mended the receiver."""
    answer = await api("POST", f"/deliveries/{delivery}/retry")
    assert answer.status == 202
    assert answer.json["id"] == delivery
    assert answer.json["next_attempt_at"] == "2027-01-15T08:00:05Z"
    assert api.woken == ["dispatcher"]

    await attempt(store, clock, ACCEPTED)
    shown = (await api("GET", f"/deliveries/{delivery}")).json
    assert shown["state"] == "accepted"
    assert [(each["number"], each["manual"]) for each in shown["attempts"]] == [
        (1, False),
        (2, True),
    ]
    assert shown["attempts"][1]["answer"] is None


async def test_what_was_stopped_is_not_retried(api: Api, delivery: str) -> None:
    """It would contradict what the client asked for."""
    await api("DELETE", f"/subscriptions/sub_{delivery[4:-2]}")
    answer = await api("POST", f"/deliveries/{delivery}/retry")
    assert (answer.status, answer.code) == (409, "delivery_not_retryable")
    assert api.woken == []


@pytest.mark.parametrize(
    "name",
    ["msg_" + "x" * 22 + "_0", "msg_x", "x", "msg_x_0_hook", "msg_x_99999999999999999"],
)
async def test_an_id_that_is_none_is_not_found(api: Api, name: str) -> None:
    """Whatever it looks like: ids are opaque."""
    for method, path in (("GET", ""), ("POST", "/retry")):
        answer = await api(method, f"/deliveries/{name}{path}")
        assert (answer.status, answer.code) == (404, "delivery_not_found")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("state=retrying", True),
        ("state=accepted", False),
        ("host=app.example.com", True),
        ("host=APP.example.com.", True),
        ("host=other.example.com", False),
        ("since=2027-01-15T08:00:05Z", True),
        ("since=2027-01-15T08:00:06Z", False),
        ("until=2027-01-15T08:00:05Z", False),
        ("until=2027-01-15T09:00:06+01:00", True),
        ("subscription_id=sub_SELF", True),
        ("subscription_id=sub_nobody", False),
    ],
)
async def test_lists_are_filtered(api: Api, delivery: str, query: str, found: bool) -> None:
    """Every filter of the contract."""
    asked = query.replace("SELF", delivery[4:-2])
    page = (await api("GET", f"/deliveries?{asked}")).json
    assert [item["id"] for item in page["items"]] == ([delivery] if found else [])
    assert all("attempts" not in item for item in page["items"])


async def test_lists_go_on_where_they_stopped(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Newest first, like the others."""
    for number in range(3):
        await api.subscribe(task_id=f"t{number}")
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    first = (await api("GET", "/deliveries?limit=2")).json
    rest = (await api("GET", f"/deliveries?limit=2&cursor={first['next_cursor']}")).json
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert (len(first["items"]), len(set(ids)), rest["next_cursor"]) == (2, 3, None)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("state=done", "must be one of none, waiting"),
        ("since=yesterday", "2026-11-25T12:00:00Z"),
        ("subscription_id=msg_1", "sub_"),
        ("subscription_id=sub_", "sub_"),
        ("sice=1", "did you mean since?"),
    ],
)
async def test_a_faulty_query_is_explained(api: Api, query: str, told: str) -> None:
    """A filter that is misspelt and ignored would show everything."""
    answer = await api("GET", f"/deliveries?{query}")
    assert answer.code == "invalid_request"
    assert told in answer.faults[query.partition("=")[0]]
