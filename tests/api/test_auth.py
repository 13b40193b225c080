"""Who is let in, what they see of each other, and how often they may ask."""

import pytest

from bridge.api.auth import table_of
from bridge.store import Store
from tests.api.acting import PENDING, SUCCEEDED, poll
from tests.api.conftest import OPS, OTHER, SHOP, Api, NotedClock, config_with

CLOSED = [
    ("POST", "/subscribe"),
    ("POST", "/subscriptions"),
    ("POST", "/subscribe/batch"),
    ("GET", "/subscriptions"),
    ("GET", "/subscriptions/sub_x"),
    ("DELETE", "/subscriptions/sub_x"),
    ("GET", "/deliveries"),
    ("GET", "/deliveries/msg_x_0"),
    ("POST", "/deliveries/msg_x_0/retry"),
    ("GET", "/providers"),
    ("GET", "/signing-secrets"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_every_address_but_the_probes_needs_a_key(
    api: Api, method: str, path: str
) -> None:
    """A path that was forgotten here would be open to the world."""
    answer = await api(method, path, key=None)

    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="poll-bridge"'
    assert "X-API-Key" in answer.json["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {SHOP}"}, 200),
        ({"Authorization": f"bearer  {SHOP} "}, 200),
        ({"X-API-Key": SHOP}, 200),
        ({"X-API-Key": SHOP, "Authorization": "Basic cHJveHk6c2VjcmV0"}, 200),
        ({"X-API-Key": "others-second-key-1"}, 200),
        ({"X-API-Key": SHOP, "Authorization": "Bearer wrong"}, 401),
        ({"Authorization": SHOP}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": f"Bearer {SHOP}x"}, 401),
        ({"X-API-Key": "k\u00fc"}, 401),
        ({"X-API-Key": " "}, 401),
    ],
)
async def test_keys_come_as_bearer_or_in_their_own_header(
    api: Api, headers: dict[str, str], status: int
) -> None:
    """Both ways of the contract; a proxy's own credentials do not get in the way."""
    answer = await api("GET", "/subscriptions", key=None, headers=headers)
    assert answer.status == status


async def test_a_badly_written_header_is_explained_without_quoting_it(api: Api) -> None:
    """The key pasted without its scheme is the most common first mistake."""
    answer = await api("GET", "/providers", key=None, headers={"Authorization": SHOP})
    assert "Authorization: Bearer <api key>" in answer.json["detail"]
    assert SHOP.encode() not in answer.body


async def test_a_reload_changes_who_is_known(api: Api) -> None:
    """Keys are rotated with a SIGHUP, without a restart."""
    configs = [config_with(), config_with(api_keys=["a-new-key-1234567890"])]
    async with api.changed(config=lambda: configs[0]) as reloaded:
        before = await reloaded("GET", "/subscriptions")
        configs.reverse()
        after = await reloaded("GET", "/subscriptions")
        renewed = await reloaded("GET", "/subscriptions", key="a-new-key-1234567890")
    assert [before.status, after.status, renewed.status] == [200, 401, 200]


def test_the_table_of_callers_holds_no_key() -> None:
    """What is printed or dumped by accident must open nothing."""
    table = table_of(config_with())
    assert len(table) == 4
    assert SHOP not in repr(table)


async def test_nobody_sees_or_stops_what_another_client_owns(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Not even whether it exists: the answer is that of an id that was never drawn."""
    mine = (await api.subscribe()).json["id"]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    key, never = mine.removeprefix("sub_"), "x" * 22

    for method, path in (
        ("GET", "/subscriptions/sub_{}"),
        ("GET", "/subscriptions/sub_{}?wait=1"),
        ("DELETE", "/subscriptions/sub_{}"),
        ("GET", "/deliveries/msg_{}_0"),
        ("POST", "/deliveries/msg_{}_0/retry"),
    ):
        theirs = await api(method, path.format(key), key=OTHER)
        nobodys = await api(method, path.format(never), key=OTHER)
        assert (theirs.status, theirs.said) == (404, nobodys.said)
    for path in ("/subscriptions", "/deliveries", f"/deliveries?subscription_id={mine}"):
        assert (await api("GET", path, key=OTHER)).json["items"] == []
    shown = (await api("GET", f"/subscriptions/{mine}")).json
    assert (shown["state"], shown["delivery"]["state"]) == ("ended", "waiting")


async def test_an_operator_sees_all_clients_and_whose_is_what(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """That is what the role is for; it may look at one client at a time."""
    mine = (await api.subscribe()).json["id"]
    theirs = (await api.subscribe(key=OTHER, provider_api_key="own")).json["id"]
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)

    everything = await api("GET", "/subscriptions", key=OPS)
    one = await api("GET", "/subscriptions?client=other", key=OPS)
    deliveries = await api("GET", "/deliveries?client=shop", key=OPS)
    single = await api("GET", f"/subscriptions/{mine}", key=OPS)

    assert [item["id"] for item in everything.json["items"]] == [theirs, mine]
    assert [item["client"] for item in everything.json["items"]] == ["other", "shop"]
    assert [item["id"] for item in one.json["items"]] == [theirs]
    assert [item["client"] for item in deliveries.json["items"]] == ["shop"]
    assert single.json["client"] == "shop"


async def test_a_client_cannot_ask_for_another(api: Api) -> None:
    """The operator's filter does not exist for others."""
    answer = await api("GET", "/subscriptions?client=other")
    deliveries = await api("GET", "/deliveries?client=other")
    assert (answer.code, deliveries.code) == ("invalid_request", "invalid_request")


async def test_an_operator_may_stop_what_a_client_owns(api: Api) -> None:
    """Somebody has to be able to."""
    mine = (await api.subscribe()).json["id"]
    assert (await api("DELETE", f"/subscriptions/{mine}", key=OPS)).status == 204
    assert (await api("GET", f"/subscriptions/{mine}")).json["state"] == "stopped"


async def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    api: Api, clock: NotedClock
) -> None:
    """One client's loop must not slow the others down."""
    config = config_with(limits={"requests": "2/10s"})
    async with api.changed(config=lambda: config) as slow:
        answers = [await slow("GET", "/subscriptions") for _ in range(3)]
        other = await slow("GET", "/subscriptions", key=OTHER)
        clock.advance(5)
        later = await slow("GET", "/subscriptions")
        config = config_with(limits={"requests": "9/s"})
        raised = await slow("GET", "/subscriptions")

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].code == "rate_limited"
    assert answers[2].headers["retry-after"] == "5"
    assert "2/10s" in answers[2].json["detail"]
    assert [other.status, later.status, raised.status] == [200, 200, 200]


async def test_polls_of_one_client_show_nothing_to_another(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Two clients with keys of their own watch the same task apart from each other."""
    mine = await api.subscribe(provider_api_key="key-a")
    theirs = await api.subscribe(key=OTHER, provider_api_key="key-b")
    clock.advance(5)
    await poll(store, clock, PENDING)

    assert len(await store.credentials()) == 2
    for found, key in ((mine, SHOP), (theirs, OTHER)):
        shown = await api("GET", f"/subscriptions/{found.json['id']}", key=key)
        assert shown.json["last_poll"]["count"] == 1
