"""POST /subscribe: what is written, what is answered, what is refused."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.api.wishing import unknown_provider
from bridge.net.guard import AddressForbidden
from bridge.net.resolver import DnsFailure
from bridge.store import Store
from tests.api.conftest import (
    CALLBACK,
    CONFIGURED_KEY,
    OPS,
    OTHER,
    SHOP_SECRET,
    SUCCEEDED,
    Api,
    Names,
    NotedClock,
    config_with,
    opened,
    poll,
)

# fmt: off
KEYS = [
    "id", "provider", "task_id", "callback_url", "events", "metadata", "state", "status",
    "outcome", "progress", "result", "error", "created_at", "deadline_at", "ended_at",
    "last_poll", "next_poll_at", "delivery", "warnings",
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
            "id": None,
            "state": "none",
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
    async with opened(
        replace(api.deps, config=lambda: config, registry=type(api.deps.registry)()),
        api.clock,
        api.names,
    ) as below:
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


@pytest.mark.parametrize("change", FULL.items(), ids=FULL)
async def test_any_difference_makes_another_subscription(
    api: Api, change: tuple[str, Any]
) -> None:
    """Identity is the whole request: a changed header must not vanish into a repeat."""
    name, value = change
    plain = {"provider": "ungranted", "task_id": "other", "provider_api_key": "k" * 20}
    if name == "params":
        plain["provider"] = "regional"
    first = await api("POST", "/subscribe", json=plain)
    second = await api("POST", "/subscribe", json=plain | {name: value})

    assert (first.status, second.status) == (202, 202), second.json
    assert first.json["id"] != second.json["id"]


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


# -- what is wrong with a request

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"provider": None}, "provider", "is required"),
    ({"task_id": 123}, "task_id", "must be text"),
    ({"task_id": "a/b"}, "task_id", "does not look like an id"),
    ({"task_id": ".."}, "task_id", "does not look like an id"),
    ({"callbackUrl": "x"}, "callbackUrl", "did you mean callback_url?"),
    ({"webhook": "x"}, "webhook", "did you mean callback_url?"),
    ({"zzz": "x"}, "zzz", "known: provider, task_id"),
    ({"callback_url": "ftp://x/"}, "callback_url", "https:// or http://"),
    ({"callback_url": 5}, "callback_url", "must be text"),
    ({"events": ["task.succeded"]}, "events", "did you mean 'task.succeeded'?"),
    ({"events": []}, "events", "name at least one"),
    ({"events": {"a": 1}}, "events", "must be a list"),
    ({"events": [1]}, "events[0]", "must be text"),
    ({"metadata": "x"}, "metadata", "must be an object"),
    ({"metadata": {"a": "x" * 16_384}}, "metadata", "more than 16,384 bytes"),
    ({"metadata": {"a": orjson.loads("[" * 40 + "]" * 40)}}, "metadata", "32 levels"),
    ({"params": {"region": "eu"}}, "params.region", "takes no params"),
    ({"params": {"region": 1}}, "params.region", "must be text"),
    (
        {"provider": "regional", "provider_api_key": "k", "params": {"region": "x"}},
        "params.region",
        "does not match",
    ),
    ({"model": "a\u0000b"}, "model", "printable"),
    ({"model": "m" * 129}, "model", "up to 128"),
    ({"deadline": "soon"}, "deadline", '"90s"'),
    ({"deadline": True}, "deadline", "not a duration"),
    ({"deadline": 9}, "deadline", "at least 10s"),
    ({"deadline": "31d"}, "deadline", "at most 7d"),
    ({"format": "xml"}, "format", "must be 'standard' or 'flat'"),
    ({"method": "PUT"}, "method", "must be 'POST' or 'GET'"),
    ({"headers": {"Host": "x"}}, "headers", "Host"),
    ({"headers": ["x"]}, "headers", "must be an object"),
    ({"signing_secret": "hunter2"}, "signing_secret[0]", "whsec_"),
    ({"signing_secret": [SHOP_SECRET] * 6}, "signing_secret", "at most 5"),
    ({"include_raw": "maybe"}, "include_raw", "true or false"),
    ({"include_raw": []}, "include_raw", "true or false"),
    ({"provider_api_key": "k\u00fc"}, "provider_api_key", "printable ASCII"),
    ({"provider_api_key": "k" * 4_097}, "provider_api_key", "longer than"),
]


@pytest.mark.parametrize(
    ("change", "field", "message"), FAULTS, ids=[str(f[0])[:40] for f in FAULTS]
)
async def test_a_faulty_field_is_named_with_its_remedy(
    api: Api, change: dict[str, Any], field: str, message: str
) -> None:
    """Whoever reads the answer knows what to change."""
    answer = await api.subscribe(**change)

    assert (answer.status, answer.code) == (422, "invalid_request")
    [name] = answer.faults
    assert name.startswith(field)
    assert message in f"{name}: {answer.faults[name]}"
    assert answer.json["detail"] == f"{name}: {answer.faults[name]}"


async def test_all_faults_are_told_at_once(api: Api) -> None:
    """Fixing one only to hear of the next wears people out."""
    body = {
        "task_id": "a b",
        "provider": "regional",
        "callback_url": "nowhere",
        "headers": {"Host": "x"},
        "metadata": 1,
        "deadline": "90d",
        "params": {"regoin": "eu"},
        "extra": 1,
    }
    answer = await api("POST", "/subscribe", json=body)

    assert answer.code == "invalid_request"
    assert answer.json["detail"].startswith("8 fields") or len(answer.faults) == 9
    found = {name.split(".")[0] for name in answer.faults}
    assert found == {*body, "provider_api_key"} - {"provider"}


async def test_an_unknown_provider_has_a_code_of_its_own(api: Api) -> None:
    """Programs tell a typing error from a field they filled in wrongly."""
    answer = await api.subscribe(provider="amuxx")

    assert (answer.status, answer.code) == (422, "unknown_provider")
    message = answer.faults["provider"]
    assert message.startswith("there is none of this name; did you mean amux?")
    assert "known: amux, regional, sandbox, ungranted" in message
    wild = await api.subscribe(provider="zzzzzzzz")
    assert "did you mean" not in wild.faults["provider"]
    assert unknown_provider("x", {}).message == "no provider is configured"


# -- keys


async def test_a_provider_without_a_key_asks_for_one(api: Api) -> None:
    """Polling it could only end in 401, minutes after the caller has gone."""
    answer = await api.subscribe(provider="regional")
    assert (answer.status, answer.code) == (422, "provider_key_required")
    assert "regional" in answer.faults["provider_api_key"]


async def test_a_configured_key_is_for_those_it_is_granted_to(api: Api) -> None:
    """One client must not spend another's account."""
    answer = await api.subscribe(provider="ungranted")
    assert (answer.status, answer.code) == (403, "provider_not_granted")

    own = await api.subscribe(provider="ungranted", provider_api_key="my own key")
    assert own.status == 202
    guessed = await api.subscribe(
        provider="ungranted", provider_api_key="somebody-elses-key"
    )
    assert [each["fingerprint"] for each in await api.deps.store.credentials()]
    assert guessed.status == 202
    assert len(await api.deps.store.credentials()) == 2


async def test_a_provider_that_takes_no_key_needs_no_grant(api: Api) -> None:
    """There is nothing to grant."""
    assert (await api.subscribe(provider="sandbox", key=OPS)).status == 202
    refused = await api.subscribe(provider="sandbox", provider_api_key="mine")
    assert "takes no key" in refused.faults["provider_api_key"]


async def test_the_configured_key_sent_as_ones_own_is_the_configured_one(api: Api) -> None:
    """So that both share one watch, and one limit at the provider."""
    first = await api.subscribe()
    second = await api.subscribe(provider_api_key=CONFIGURED_KEY)

    assert second.json["id"] == first.json["id"]
    assert len(await api.deps.store.credentials()) == 1


async def test_a_key_may_come_in_a_header(api: Api) -> None:
    """Header and body mean the same; two different keys are a mistake."""
    header = {"X-Provider-Api-Key": "my own key"}
    body = {"provider": "regional", "task_id": "t", "provider_api_key": "my own key"}
    first = await api("POST", "/subscribe", json=body)
    del body["provider_api_key"]
    second = await api("POST", "/subscribe", json=body, headers=header)
    both = await api(
        "POST", "/subscribe", json=body | {"provider_api_key": "x"}, headers=header
    )

    assert second.json["id"] == first.json["id"]
    assert "another key than in the header" in both.faults["provider_api_key"]


async def test_no_answer_ever_holds_a_key(api: Api) -> None:
    """Answers are logged by proxies and shown in no-code tools."""
    secret = "sk-live-very-secret"
    answers = [
        await api.subscribe(provider="regional", provider_api_key=secret),
        await api.subscribe(provider_api_key=secret + "\u00fc"),
        await api.subscribe(provider_api_key=[secret]),
        await api.subscribe(signing_secret=secret),
        await api.subscribe(headers={"X": secret + "\n"}),
        await api.subscribe(headers={"X": [secret]}),
    ]
    assert [answer.status for answer in answers] == [202, 422, 422, 422, 422, 422]
    assert not any(secret.encode() in answer.body for answer in answers)


# -- where the callback leads


async def test_a_callback_to_an_inside_address_is_refused_with_the_remedy(
    api: Api, names: Names
) -> None:
    """Better told now than found out by a webhook that never comes."""
    names.trouble = {
        "n8n": AddressForbidden("172.18.0.5"),
        "10.0.0.1": AddressForbidden("10.0.0.1"),
    }
    answer = await api.subscribe(callback_url="http://n8n:5678/webhook/x")
    literal = await api.subscribe(callback_url="http://10.0.0.1/")

    assert (answer.status, answer.code) == (422, "callback_address_forbidden")
    expected = "resolves to 172.18.0.5; add `n8n` to callbacks.allow_hosts"
    assert answer.faults == {"callback_url": expected}
    assert answer.json["detail"] == expected
    assert literal.faults["callback_url"].startswith("is an internal address")
    assert not (await api("GET", "/subscriptions")).json["items"]


async def test_a_name_that_does_not_resolve_is_a_warning(api: Api, names: Names) -> None:
    """DNS may be down for a minute; the webhook is due only when the task has ended."""
    names.trouble = {"app.example.com": DnsFailure("no such name")}
    answer = await api.subscribe()

    assert answer.status == 202
    assert [each["code"] for each in answer.json["warnings"]] == ["callback_unresolved"]


async def test_https_only_is_obeyed(api: Api) -> None:
    """The operator's rule, told to the caller."""
    callbacks = api.deps.config().callbacks.model_copy(update={"https_only": True})
    config = api.deps.config().model_copy(update={"callbacks": callbacks})
    deps = replace(api.deps, config=lambda: config, registry=type(api.deps.registry)())
    async with opened(deps, api.clock, api.names) as strict:
        answer = await strict.subscribe(callback_url="http://app.example.com/")
    assert "https://" in answer.faults["callback_url"]


# -- when nothing can be promised


async def test_nothing_is_taken_while_the_bridge_is_not_ready(api: Api) -> None:
    """A database that does not sync could not keep the promise of a 202."""
    api.deps.health.set_unready("store", "the database does not sync")
    answer = await api.subscribe()
    batch = await api("POST", "/subscribe/batch", json=[])

    assert (answer.status, answer.code) == (503, "not_ready")
    assert answer.headers["retry-after"] == "5"
    assert batch.code == "not_ready"


async def test_a_database_that_fails_is_503(api: Api, tmp_path: Path) -> None:
    """The caller may try again; the database's own words stay inside."""
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as other:
        other.execute("ALTER TABLE subscriptions RENAME TO lost")
        answer = await api.subscribe()
        batch = await api("POST", "/subscribe/batch", json=[{}, SMALL])
        read = await api("GET", "/subscriptions")
        other.execute("ALTER TABLE lost RENAME TO subscriptions")

    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert b"no such table" not in answer.body
    assert [item["status"] for item in batch.json] == [422, 503]
    assert read.code == "store_unavailable"
    assert (await api.subscribe()).status == 202


async def test_a_client_has_no_more_active_subscriptions_than_it_may(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """One client's flood must not fill the disk; ends make room again."""
    config = config_with(limits={"active": 2, "requests": "1000/s"})
    deps = replace(api.deps, config=lambda: config, registry=type(api.deps.registry)())
    async with opened(deps, clock, api.names) as small:
        taken = [await small.subscribe(task_id=f"t{number}") for number in range(3)]
        others = await small.subscribe(key=OPS)
        clock.advance(6)
        await poll(store, clock, SUCCEEDED)
        later = await small.subscribe(task_id="t9")

    assert [answer.status for answer in taken] == [202, 202, 429]
    assert taken[2].code == "limit_active"
    assert taken[2].headers["retry-after"] == "30"
    assert "2 active subscriptions" in taken[2].json["detail"]
    assert (others.status, later.status) == (202, 202)
