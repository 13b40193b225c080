"""The pages in a real browser, before the real command: what a person does there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, Route, expect

from tests.cli.commands import Bridge
from tests.dashboard.browser import (
    DESK,
    PATIENCE_MS,
    PHONE,
    TABLET,
    Seen,
    chromium,
    looked,
    needs_chromium,
    visiting,
)
from tests.settings import ENCRYPTION_KEY, SIGNING_SECRET

# One browser and one bridge for all: each of them takes a second or two to start.
pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]

KEYS = {
    "shop": "shop-key-of-the-browser",
    "blog": "blog-key-of-the-browser",
    "ops": "operator-key-of-the-browser",
}
CONFIG = f"""
listen: 127.0.0.1:0
encryption_keys: [{ENCRYPTION_KEY}]
clients:
  shop: {{api_keys: [{KEYS["shop"]}], signing_secrets: [{SIGNING_SECRET}]}}
  blog: {{api_keys: [{KEYS["blog"]}], signing_secrets: [{SIGNING_SECRET}]}}
  ops: {{api_keys: [{KEYS["ops"]}], signing_secrets: [{SIGNING_SECRET}], role: operator}}
providers: {{sandbox: {{}}}}
callbacks: {{allow_networks: [127.0.0.0/8], retries: []}}
"""
EVIL = """<!doctype html><title>Win</title><link rel="icon" href="data:,">
<form method="post" action="{action}">
<input name="token" value="{token}"><button>Win a phone</button></form>"""

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Receiver:
    """Takes what is sent to it, or refuses; and has a page that nobody should trust."""

    url: str = ""
    refusing: set[str] = field(default_factory=set)  # paths
    came: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(text=EVIL.format(**request.query), content_type="text/html")
        await request.read()
        self.came.put_nowait(request.path)
        if request.path in self.refusing:
            return web.Response(status=503, text="we are closed")
        return web.Response(text="thanks")

    async def called(self, path: str) -> None:
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while await self.came.get() != path:
                pass


@dataclass
class Place:
    """A bridge, a receiver, and somebody with a browser."""

    url: str
    receiver: Receiver
    http: aiohttp.ClientSession
    browser: Browser
    cookies: dict[str, Any] = field(default_factory=dict)  # of who has signed in

    async def subscribe(
        self, task_id: str, client: str = "shop", path: str = "/ok", **more: Any
    ) -> str:
        """Its id."""
        body = {"provider": "sandbox", "task_id": task_id, **more}
        body["callback_url"] = self.receiver.url + path
        told = await self._api("POST", "/subscribe", client, json=body)
        return str(told["id"])

    async def ended(self, subscription_id: str, client: str = "shop") -> None:
        told = await self._api("GET", f"/subscriptions/{subscription_id}?wait=20", client)
        assert told["state"] == "ended"

    async def _api(self, method: str, path: str, client: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {KEYS[client]}"}
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as answer:
            assert answer.ok, await answer.text()
            return await answer.json() if answer.status != 204 else None

    @asynccontextmanager
    async def window(
        self, client: str | None = "shop", *, refused: int | None = None, **options: Any
    ) -> AsyncIterator[Page]:
        """Of somebody who has signed in as that client. Whatever happens in it, nothing may
        be asked of another host, and the browser may have nothing to complain of, unless
        the page itself is `refused` with that status.
        """
        seen = Seen()
        if client is not None:
            options["storage_state"] = await self._signed_in(client)
        async with visiting(self.browser, seen, **options) as page:
            yield page
        ours = {urlsplit(each).netloc for each in (self.url, self.receiver.url)}
        assert seen.hosts <= ours, seen.hosts
        meant = f"the server responded with a status of {refused} "
        assert [each for each in seen.complaints if meant not in each] == []

    async def _signed_in(self, client: str) -> Any:
        if client not in self.cookies:
            async with visiting(self.browser, Seen()) as page:
                await sign_in(page, self.url, client)
                self.cookies[client] = await page.context.storage_state()
        return self.cookies[client]

    def at(self, path: str = "") -> str:
        return f"{self.url}/dashboard{path}"


async def sign_in(page: Page, url: str, client: str) -> None:
    await page.goto(f"{url}/dashboard")
    await page.get_by_label("API key").fill(KEYS[client])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder: Path = tmp_path_factory.mktemp("browser")
    (folder / "config.yaml").write_text(CONFIG, "utf-8")
    receiver, app = Receiver(), web.Application()
    # Between two requests of a test the bridge may have closed a connection that is idle.
    connector = aiohttp.TCPConnector(force_close=True)
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    with Bridge(folder, "--config", "config.yaml") as bridge:
        async with (
            TestServer(app) as server,
            aiohttp.ClientSession(connector=connector) as http,
            chromium() as browser,
        ):
            receiver.url = str(server.make_url("")).rstrip("/")
            yield Place(bridge.url, receiver, http, browser)


async def test_one_signs_in_by_keyboard_and_out_again(place: Place) -> None:
    """A wrong key first. Signed out, there is no way back."""
    async with place.window(None, refused=401) as page:
        await page.goto(place.at("/deliveries"))
        for key, then in (("a-wrong-key-0123456789", "not known"), (KEYS["shop"], "")):
            await expect(page.get_by_label("API key")).to_be_focused()
            await page.keyboard.type(key)
            await page.keyboard.press("Enter")
            if then:
                await expect(page.get_by_role("alert")).to_contain_text(then)
        await expect(page).to_have_url(place.at("/deliveries"))
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_task_is_watched_to_its_end_without_a_reload(place: Place) -> None:
    """The list changes by itself; from it one comes to the whole story."""
    async with place.window() as page:
        await page.clock.install()
        await page.goto(place.at("/subscriptions"))
        await page.evaluate("document.documentElement.dataset.same = 'yes'")
        for seconds in (4, 16):  # on a slow machine the first may end unseen
            name = f"succeed-{seconds}s-live"
            row = page.get_by_role("row").filter(has_text=name)
            await expect(row).to_have_count(0)
            ended_id = await place.subscribe(name, path="/live")
            await page.clock.fast_forward(3_000)
            await expect(row).to_be_visible()
            if "active" in await row.inner_text():
                break
        else:
            pytest.fail("nobody saw it active")
        await place.ended(ended_id)
        await place.receiver.called("/live")
        await page.clock.fast_forward(3_000)
        for told in ("succeeded", "accepted"):
            await expect(row).to_contain_text(told)
        await expect(row).not_to_contain_text("active")
        assert await page.evaluate("document.documentElement.dataset.same") == "yes"

        await page.get_by_role("link", name=name).click()
        story = page.get_by_role("listitem")
        for step in ("Subscribed", "Polled", "Ended", "Delivery of", "Attempt 1"):
            await expect(story.filter(has_text=step).first).to_be_visible()
        await page.get_by_text("Answer, 6 bytes").click()
        await expect(page.get_by_text("thanks")).to_be_visible()
        await page.clock.fast_forward(3_000)
        await expect(page.get_by_text("thanks")).to_be_visible()  # it stays open


async def test_news_takes_neither_the_keyboards_place_nor_a_click(place: Place) -> None:
    """A list that changes under one's hands: a row comes above the one that is meant."""
    await place.subscribe("slow-60s-meant")
    async with place.window() as page:
        await page.clock.install()
        await page.goto(place.at("/subscriptions?state=active"))
        meant = page.get_by_role("link", name="slow-60s-meant")
        await page.get_by_label("Search").fill("half a")
        await meant.focus()
        await place.subscribe("slow-60s-above")
        await page.clock.fast_forward(3_000)
        await expect(page.get_by_role("link", name="slow-60s-above")).to_be_visible()
        await expect(meant).to_be_focused()
        await expect(page.get_by_label("Search")).to_have_value("half a")

        async def pressed(route: Route) -> None:
            await page.mouse.down()
            await route.continue_()

        await page.keyboard.press("Tab")
        await meant.hover()
        await page.route(page.url, pressed)
        await place.subscribe("slow-60s-higher")
        async with page.expect_response(page.url) as answer:
            await page.clock.fast_forward(3_000)
        await (await answer.value).finished()
        await page.unroute(page.url)
        await page.clock.fast_forward(3_000)
        await page.evaluate("fetch(location.href).then((answer) => answer.text())")
        await page.mouse.up()
        await expect(page.get_by_role("heading", name="slow-60s-meant")).to_be_visible()


async def test_a_dead_letter_is_sent_again(place: Place) -> None:
    """And a test of the receiver, before that."""
    place.receiver.refusing.add("/closed")
    subscription_id = await place.subscribe("fail-0s-dead", path="/closed")
    await place.receiver.called("/closed")
    async with place.window() as page:
        await page.goto(place.at("/deliveries?state=exhausted"))
        await page.get_by_role("link", name="task.failed").click()
        await expect(page.get_by_role("heading", name="exhausted")).to_be_visible()
        await page.get_by_role("link", name=subscription_id).click()
        await page.get_by_role("button", name="Send a test").click()
        tested = page.get_by_role("status")
        for told in ("HTTP 503", "we are closed", "is down or restarting"):
            await expect(tested).to_contain_text(told)
        place.receiver.refusing.clear()
        await page.get_by_role("button", name="Send another").click()
        await expect(tested).to_contain_text("accepted")

        await page.get_by_role("link", name=subscription_id).click()
        await page.get_by_role("button", name="Retry now").click()
        await expect(page.get_by_role("status")).to_contain_text("One more attempt")
        attempt = page.get_by_role("listitem").filter(has_text="Attempt 2 by hand").last
        await expect(attempt).to_contain_text("accepted")
        await expect(page.get_by_role("button", name="Send again")).to_be_visible()


async def test_another_clients_page_is_refused(place: Place) -> None:
    subscription_id = await place.subscribe("slow-60s-theirs", "blog")
    async with place.window(refused=404) as page:
        await page.goto(place.at(f"/subscriptions/{subscription_id}"))
        await expect(page.get_by_role("alert")).to_have_text(
            "you have no subscription of this id"
        )
        await expect(page.locator("body")).not_to_contain_text("slow-60s-theirs")
        await page.get_by_role("link", name="To the overview").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    async with place.window("ops") as page:
        await page.goto(place.at(f"/subscriptions/{subscription_id}"))
        await expect(page.get_by_role("heading", name="slow-60s-theirs")).to_be_visible()


async def test_a_forged_form_does_nothing(place: Place) -> None:
    """Neither one of another origin, even with the right token, nor ours without it."""
    subscription_id = await place.subscribe("slow-60s-forged")
    story = place.at(f"/subscriptions/{subscription_id}")
    async with place.window(refused=403) as page:
        await page.goto(story)
        token = await page.locator("input[name=token]").first.input_value()
        await page.goto(f"{place.receiver.url}/win?action={story}/stop&token={token}")
        await page.get_by_role("button", name="Win a phone").click()
        await expect(page.get_by_role("alert")).to_contain_text("not one that this bridge")

        await page.goto(story)
        for each in await page.locator("[name=token]").all():
            await each.evaluate("(field) => { field.value = '' }")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("alert")).to_contain_text("not one that this bridge")

        await page.goto(story)
        await expect(page.get_by_role("heading", name="slow-60s-forged")).to_contain_text(
            "active"
        )


async def test_all_of_it_works_without_scripts(place: Place) -> None:
    subscription_id = await place.subscribe("slow-60s-plain")
    async with place.window(None, java_script_enabled=False) as page:
        await sign_in(page, place.url, "shop")
        await page.get_by_role("link", name="Subscriptions", exact=True).click()
        await page.get_by_label("Search").fill("slow-60s-plain")
        await page.get_by_label("State").select_option("active")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("row")).to_have_count(2)
        await page.get_by_role("link", name="slow-60s-plain").click()
        await page.get_by_role("button", name="Stop").click()
        await expect(page).to_have_url(
            place.at(f"/subscriptions/{subscription_id}?done=stopped")
        )
        await expect(page.get_by_role("status")).to_contain_text("It is stopped")
        await page.get_by_role("link", name="Replay").click()
        await page.get_by_role("button", name="Count them").click()
        await expect(page.get_by_role("status")).to_contain_text("deliveries fit")


async def test_tab_reaches_every_action_and_one_sees_where_one_is(place: Place) -> None:
    subscription_id = await place.subscribe("slow-60s-keys", metadata={"order": 7})
    async with place.window() as page:
        await page.add_init_script("sessionStorage.setItem('paused', 'yes')")
        for path in ("", f"/subscriptions/{subscription_id}", "/deliveries", "/replay"):
            await page.goto(place.at(path))
            names = await looked(page, "names")
            reached: list[int] = []
            while len(reached) < len(names):
                await page.keyboard.press("Tab")
                focus = await looked(page, "focused")
                assert focus["at"] >= 0, (path, reached)
                assert focus["shown"], (path, names[focus["at"]])
                assert focus["inside"], (path, names[focus["at"]])
                if focus["at"] not in reached[-1:]:  # a date has several stops
                    reached.append(focus["at"])
            assert reached == list(range(len(names))), path


async def test_every_page_can_be_read_by_day_by_night_and_on_a_phone(place: Place) -> None:
    """By the colours that the browser has really come to."""
    place.receiver.refusing.add("/full")
    story = await place.subscribe("error-0s-read", "blog", "/full", metadata={"order": 7})
    await place.subscribe("slow-60s-read")
    await place.receiver.called("/full")
    paths = (
        "",
        "/subscriptions",
        f"/subscriptions/{story}",
        "/deliveries",
        "/providers",
        "/replay",
        "/test",
    )
    async with place.window("ops", reduced_motion="reduce") as page:
        for path in paths:
            await page.goto(place.at(path))
            await readable(page, path)
        await page.get_by_label("Callback URL").fill(place.receiver.url + "/full")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("status")).to_contain_text("HTTP 503")
        await readable(page, "a test")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await readable(page, "/sign-in")
    place.cookies.pop("ops")


async def readable(page: Page, name: str) -> None:
    for size in (PHONE, TABLET, DESK):
        await page.set_viewport_size(size)
        assert await looked(page, "wider") == 0, (name, size)
        if size is TABLET:
            continue
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            told = await looked(page, "faint")
            assert told["seen"] > 3
            assert told["faint"] == [], (name, size, scheme)
