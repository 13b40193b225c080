"""Notices to the operator, as the API shows them: to operators, and to nobody else."""

import pytest

from bridge.messages.notices import TYPES, Seen
from bridge.receivers.callback import destination
from bridge.store import NoticesTo, Store
from tests.api.acting import ACCEPTED, REFUSED, attempt
from tests.api.conftest import OPS, OTHER, SHOP, Api, NotedClock

URL = "https://ops.example/notices/secret-path"


@pytest.fixture
async def notice(api: Api, store: Store, clock: NotedClock) -> str:
    """The id of one that was refused once."""
    to = NoticesTo(
        destination=destination(URL, {}, https_only=False),
        format="standard",
        types=TYPES,
    )
    owed = await store.notice(to, Seen(late={"polls": 900.0}), now=clock.now())
    assert len(owed) == 1
    await attempt(store, clock, REFUSED)
    [listed] = (await api("GET", "/deliveries", key=OPS)).json["items"]
    found: str = listed["id"]
    return found


async def test_an_operator_sees_notices_among_the_deliveries(api: Api, notice: str) -> None:
    """Of no client and no subscription; with their attempts, as all others."""
    shown = (await api("GET", f"/deliveries/{notice}", key=OPS)).json
    assert (shown["type"], shown["callback_url"]) == ("backlog.late", URL)
    assert (shown["client"], shown["subscription_id"], shown["hook_id"]) == (None,) * 3
    assert (shown["state"], len(shown["attempts"])) == ("retrying", 1)
    for filtered, count in (("state=retrying", 1), ("client=shop", 0)):
        page = await api("GET", f"/deliveries?{filtered}", key=OPS)
        assert len(page.json["items"]) == count


async def test_an_operator_sends_a_notice_again(
    api: Api, store: Store, clock: NotedClock, notice: str
) -> None:
    assert (await api("POST", f"/deliveries/{notice}/retry", key=OPS)).status == 202
    await attempt(store, clock, ACCEPTED)
    shown = (await api("GET", f"/deliveries/{notice}", key=OPS)).json
    assert shown["state"] == "accepted"
    assert [each["manual"] for each in shown["attempts"]] == [False, True]


@pytest.mark.parametrize("key", [SHOP, OTHER])
async def test_no_client_sees_a_notice(api: Api, notice: str, key: str) -> None:
    """Not even one who knows its id."""
    assert (await api("GET", "/deliveries", key=key)).json["items"] == []
    for method, path in (("GET", ""), ("POST", "/retry")):
        answer = await api(method, f"/deliveries/{notice}{path}", key=key)
        assert (answer.status, answer.code) == (404, "delivery_not_found")


async def test_what_notices_are_kept_with_is_shown_to_nobody(api: Api, notice: str) -> None:
    """There is no such subscription, and no such hook, for anybody to stop or remove."""
    _, owner, _, hook = notice.split("_")
    for path, code in (
        (f"/subscriptions/sub_{owner}", "subscription_not_found"),
        (f"/hooks/hook_{hook}", "hook_not_found"),
    ):
        for method in ("GET", "DELETE"):
            assert (await api(method, path, key=OPS)).code == code
    for path in ("/subscriptions", "/hooks", "/subscriptions?state=stopped"):
        assert (await api("GET", path, key=OPS)).json["items"] == []
