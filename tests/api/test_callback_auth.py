"""Callback auth on a subscription: taken as JSON and form, and never shown again."""

from typing import Any
from urllib.parse import urlencode

import pytest

from bridge.lanes import Window
from bridge.model import Destination
from bridge.store import Pick, Store
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import CALLBACK, Api, NotedClock

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
QUERY = {"type": "query", "name": "key", "value": "t0p s3cret"}
WAITING = "https://n8n.example.com/sub/webhook-waiting/12?signature=a%2Fb"


async def sent_to(store: Store, clock: NotedClock) -> Destination:
    """Where the one subscription there is would be called."""
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    ready = await store.delivery_lanes(now=clock.now(), window=Window())
    picks = [Pick(lane, 1) for lane in ready.lanes]
    claims = await store.claim_deliveries(picks, now=clock.now(), lease_s=35)
    [claimed] = claims.items
    return claimed.destination


async def test_it_is_sent_as_a_header(api: Api, store: Store, clock: NotedClock) -> None:
    """From a tool that sends forms, with the fields it does not need left blank."""
    fields = {
        "provider": "amux",
        "task_id": "task1",
        "callback_url": CALLBACK,
        "auth.type": "bearer",
        "auth[token]": "t0p-s3cret",
        "auth.name": "",
    }
    answer = await api("POST", "/subscribe", data=urlencode(fields), headers=FORM)
    assert answer.status == 202
    assert b"s3cret" not in answer.body
    to = await sent_to(store, clock)
    assert to.headers == {"Authorization": "Bearer t0p-s3cret"}


async def test_a_query_is_sent_whole_and_shown_masked(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Lists are copied into tickets; the value of a password is not for them."""
    url = "https://app.example.com/hook?a=%2F"
    answer = await api.subscribe(callback_url=url, auth=QUERY)
    shown = url + "&key=***"
    assert answer.json["callback_url"] == shown
    assert (await sent_to(store, clock)).url == url + "&key=t0p%20s3cret"
    path = f"/subscriptions/{answer.json['id']}"
    assert (await api("GET", path)).json["callback_url"] == shown
    listed = (await api("GET", "/deliveries")).json["items"]
    assert [each["callback_url"] for each in listed] == [shown]


async def test_the_same_url_in_the_open_stays_another(api: Api) -> None:
    """Else one would be masked, or shown, because of the other."""
    whole = CALLBACK + "?key=t0p%20s3cret"
    openly = await api.subscribe(callback_url=whole, metadata={"n": 1})
    masked = await api.subscribe(auth=QUERY, metadata={"n": 2})
    assert openly.json["callback_url"] == whole
    assert masked.json["callback_url"] == CALLBACK + "?key=***"


async def test_auth_is_part_of_what_was_asked_for(api: Api) -> None:
    """With another token it is another wish; written as a header it is the same."""
    bearer = {"type": "bearer", "token": "one"}
    first = await api.subscribe(auth=bearer)
    again = await api.subscribe(auth=bearer)
    header = await api.subscribe(headers={"Authorization": "Bearer one"})
    other = await api.subscribe(auth=bearer | {"token": "two"})
    plain = await api.subscribe()
    ids = [each.json["id"] for each in (first, again, header, other, plain)]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == 3
    nowhere = [await api.subscribe(callback_url=None, auth=auth) for auth in ({}, bearer)]
    assert len({each.json["id"] for each in nowhere}) == 2


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"auth": {"type": "bearer"}}, "auth.token", "is required for type bearer"),
        ({"auth": {"type": "bearer", "token": 5}}, "auth.token", "must be text"),
        ({"auth": "t"}, "auth", "must be an object"),
        (
            {"auth": QUERY | {"name": "a"}, "callback_url": "https://a.test/?a=1"},
            "auth.name",
            "URL",
        ),
        ({"auth": {"token": "t"}, "callback_url": None}, "auth.type", "is required"),
    ],
)
async def test_faults_are_told(
    api: Api, change: dict[str, Any], field: str, message: str
) -> None:
    """In the fields' own names."""
    answer = await api.subscribe(**change)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert message in answer.faults[field]


async def test_faults_of_url_headers_and_auth_come_together(api: Api) -> None:
    """Fixing one only to hear of the next wears people out."""
    answer = await api.subscribe(
        callback_url="nowhere", headers={"Host": "x"}, auth={"type": "basic"}
    )
    assert set(answer.faults) == {
        *("callback_url", "headers.Host", "auth.username", "auth.password")
    }


@pytest.mark.parametrize("url", [WAITING, WAITING.replace("webhook", "%77ebhook")])
async def test_updates_do_not_go_to_a_waiting_flow(api: Api, url: str) -> None:
    """The first one would resume it, and the end would find nobody."""
    answer = await api.subscribe(callback_url=url, events=["task.ended", "task.updated"])
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert "n8n Wait node" in answer.faults["events"]
    assert (await api.subscribe(callback_url=url)).status == 202


async def test_updates_may_go_anywhere_else(api: Api) -> None:
    """Only the path says what it is, and a segment of it."""
    for url in (
        "https://n8n.example.com/webhook/x?next=/webhook-waiting/1",
        "https://app.example.com/webhook-waiting-list",
    ):
        answer = await api.subscribe(callback_url=url, events=["task.updated"])
        assert answer.status == 202
