"""Signing in: what the cookie is worth, for how long, and what no form may do."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qsl, urlencode

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from bridge.api.app import create_app
from bridge.config import Config
from bridge.dashboard import pages
from bridge.dashboard.session import COOKIE, LIFE_S
from bridge.errors import StoreUnavailable
from bridge.store import Store
from tests.api.conftest import CONFIG, OPS, OTHER, SHOP, config_with, served
from tests.dashboard.conftest import Visitor, config_at

OLD = CONFIG["encryption_keys"]
LIVE = {"X-Dashboard-Live": "1"}
NEW = ["another-encryption-key-of-more-than-32-characters"]


@asynccontextmanager
async def configured(visitor: Visitor, config: Config) -> AsyncIterator[Visitor]:
    """The same browser, before a bridge that is configured otherwise."""
    deps = replace(visitor.deps, config=lambda: config, registry=CollectorRegistry())
    jar = aiohttp.DummyCookieJar()
    async with (
        served(create_app(deps, pages)) as url,
        aiohttp.ClientSession(cookie_jar=jar) as http,
    ):
        yield Visitor(url, http, visitor.clock, deps, visitor.cookie)


async def test_who_has_not_signed_in_sees_the_sign_in_page_only(visitor: Visitor) -> None:
    for path in ("", "/subscriptions", "/deliveries/msg_x_0", "/replay", "/test"):
        page = await visitor.get(path)
        assert page.status == 303
        assert page.headers["location"].startswith("/dashboard/sign-in")
    assert (await visitor("POST", "/dashboard/replay", data={})).status == 303


async def test_after_signing_in_one_is_where_one_wanted_to_be(visitor: Visitor) -> None:
    page = await visitor.sign_in(next="/deliveries")
    assert (page.status, page.headers["location"]) == (303, "/dashboard/deliveries")


async def test_what_was_asked_of_a_page_is_asked_after_signing_in(
    visitor: Visitor,
) -> None:
    """Also what the code itself has a name for."""
    asked = {"state": "active", "q": "a&b=c d", "path": "x", "self": "y"}
    page = await visitor.get(f"/subscriptions?{urlencode(asked)}")
    wanted = page.headers["location"].removeprefix("/dashboard")
    found = re.search('name="next" value="([^"]+)"', (await visitor.get(wanted)).text)
    assert found is not None
    page = await visitor.sign_in(next=unescape(found[1]))
    path, _, query = page.headers["location"].partition("?")
    assert (path, dict(parse_qsl(query))) == ("/dashboard/subscriptions", asked)
    again = await visitor.get(wanted)
    assert again.headers["location"] == page.headers["location"]


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/deliveries?q=a\r\nSet-Cookie: x=1", "?q=a%0D%0ASet-Cookie%3A+x%3D1"),
        ("/deliveries?q=a%0d%0aX: y#//evil", "?q=a%0D%0AX%3A+y%23%2F%2Fevil"),
        ("/deliveries?q=%ff", "?q=%EF%BF%BD"),
        ("/deliveries?" + "&".join(["a=b"] * 60), ""),
        ("/deliveries?q=" + "a" * 9_000, ""),
    ],
)
async def test_a_query_to_go_on_to_is_written_anew(
    visitor: Visitor, wanted: str, location: str
) -> None:
    """No header comes of it, and what is too much is left out."""
    page = await visitor.sign_in(next=wanted)
    assert page.headers["location"] == f"/dashboard/deliveries{location}"
    assert list(page.cookies) == [COOKIE]


async def test_nobody_is_sent_elsewhere_after_signing_in(visitor: Visitor) -> None:
    """A link to our page could otherwise lead to somebody else's."""
    page = await visitor.sign_in(next="//evil.example/subscriptions")
    assert page.headers["location"] == "/dashboard"


async def test_the_cookie_is_for_this_page_alone_and_no_script_reads_it(
    visitor: Visitor,
) -> None:
    morsel = (await visitor.sign_in()).cookies[COOKIE]
    assert morsel["httponly"]
    assert morsel["samesite"] == "lax"
    assert morsel["path"] == "/dashboard"
    assert not morsel["secure"]
    assert int(morsel["max-age"]) == LIFE_S


async def test_behind_tls_and_below_a_path_all_addresses_follow(visitor: Visitor) -> None:
    """The path of `public_url`, which a proxy takes off again."""
    config = config_at("https://example.com/bridge")
    async with configured(visitor, config) as other:
        page = await other.sign_in()
        morsel = page.cookies[COOKIE]
        assert (bool(morsel["secure"]), morsel["path"]) == (True, "/bridge/dashboard")
        assert page.headers["location"] == "/bridge/dashboard"
        text = (await other.get("")).text
        assert 'href="/bridge/dashboard/static/style.css"' in text
        assert '"/dashboard' not in text


async def test_the_cookie_holds_no_key(visitor: Visitor) -> None:
    """Neither it nor what anybody could guess it by."""
    import base64
    import hashlib

    await visitor.sign_in()
    value = visitor.cookie.partition("=")[2]
    payload = value.partition(".")[0]
    raw = base64.urlsafe_b64decode(payload + "==").decode("latin-1")
    for hidden in (SHOP, hashlib.sha256(SHOP.encode()).hexdigest()):
        assert hidden not in value
        assert hidden not in raw


async def test_a_cookie_ends(shop: Visitor) -> None:
    shop.clock.advance(LIFE_S - 1)
    assert (await shop.get("")).status == 200
    shop.clock.advance(2)
    assert (await shop.get("")).status == 303


async def test_a_cookie_dies_with_its_key(shop: Visitor) -> None:
    """As soon as the configuration knows it no more: another key is another session."""
    async with configured(shop, config_with(api_keys=["shop-key-new-5555555"])) as other:
        assert (await other.get("")).status == 303


async def test_a_cookie_outlives_the_rotation_of_encryption_keys(shop: Visitor) -> None:
    """But not the removal of the key that made it."""
    async with configured(shop, config_at(encryption_keys=[*NEW, *OLD])) as other:
        assert (await other.get("")).status == 200
    async with configured(shop, config_at(encryption_keys=NEW)) as other:
        assert (await other.get("")).status == 303


@pytest.mark.parametrize("cookie", ["x", "e30.x", "a" * 5_000, ""])
async def test_a_cookie_that_is_not_ours_is_none(visitor: Visitor, cookie: str) -> None:
    visitor.cookie = f"{COOKIE}={cookie}"
    assert (await visitor.get("")).status == 303


async def test_a_wrong_key_is_told_and_not_repeated(visitor: Visitor) -> None:
    page = await visitor.sign_in("wrong-key-0123456789")
    assert page.status == 401
    assert "not known here" in page.text
    assert "wrong-key" not in page.text


async def test_wrong_keys_are_counted(visitor: Visitor) -> None:
    for _ in range(10):
        assert (await visitor.sign_in("wrong-key-0123456789")).status == 401
    page = await visitor.sign_in("wrong-key-0123456789")
    assert page.status == 429
    assert int(page.headers["retry-after"]) > 0
    visitor.clock.advance(60.0)
    assert (await visitor.sign_in("wrong-key-0123456789")).status == 401


async def test_a_right_key_always_gets_in(visitor: Visitor) -> None:
    """Behind a proxy all have one address: nobody there may lock out the others, neither by
    guessing nor by signing in often.
    """
    for _ in range(20):
        await visitor.sign_in("wrong-key-0123456789")
    for _ in range(20):
        visitor.cookie = ""
        assert (await visitor.sign_in()).status == 303


@pytest.mark.parametrize("key", [OTHER, OPS])
async def test_a_form_of_another_session_is_refused(shop: Visitor, key: str) -> None:
    """And one from another site, whatever its token."""
    token = await shop.token()
    refused = await shop.post("/test", token="forged")
    assert refused.status == 403
    mine, shop.cookie = shop.cookie, ""
    await shop.sign_in(key)
    assert (await shop.post("/test", token=token)).status == 403
    shop.cookie = mine
    shop.headers = {"Sec-Fetch-Site": "cross-site"}
    assert (await shop.post("/test")).status == 403


async def test_a_token_from_before_signing_in_is_worth_nothing_after(
    visitor: Visitor,
) -> None:
    before = await visitor.token("/sign-in")
    await visitor.sign_in()
    assert (await visitor.post("/sign-out", token=before)).status == 403


async def test_signing_out_takes_the_cookie_away(shop: Visitor) -> None:
    assert (await shop.post("/sign-out")).status == 303
    assert shop.cookie == ""
    assert (await shop.get("")).status == 303


async def test_signing_out_ends_copies_of_the_cookie(shop: Visitor) -> None:
    """Also for who has copied it; another browser with the same key stays signed in."""
    copied, shop.cookie = shop.cookie, ""
    await shop.sign_in()
    other, shop.cookie = shop.cookie, copied
    assert (await shop.post("/sign-out")).status == 303
    shop.cookie = copied
    assert (await shop.get("")).status == 303
    assert (await shop("POST", "/dashboard/test", data={})).status == 303
    shop.cookie = other
    assert (await shop.get("")).status == 200


async def test_while_the_database_is_away_a_page_says_so(shop: Visitor) -> None:
    """Nobody is let in then by a cookie that may have been ended."""

    class Away(Store):
        async def signed_out(self, session: str, until: int) -> bool:
            raise StoreUnavailable("gone")

    store = shop.deps.store
    shop.deps = replace(shop.deps, store=Away(store.database, store._box))
    async with configured(shop, config_at()) as other:
        page = await other.get("")
    assert page.status == 503
    assert page.headers["content-type"].startswith("text/html")
    assert int(page.headers["retry-after"]) > 0
    assert "Sign out" not in page.text


async def test_every_page_says_what_may_be_loaded(shop: Visitor) -> None:
    """Nothing inline, nothing from elsewhere, no frames, no referrer."""
    for path in (
        "",
        "/sign-in",
        "/subscriptions",
        "/subscriptions/sub_x",
        "/static/live.js",
    ):
        headers = (await shop.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


async def test_the_dashboard_counts_as_requests_of_its_client(shop: Visitor) -> None:
    config = config_with(limits={"requests": "2/s"})
    async with configured(shop, config) as other:
        statuses = [(await other.get("/test")).status for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_what_a_page_asks_by_itself_does_not_use_up_its_clients_requests(
    shop: Visitor,
) -> None:
    """A page left open would otherwise take them from the client's program."""
    config = config_with(limits={"requests": "2/s"})
    async with configured(shop, config) as other:
        for _ in range(3):
            assert (await other.get("/test", headers=LIVE)).status == 200
        assert [(await other.get("/test")).status for _ in range(3)] == [200, 200, 429]


async def test_what_pages_ask_by_themselves_is_limited_as_well(shop: Visitor) -> None:
    statuses = [(await shop.get("/test", headers=LIVE)).status for _ in range(21)]
    assert statuses == [*([200] * 20), 429]
    assert (await shop.get("/test")).status == 200
