"""Standing hooks: what Zapier, Make and n8n's trigger subscribe to once."""

import asyncio
from typing import Any

import pytest

from bridge.api.hooks import MOST
from bridge.lanes import Window
from bridge.model import AttemptOutcome, ClaimedDelivery, Reply, Robot
from bridge.net.guard import AddressForbidden
from bridge.net.resolver import DnsFailure
from bridge.store import Pick, Store
from tests.api.acting import ACCEPTED, REFUSED, SUCCEEDED, attempt, poll
from tests.api.conftest import (
    OPS,
    OTHER,
    SHOP_SECRET,
    Answer,
    Api,
    Names,
    NotedClock,
    config_with,
)

URL = "https://hooks.zapier.example/hooks/standard/1/abc"
GONE = Reply(outcome=AttemptOutcome.GONE, http_status=410)


async def hook(api: Api, *, key: str | None = None, **fields: Any) -> Answer:
    options = {} if key is None else {"key": key}
    return await api("POST", "/hooks", json={"url": URL} | fields, **options)


async def test_a_hook_is_made_shown_and_removed(api: Api) -> None:
    """The answer to the first call is what the tool keeps."""
    made = await hook(api, signing_secret=SHOP_SECRET)
    assert made.status == 201
    hook_id = made.json["id"]
    assert made.json == {
        "id": hook_id,
        "url": URL,
        "events": ["task.ended"],
        "provider": None,
        "format": "standard",
        "method": "POST",
        "created_at": "2027-01-15T08:00:00Z",
        "expiration_date": None,
        "warnings": [],
    }
    assert hook_id.startswith("hook_")
    shown = await api("GET", f"/hooks/{hook_id}")
    view = {name: value for name, value in made.json.items() if name != "warnings"}
    assert (shown.status, shown.json) == (200, view)
    assert (await api("GET", "/hooks")).json == {"items": [view], "next_cursor": None}
    for _ in range(2):
        assert (await api("DELETE", f"/hooks/{hook_id}")).status == 204
    assert (await api("GET", f"/hooks/{hook_id}")).code == "hook_not_found"
    assert (await api("GET", "/hooks")).json["items"] == []


async def test_a_secret_is_minted_for_who_brings_none(api: Api) -> None:
    """Told to who asks for the hook, again if that answer was lost, and to nobody else."""
    first, again = await hook(api), await hook(api)
    assert (first.status, again.status) == (201, 200)
    assert first.json["signing_secret"].startswith("whsec_")
    assert again.json == first.json
    other = await hook(api, format="flat")
    assert other.json["signing_secret"] != first.json["signing_secret"]
    for path in ("/hooks", f"/hooks/{first.json['id']}"):
        assert b"whsec_" not in (await api("GET", path)).body


async def test_every_field_is_taken(api: Api) -> None:
    fields: dict[str, Any] = {
        "events": ["task.failed", "task.updated"],
        "provider": "amux",
        "format": "flat",
        "method": "GET",
    }
    made = (await hook(api, headers={"X-Token": "t0ken"}, **fields)).json
    assert {name: made[name] for name in fields} == fields
    assert b"t0ken" not in (await api("GET", f"/hooks/{made['id']}")).body


async def test_a_form_is_taken_as_well(api: Api) -> None:
    form = {"url": URL, "events": "task.failed,task.expired", "provider": ""}
    made = await api("POST", "/hooks", data=form)
    assert (made.status, made.json["events"]) == (201, ["task.failed", "task.expired"])
    assert made.json["provider"] is None


@pytest.mark.parametrize(
    ("fields", "code", "field", "words"),
    [
        ({"url": None}, "invalid_request", "url", "is required"),
        ({"url": "app.example.com"}, "invalid_request", "url", "https://"),
        ({"url": None, "targetUrl": URL}, "invalid_request", "targetUrl", "mean url?"),
        ({"callback_url": URL}, "invalid_request", "callback_url", "mean url?"),
        ({"events": ["task.done"]}, "invalid_request", "events", "unknown event"),
        ({"events": "task.end"}, "invalid_request", "events", "'task.ended'"),
        ({"provider": "amx"}, "unknown_provider", "provider", "did you mean amux?"),
        ({"format": "xml"}, "invalid_request", "format", "standard"),
        ({"method": "PUT"}, "invalid_request", "method", "POST"),
        ({"headers": {"Host": "a"}}, "invalid_request", "headers.Host", "leave it out"),
        ({"signing_secret": "short"}, "invalid_request", "signing_secret[0]", ""),
    ],
)
async def test_what_cannot_be_used_is_refused(
    api: Api, fields: dict[str, Any], code: str, field: str, words: str
) -> None:
    """With the field and the fix; and nothing is left behind."""
    answer = await hook(api, **fields)
    assert (answer.status, answer.code) == (422, code)
    assert words in answer.faults[field]
    assert (await api("GET", "/hooks")).json["items"] == []


async def test_all_faults_are_told_at_once(api: Api) -> None:
    answer = await hook(api, url="ftp://a", provider="nobody", events=["x"], nonsense=1)
    assert answer.faults.keys() == {"url", "provider", "events", "nonsense"}


async def test_a_hook_cannot_lead_inside(api: Api, names: Names) -> None:
    """As a callback cannot: whoever may call the API would reach what only we can."""
    names.trouble["hooks.zapier.example"] = AddressForbidden("172.18.0.5")
    answer = await hook(api)
    assert (answer.status, answer.code) == (422, "callback_address_forbidden")
    assert "resolves to 172.18.0.5" in answer.faults["url"]
    names.trouble["hooks.zapier.example"] = DnsFailure("no such name")
    made = await hook(api)
    assert made.status == 201
    [warning] = made.json["warnings"]
    assert warning["code"] == "callback_unresolved"
    assert "host of url" in warning["message"]


async def test_hooks_of_others_are_not_there(api: Api) -> None:
    """Neither to see nor to remove; and an id that never was answers the same."""
    hook_id = (await hook(api)).json["id"]
    for method in ("GET", "DELETE"):
        theirs = await api(method, f"/hooks/{hook_id}", key=OTHER)
        never = await api(method, f"/hooks/hook_{'x' * 22}", key=OTHER)
        assert (theirs.status, theirs.said) == (404, never.said)
        assert theirs.code == "hook_not_found"
        assert (await api(method, "/hooks/nonsense")).code == "hook_not_found"
    assert (await api("GET", "/hooks", key=OTHER)).json["items"] == []
    assert (await api("GET", f"/hooks/{hook_id}")).status == 200


async def test_an_operator_sees_whose_they_are(api: Api) -> None:
    hook_id = (await hook(api)).json["id"]
    await hook(api, key=OTHER)
    items = (await api("GET", "/hooks", key=OPS)).json["items"]
    assert [each["client"] for each in items] == ["other", "shop"]
    assert (await api("DELETE", f"/hooks/{hook_id}", key=OPS)).status == 204


async def test_lists_have_pages(api: Api) -> None:
    made = [(await hook(api, url=f"{URL}/{n}")).json["id"] for n in range(3)]
    first = (await api("GET", "/hooks?limit=2")).json
    rest = (await api("GET", f"/hooks?cursor={first['next_cursor']}")).json
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]


async def test_a_client_may_have_a_hundred(api: Api) -> None:
    """Each event is told to all of them."""
    made = await asyncio.gather(*(hook(api, url=f"{URL}/{n}") for n in range(MOST)))
    assert {each.status for each in made} == {201}
    refused = await hook(api, url=f"{URL}/more")
    assert (refused.status, refused.code) == (429, "limit_hooks")
    assert (await hook(api, url=f"{URL}/1")).status == 200
    await api("DELETE", f"/hooks/{made[0].json['id']}")
    assert (await hook(api, url=f"{URL}/more")).status == 201


async def test_what_is_not_ready_makes_no_hook(api: Api) -> None:
    api.deps.health.set_unready("store", "the disk is full")
    assert (await hook(api)).code == "not_ready"


async def test_a_client_that_is_gone_when_its_url_resolves_makes_no_hook(
    api: Api, clock: NotedClock
) -> None:
    """A reload took it away while its name was slow: nothing may be written for it."""
    config = [config_with()]
    without = config[0].model_copy(
        update={"clients": {k: v for k, v in config[0].clients.items() if k != "shop"}}
    )

    async def vet(_host: str) -> None:
        config[0] = without

    async with api.changed(config=lambda: config[0], vet=vet) as changed:
        assert (await hook(changed)).code == "unauthorized"
    assert (await api("GET", "/hooks", key=OPS)).json["items"] == []


async def test_a_delivery_to_a_hook_is_listed_shown_and_retried(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """By its own id; the subscription shows what becomes of its own URL."""
    hook_id = (await hook(api)).json["id"]
    subscription_id = (await api.subscribe()).json["id"]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await attempt(store, clock, REFUSED)
    delivery_id = f"msg_{subscription_id[4:]}_0_{hook_id[5:]}"
    items = (await api("GET", "/deliveries")).json["items"]
    assert {each["id"]: each["hook_id"] for each in items} == {
        f"msg_{subscription_id[4:]}_0": None,
        delivery_id: hook_id,
    }
    shown = (await api("GET", f"/deliveries/{delivery_id}")).json
    assert (shown["callback_url"], shown["state"]) == (URL, "retrying")
    assert (await api("GET", f"/deliveries/{delivery_id}", key=OTHER)).status == 404
    assert (await api("POST", f"/deliveries/{delivery_id}/retry")).status == 202
    await attempt(store, clock, ACCEPTED)
    assert (await api("GET", f"/deliveries/{delivery_id}")).json["state"] == "accepted"
    own = (await api("GET", f"/subscriptions/{subscription_id}")).json["delivery"]
    assert (own["id"], own["state"]) == (f"msg_{subscription_id[4:]}_0", "retrying")
    await api("DELETE", f"/hooks/{hook_id}")
    late = await api("POST", f"/deliveries/{delivery_id}/retry")
    assert (late.status, late.code) == (409, "delivery_not_retryable")
    assert (await api("GET", f"/deliveries/{delivery_id}")).json["hook_id"] == hook_id


async def claimed(api: Api) -> ClaimedDelivery:
    """The one attempt that a new subscription without a URL comes to."""
    await api.subscribe(callback_url=None)
    store, clock = api.deps.store, api.clock
    clock.advance(20.0)
    await poll(store, clock, SUCCEEDED)
    ready = await store.delivery_lanes(now=clock.now(), window=Window())
    picks = [Pick(lane, 9) for lane in ready.lanes]
    claims = await store.claim_deliveries(picks, now=clock.now(), lease_s=35)
    [found] = claims.items
    return found


async def test_a_hook_may_be_a_chat_robot(api: Api) -> None:
    """With all it wants to be told by, which is shown to nobody."""
    told_by = {"secret": "s3cret", "keyword": "video"}
    made = await hook(api, format="feishu", robot=told_by)
    assert made.status == 201
    assert "s3cret" not in str(made.json)
    found = await claimed(api)
    robot = Robot(kind="feishu", secret="s3cret", keyword="video")
    assert (found.format, found.destination.robot) == ("feishu", robot)


async def test_a_hook_has_credentials_for_its_receiver(api: Api) -> None:
    made = await hook(api, auth={"type": "query", "name": "key", "value": "s3cret"})
    assert made.json["url"] == f"{URL}?key=***"
    listed = await api("GET", "/hooks")
    assert "s3cret" not in str(listed.json)
    assert (await claimed(api)).destination.url == f"{URL}?key=s3cret"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"format": "slack", "robot": {"secret": "s3cret"}}, "robot"),
        ({"format": "slack", "method": "GET"}, "method"),
        ({"auth": {"type": "bearer"}}, "auth.token"),
        (
            {
                "url": "https://n8n.example/webhook-waiting/7",
                "events": ["task.ended", "task.updated"],
            },
            "events",
        ),
    ],
)
async def test_a_hook_is_called_by_the_rules_of_subscriptions(
    api: Api, fields: dict[str, Any], field: str
) -> None:
    answer = await hook(api, **fields)
    assert answer.status == 422
    assert field in [fault["field"] for fault in answer.json["errors"]]


async def test_a_410_removes_a_hook(api: Api, store: Store, clock: NotedClock) -> None:
    hook_id = (await hook(api)).json["id"]
    await api.subscribe(callback_url=None)
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    await attempt(store, clock, GONE)
    assert (await api("GET", f"/hooks/{hook_id}")).status == 404
    assert (await api("DELETE", f"/hooks/{hook_id}")).status == 204
    assert (await hook(api)).status == 201
