"""POST /subscribe: what is written, what is answered, what is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from bridge.store import Store
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import (
    CALLBACK,
    OPS,
    OTHER,
    SHOP_SECRET,
    Api,
    NotedClock,
    config_with,
)

# fmt: off
KEYS = [
    "id", "provider", "task_id", "callback_url", "events", "metadata", "state", "status",
    "outcome", "progress", "result", "error", "created_at", "deadline_at", "ended_at",
    "last_poll", "next_poll_at", "delivery", "warnings", "hint_url",
]
# fmt: on


async def test_a_new_subscription_is_answered_as_the_contract_shows_it(api: Api) -> None:
    """Other people's programs read these fields; some show them in this order."""
    answer = await api.subscribe(metadata={"order": 7})

    assert answer.status == 202
    assert list(answer.json) == KEYS
    expected = {
        "provider": "amux",
        "task_id": "task1",
        "callback_url": CALLBACK,
        "events": ["task.ended"],
        "metadata": {"order": 7},
        "state": "active",
        "status": None,
        "created_at": "2027-01-15T08:00:00Z",
        "deadline_at": "2027-01-16T08:00:00Z",
        "next_poll_at": "2027-01-15T08:00:05Z",
        "delivery": {
            "id": answer.json["id"].replace("sub_", "msg_") + "_0",
            "state": "waiting",
            "attempts": 0,
            "last_outcome": None,
            "hint": None,
            "next_attempt_at": None,
        },
        "warnings": [],
    }
    assert {key: answer.json[key] for key in expected} == expected
    assert answer.headers["location"] == f"/subscriptions/{answer.json['id']}"
    assert api.woken == ["poller"]


async def test_the_twin_address_takes_the_same_request(api: Api) -> None:
    """Both are in the contract, and are one and the same."""
    first = await api.subscribe()
    body = {"provider": "amux", "task_id": "task1", "callback_url": CALLBACK}
    second = await api("POST", "/subscriptions", json=body)

    assert (first.status, second.status) == (202, 200)
    assert first.json["id"] == second.json["id"]


async def test_location_honours_the_path_of_the_public_url(api: Api) -> None:
    """Behind a proxy that shows the bridge below a path, clients follow Location."""
    config = api.deps.config().model_copy(
        update={"public_url": "https://example.com/bridge"}
    )
    async with api.changed(config=lambda: config) as below:
        answer = await below.subscribe()

    assert answer.headers["location"] == f"/bridge/subscriptions/{answer.json['id']}"


SMALL = {"provider": "amux", "task_id": "task1"}
FULL: dict[str, Any] = {
    "provider": "regional",
    "task_id": "task1",
    "callback_url": CALLBACK,
    "events": ["task.succeeded", "task.updated", "task.succeeded"],
    "metadata": {"order": "7", "user": {"id": "u1"}, "tags": ["a", "b"]},
    "provider_api_key": "my own key",
    "params": {"region": "eu"},
    "model": "seedance-1",
    "deadline": "2h",
    "format": "flat",
    "method": "GET",
    "headers": {"X-Tenant": "t1"},
    "signing_secret": [SHOP_SECRET],
    "include_raw": True,
}
FORM = [
    ("provider", "regional"),
    ("task_id", "task1"),
    ("callback_url", CALLBACK),
    ("events", "task.succeeded, task.updated"),
    ("events[]", "task.succeeded"),
    ("metadata.order", "7"),
    ("metadata[user][id]", "u1"),
    ("metadata[tags][]", "a"),
    ("metadata.tags[]", "b"),
    ("provider_api_key", "my own key"),
    ("params[region]", "eu"),
    ("model", "seedance-1"),
    ("deadline", "7200"),
    ("format", "flat"),
    ("method", "GET"),
    ("headers.X-Tenant", "t1"),
    ("signing_secret", SHOP_SECRET),
    ("include_raw", "true"),
]


async def test_every_field_of_the_contract_is_taken(api: Api) -> None:
    """A field that is accepted and dropped would be found out weeks later."""
    answer = await api("POST", "/subscribe", json=FULL)

    assert answer.status == 202
    assert answer.json["events"] == ["task.succeeded", "task.updated"]
    assert answer.json["deadline_at"] == "2027-01-15T10:00:00Z"
    assert answer.json["metadata"] == FULL["metadata"]


async def test_a_form_means_what_the_same_request_means_as_json(api: Api) -> None:
    """No-code tools send forms; the store recognises the two as one request."""
    first = await api("POST", "/subscribe", json=FULL)
    second = await api("POST", "/subscribe", data=FORM)

    assert second.status == 200, second.json
    assert second.json["id"] == first.json["id"]


async def test_any_difference_makes_another_subscription(api: Api) -> None:
    """Identity is the whole request: a changed header must not vanish into a repeat."""
    plain = {"provider": "regional", "task_id": "other", "provider_api_key": "k" * 20}
    ids = {(await api("POST", "/subscribe", json=plain)).json["id"]}
    changes = FULL | {"provider": "ungranted"}
    for name, value in changes.items():
        answer = await api("POST", "/subscribe", json=plain | {name: value})
        assert answer.status == 202, name
        ids.add(answer.json["id"])

    assert len(ids) == 1 + len(FULL)


async def test_blank_fields_count_as_absent(api: Api) -> None:
    """No-code tools cannot leave a field out; they send it empty."""
    blank = dict.fromkeys(("model", "deadline", "include_raw", "format", "metadata"), "")
    first = await api.subscribe()
    second = await api.subscribe(
        **blank,
        events=["", None],
        headers={"X-A": ""},
        params={"region": None},
        provider_api_key=None,
        signing_secret=[],
    )

    assert second.status == 200, second.json
    assert second.json["id"] == first.json["id"]


async def test_what_metadata_holds_is_left_alone(api: Api) -> None:
    """It comes back as it was given, nulls and empty texts included."""
    answer = await api.subscribe(metadata={"a": None, "b": "", "c": [1.5, {}]})
    assert answer.json["metadata"] == {"a": None, "b": "", "c": [1.5, {}]}


async def test_a_list_that_leaves_out_ends_is_warned_about(api: Api) -> None:
    """Else somebody asks for successes only and waits for ever for a failure."""
    answer = await api.subscribe(events="task.succeeded,task.failed")

    [warning] = answer.json["warnings"]
    assert warning["code"] == "end_events_filtered"
    assert "task.timed_out" in warning["message"]
    assert "task.failed" not in warning["message"]
    again = await api("GET", f"/subscriptions/{answer.json['id']}")
    assert again.json["warnings"] == [warning]


async def test_the_clients_default_callback_is_used(api: Api) -> None:
    """And is part of what makes two requests equal."""
    answer = await api.subscribe(key=OTHER, callback_url=None, provider_api_key="own")
    spelt_out = await api.subscribe(
        key=OTHER, callback_url="https://other.example.com/default", provider_api_key="own"
    )

    assert answer.json["callback_url"] == "https://other.example.com/default"
    assert spelt_out.json["id"] == answer.json["id"]


async def test_without_any_callback_it_is_watched_only(api: Api) -> None:
    """The end is then read with `wait` or GET."""
    answer = await api.subscribe(callback_url=None)
    assert (answer.status, answer.json["callback_url"]) == (202, None)


async def test_a_task_known_to_have_ended_is_answered_from_memory(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """There is nothing to poll then, but a webhook to send at once."""
    await api.subscribe()
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    api.woken.clear()

    answer = await api.subscribe(metadata={"second": True})

    assert answer.status == 202
    assert answer.json["state"] == "ended"
    assert answer.json["result"]["url_missing_reason"] == "not_in_answer"
    assert api.woken == ["poller", "dispatcher"]


async def test_nothing_is_taken_while_the_bridge_is_not_ready(api: Api) -> None:
    """A database that does not sync could not keep the promise of a 202."""
    api.deps.health.set_unready("store", "the database does not sync")
    answer = await api.subscribe()
    batch = await api("POST", "/subscribe/batch", json=[])

    assert (answer.status, answer.code) == (503, "not_ready")
    assert answer.headers["retry-after"] == "5"
    assert batch.code == "not_ready"


async def test_a_database_that_fails_is_503(
    api: Api, tmp_path: Path, logged: list[Any]
) -> None:
    """The caller may try again; the database's own words are for the operator alone."""
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as other:
        other.execute("ALTER TABLE subscriptions RENAME TO lost")
        answer = await api.subscribe()
        batch = await api("POST", "/subscribe/batch", json=[{}, SMALL])
        read = await api("GET", "/subscriptions")
        other.execute("ALTER TABLE lost RENAME TO subscriptions")

    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert b"no such table" not in answer.body
    told = [line["error"] for line in logged if line["event"] == "store.unavailable"]
    assert len(told) == 3
    assert all("no such table" in words for words in told)
    assert [item["status"] for item in batch.json] == [422, 503]
    assert read.code == "store_unavailable"
    assert (await api.subscribe()).status == 202


async def test_a_client_has_no_more_active_subscriptions_than_it_may(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """One client's flood must not fill the disk; ends make room again."""
    config = config_with(limits={"active": 2, "requests": "1000/s"})
    async with api.changed(config=lambda: config) as small:
        taken = [await small.subscribe(task_id=f"t{number}") for number in range(3)]
        again = await small.subscribe(task_id="t1")
        others = await small.subscribe(key=OPS)
        clock.advance(6)
        await poll(store, clock, SUCCEEDED)
        later = await small.subscribe(task_id="t9")

    assert [answer.status for answer in taken] == [202, 202, 429]
    assert taken[2].code == "limit_active"
    assert taken[2].headers["retry-after"] == "30"
    assert "2 active subscriptions" in taken[2].json["detail"]
    assert (again.status, again.json["id"]) == (200, taken[1].json["id"])
    assert (others.status, later.status) == (202, 202)
