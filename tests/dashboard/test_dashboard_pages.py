"""What the pages show, to whom, and that nothing of it is taken for markup."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from prometheus_client import CollectorRegistry

from bridge import dashboard
from bridge.api.app import create_app
from bridge.dashboard import pages
from bridge.delivery.trial import Trial
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    Destination,
    Observation,
    PollOutcome,
    Reply,
    Result,
    Status,
)
from bridge.receivers.breaker import OPEN_AFTER
from bridge.store import DeliveryFilter, figures, reading, timeline
from tests.api.acting import ACCEPTED, REFUSED, SUCCEEDED, attempt, poll
from tests.api.conftest import OPS, OTHER, served
from tests.dashboard.conftest import Visitor
from tests.store.scene import wish

STYLE = Path(dashboard.__file__).parent / "static" / "style.css"
NASTY = "<script>alert(1)</script>"
SECRET = "s3cret-path"
EVERYBODYS = DeliveryFilter(client=None)


def hook(path: str = SECRET) -> Destination:
    return Destination(
        url=f"https://app.example.com/{path}?sig=q-secret", host="app.example.com"
    )


async def made(visitor: Visitor, **changes: object) -> str:
    given = {"destination": hook(), **changes}
    told = await visitor.deps.store.subscribe(wish(**given), now=visitor.clock.now())  # type: ignore[arg-type]
    return told.subscription.id


async def ended(visitor: Visitor, seen: Observation = SUCCEEDED, **changes: object) -> str:
    subscription_id = await made(visitor, **changes)
    visitor.clock.advance(3.0)
    await poll(visitor.deps.store, visitor.clock, seen)
    return subscription_id


async def test_all_pages_are_there(shop: Visitor) -> None:
    await ended(shop)
    await attempt(shop.deps.store, shop.clock, REFUSED)
    for path in (
        "",
        "/",
        "/subscriptions",
        "/deliveries",
        "/providers",
        "/replay",
        "/test",
    ):
        page = await shop.get(path)
        assert page.status == 200, path
        assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_timeline_tells_the_whole_story(shop: Visitor) -> None:
    subscription_id = await ended(shop, metadata={"order": 7})
    await attempt(shop.deps.store, shop.clock, REFUSED)
    text = (await shop.get(f"/subscriptions/{subscription_id}")).text
    for told in (
        "Subscribed",
        "Polled once",
        "Ended",
        "Delivery of",
        "HTTP 500",
        "Attempt 1",
    ):
        assert told in text
    assert "&#34;order&#34;: 7" in text
    assert "no \ufffd" in text  # what the receiver said, though it is not UTF-8


async def test_a_timeline_has_the_words_that_were_seen(shop: Visitor) -> None:
    """Those that were news; how often each was said is not told."""
    subscription_id = await ended(shop)
    text = (await shop.get(f"/subscriptions/{subscription_id}")).text
    assert "updates" not in text, "it had ended when it was first asked about"
    waited_for = await made(shop, task_id="slow")
    for status in (Status.QUEUED, Status.QUEUED, Status.RUNNING):
        shop.clock.advance(60)
        seen = Observation(outcome=PollOutcome.PENDING, status=status, http_status=200)
        await poll(shop.deps.store, shop.clock, seen)
    text = (await shop.get(f"/subscriptions/{waited_for}")).text
    words = re.findall("</time></span> ([a-z]+)</li>", text)
    assert words == ["queued", "running"], text


async def test_what_a_url_hides_stays_hidden(shop: Visitor) -> None:
    """The path is the password of many receivers."""
    subscription_id = await ended(shop)
    await attempt(shop.deps.store, shop.clock, REFUSED)
    for path in (f"/subscriptions/{subscription_id}", "/subscriptions", "/deliveries", ""):
        text = (await shop.get(path)).text
        assert SECRET not in text
        assert "q-secret" not in text
    assert "https://app.example.com/…" in (await shop.get("/deliveries")).text


async def test_nothing_that_others_say_becomes_markup_or_a_link(shop: Visitor) -> None:
    """Answers, metadata, and results whose URL is none."""
    from bridge.model import AttemptOutcome, File, Reply

    result = Result(
        files=(
            File(kind=NASTY, provider_url="javascript:alert(1)"),
            File(kind="video", provider_url="https://cdn.example/a.mp4?sig=" + NASTY),
        ),
        details={"note": NASTY},
    )
    seen = Observation(
        outcome=PollOutcome.ENDED, status=Status.SUCCEEDED, http_status=200, result=result
    )
    subscription_id = await ended(
        shop, seen, metadata={"note": NASTY, "url": "javascript:x"}
    )
    reply = Reply(
        outcome=AttemptOutcome.REFUSED, http_status=400, body=NASTY.encode(), detail=NASTY
    )
    await attempt(shop.deps.store, shop.clock, reply)
    text = (await shop.get(f"/subscriptions/{subscription_id}")).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    hrefs = re.findall('href="([^"]*)"', text)
    assert all(
        each.startswith(("/dashboard", "#", "https://cdn.example/")) for each in hrefs
    )
    assert "javascript" not in " ".join(hrefs)


async def test_another_clients_things_are_not_there(shop: Visitor) -> None:
    subscription_id = await ended(shop, client="other", task_id="secret-task")
    [delivery] = (await shop.deps.store.deliveries(EVERYBODYS, limit=9)).items
    for path in (f"/subscriptions/{subscription_id}", f"/deliveries/{delivery.id}"):
        assert (await shop.get(path)).status == 404
    for path in ("", "/subscriptions", "/deliveries", "/subscriptions?q=secret-task"):
        text = (await shop.get(path)).text
        assert subscription_id not in text
        assert delivery.id not in text
    assert (await shop.get("/subscriptions?client=other")).status == 422
    for button in (
        f"/subscriptions/{subscription_id}/stop",
        f"/subscriptions/{subscription_id}/drop",
        f"/deliveries/{delivery.id}/retry",
    ):
        assert (await shop.post(button)).status == 404
    assert (await shop.get(f"/subscriptions/{subscription_id}/drop")).status == 404


async def test_an_operator_sees_all(visitor: Visitor) -> None:
    await visitor.sign_in(OPS)
    ours = await ended(visitor, task_id="of-shop")
    theirs = await ended(visitor, client="other", task_id="of-other")
    text = (await visitor.get("/subscriptions")).text
    assert "of-shop" in text
    assert "of-other" in text
    assert (await visitor.get(f"/subscriptions/{theirs}")).status == 200
    assert ours not in (await visitor.get("/subscriptions?client=other")).text


async def test_silent_hosts_are_counted_as_far_as_they_are_named(
    shop: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of hosts that nobody named there may be many more."""
    for n in range(2 * OPEN_AFTER):
        host = f"silent-{n % 2}.example.com"
        await made(
            shop,
            task_id=f"task-{n}",
            destination=Destination(url=f"https://{host}/{n}", host=host),
        )
    shop.clock.advance(3.0)
    await poll(shop.deps.store, shop.clock, SUCCEEDED)
    await attempt(shop.deps.store, shop.clock, Reply(outcome=AttemptOutcome.TIMEOUT))

    whole = (await shop.get("")).text
    monkeypatch.setattr(figures, "HOSTS", 1)
    cut = (await shop.get("")).text

    assert "<b>✕ 2</b><span>hosts not answering" in whole
    assert "<b>✕ 1+</b><span>hosts not answering" in cut


async def test_an_empty_overview_says_once_that_there_is_nothing(shop: Visitor) -> None:
    text = (await shop.get("")).text
    assert text.count("Nothing has ended in the last hour.") == 1
    assert text.count("Nothing to show of the last hour.") == 2  # of each lag
    assert "0 succeeded" not in text
    assert "✓ Nothing: every key works" in text


async def test_a_receiver_that_refuses_needs_attention(shop: Visitor) -> None:
    """With what it says, and a link to what it has not taken."""
    for number in range(2):
        await ended(shop, task_id=f"task-{number}")
        await attempt(shop.deps.store, shop.clock, REFUSED)
    text = (await shop.get("")).text
    assert "✓ Nothing" not in text
    link = "/dashboard/deliveries?host=app.example.com&amp;state=retrying"
    assert f'<a href="{link}">app.example.com</a>' in text
    assert "2 deliveries · last HTTP 500" in text
    found = await shop.get("/deliveries?host=app.example.com&state=retrying")
    assert found.text.count("Retry now") == 2


async def test_lists_filter_search_and_go_on(shop: Visitor) -> None:
    for number in range(30):
        await made(shop, task_id=f"task-{number:02}")
    first = (await shop.get("/subscriptions")).text
    assert "task-29" in first
    assert "task-01" not in first
    older = re.search('rel="next" href="([^"]+)"', first)
    assert older is not None
    address = older[1].replace("&amp;", "&").removeprefix("/dashboard")
    assert "task-01" in (await shop.get(address)).text
    found = (await shop.get("/subscriptions?q=task-07&state=")).text
    assert "task-07" in found
    assert "task-08" not in found
    assert "No subscription fits" in (await shop.get("/subscriptions?state=ended")).text
    named = await shop.get("/subscriptions?q=sub_abc")
    assert named.headers["location"] == "/dashboard/subscriptions/sub_abc"


def link(text: str, name: str) -> dict[str, str]:
    """What the link `name` of a list asks for."""
    found = re.search(f'<a id="{name}"[^>]* href="([^"]+)"', text)
    assert found is not None
    return dict(parse_qsl(urlsplit(unescape(found[1])).query))


async def test_a_list_of_deliveries_keeps_to_all_that_is_asked(shop: Visitor) -> None:
    ours = [await ended(shop, task_id=f"task-{number}") for number in range(3)]
    found = await shop.get(f"/deliveries?subscription_id={ours[1]}")
    assert found.text.count(' title="msg_') == 1
    assert f"msg_{ours[1].removeprefix('sub_')}_0" in found.text
    assert (await shop.get("/deliveries?limit=2")).text.count(' title="msg_') == 2
    assert (await shop.get("/subscriptions?limit=2")).text.count(' title="sub_') == 2
    assert "App.Example.COM" not in found.text
    assert (await shop.get("/deliveries?q=App.Example.COM")).text.count('"msg_') == 3


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (
            "/deliveries",
            {
                "host": "app.example.com",
                "state": "waiting",
                "since": "2026-11-25T13:00:00+01:00",
                "until": "2030-01-01T00:00:00Z",
            },
        ),
        ("/subscriptions", {"status": "succeeded", "task_id": "one", "provider": "amux"}),
    ],
)
async def test_other_pages_of_a_list_and_its_form_ask_for_the_same(
    shop: Visitor, path: str, asked: dict[str, str]
) -> None:
    asked = asked | {"limit": "1"}
    for number in range(2):
        await ended(shop, task_id="one", destination=hook(f"{number}"))
    first = (await shop.get(f"{path}?{urlencode(asked)}")).text
    older = link(first, "older")
    assert older.pop("cursor")
    assert older == asked
    second = (await shop.get(f"{path}?{urlencode(link(first, 'older'))}")).text
    assert link(second, "newest") == asked
    kept = dict(re.findall('<input type="hidden" name="(\\w+)" value="([^"]*)">', second))
    kept.pop("token")
    shown = ("host", "state", "task_id", "provider")
    assert {name: unescape(text) for name, text in kept.items()} == {
        name: text for name, text in asked.items() if name not in shown
    }
    assert f'<a id="all" href="/dashboard{path}">' in second
    assert 'id="all"' not in (await shop.get(path)).text


async def test_the_buttons_do_what_the_api_does(
    shop: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry: one attempt more. Stop: no more of it."""
    subscription_id = await ended(shop)
    await attempt(shop.deps.store, shop.clock, ACCEPTED)
    [delivery] = (await shop.deps.store.deliveries(EVERYBODYS, limit=9)).items
    page = await shop.post(f"/deliveries/{delivery.id}/retry", **{"from": "timeline"})
    assert (
        page.headers["location"]
        == f"/dashboard/subscriptions/{subscription_id}?done=retried"
    )
    await attempt(shop.deps.store, shop.clock, REFUSED)
    text = (await shop.get(f"/subscriptions/{subscription_id}")).text
    assert "Attempt 2" in text
    assert "by hand" in text
    assert "earlier" not in text
    monkeypatch.setattr(reading, "LOG", 1)
    monkeypatch.setattr(timeline, "ATTEMPTS", 1)
    for where in (f"/subscriptions/{subscription_id}", f"/deliveries/{delivery.id}"):
        text = (await shop.get(where)).text
        assert "1 earlier not shown" in text
        assert "Attempt 1<" not in text

    other = await made(shop, task_id="to-stop")
    await shop.post(f"/subscriptions/{other}/stop")
    told = await shop.deps.store.subscription(other.removeprefix("sub_"), "shop")
    assert told is not None
    assert told.state == "stopped"


async def test_a_stop_that_comes_after_the_end_drops_nothing(shop: Visitor) -> None:
    """The page was old: who stopped it had seen it active."""
    subscription_id = await made(shop)
    page = f"/subscriptions/{subscription_id}"
    assert 'id="stop"' in (await shop.get(page)).text
    shop.clock.advance(3.0)
    await poll(shop.deps.store, shop.clock, SUCCEEDED)
    stopped = await shop.post(f"{page}/stop")
    text = (await shop.get(stopped.headers["location"].removeprefix("/dashboard"))).text
    assert "It has ended meanwhile; nothing was dropped." in text
    assert 'id="stop"' not in text
    await attempt(shop.deps.store, shop.clock, ACCEPTED)
    assert "Attempt 1" in (await shop.get(page)).text


async def test_what_an_ended_one_owes_is_dropped_when_it_is_meant(shop: Visitor) -> None:
    """Another button in another place, and a page that asks."""
    subscription_id = await ended(shop)
    page = f"/subscriptions/{subscription_id}"
    text = (await shop.get(page)).text
    assert text.index('<ol class="timeline">') < text.index('id="drop"')
    asked = await shop.get(f"{page}/drop")
    for told in ("Drop what is owed?", "task.succeeded", "https://app.example.com/…"):
        assert told in asked.text
    dropped = await shop.post(f"{page}/drop")
    text = (await shop.get(dropped.headers["location"].removeprefix("/dashboard"))).text
    assert "What it was still owed is dropped" in text
    assert 'id="drop"' not in text
    assert (await shop.get(f"{page}/drop")).headers["location"] == f"/dashboard{page}"
    running = f"/subscriptions/{await made(shop, task_id='runs')}"
    assert 'id="drop"' not in (await shop.get(running)).text
    assert (await shop.get(f"{running}/drop")).headers["location"] == f"/dashboard{running}"


async def test_one_button_tests_a_subscriptions_own_callback(visitor: Visitor) -> None:
    """As its events are sent: to its URL with its headers, method, format and secret."""
    sent: list[ClaimedDelivery] = []

    async def refused(claimed: ClaimedDelivery) -> Trial:
        sent.append(claimed)
        reply = replace(REFUSED, http_status=401, body=b"who are you?")
        return Trial(
            started_at=0, finished_at=1, method="POST", reply=reply, hint="Look at the key."
        )

    deps = replace(visitor.deps, try_out=refused, registry=CollectorRegistry())
    async with served(create_app(deps, pages)) as visitor.url:
        await visitor.sign_in()
        secret = ("whsec_bWluZQ",)
        subscription_id = await made(
            visitor,
            destination=replace(hook(), headers={"X-Own": "password"}),
            events=("task.failed",),
            format="flat",
            signing_secrets=secret,
        )
        page = f"/subscriptions/{subscription_id}"
        assert 'id="test">Send a test</button>' in (await visitor.get(page)).text
        text = (await visitor.post(f"{page}/test")).text
        theirs = await made(visitor, client="other")
        assert (await visitor.post(f"/subscriptions/{theirs}/test")).status == 404
        quiet = await made(visitor, destination=None, task_id="quiet")
        assert 'id="test"' not in (await visitor.get(f"/subscriptions/{quiet}")).text
        assert (await visitor.post(f"/subscriptions/{quiet}/test")).status == 404
    [claimed] = sent
    assert claimed.destination.url == hook().url
    assert claimed.destination.headers == {"X-Own": "password"}
    assert (claimed.type, claimed.format) == ("task.failed", "flat")
    assert (claimed.client, claimed.signing_secrets) == ("shop", secret)
    for told in ("HTTP 401", "who are you?", "Look at the key."):
        assert told in text
    assert SECRET not in text


async def test_a_hint_is_said_once_for_all_attempts_it_is_of(shop: Visitor) -> None:
    subscription_id = await ended(shop)
    for status in (401, 401, 503):
        reply = replace(REFUSED, http_status=status)
        await attempt(shop.deps.store, shop.clock, reply)
        shop.clock.advance(60.0)
    [delivery] = (await shop.deps.store.deliveries(EVERYBODYS, limit=9)).items
    for page in (f"/subscriptions/{subscription_id}", f"/deliveries/{delivery.id}"):
        text = (await shop.get(page)).text
        assert "Attempt 3" in text
        assert text.count("The receiver wants credentials") == 1
        assert text.count("is down or restarting") == 1


async def test_a_range_is_counted_before_it_is_replayed(shop: Visitor) -> None:
    for number in range(3):
        await ended(shop, task_id=f"task-{number}")
    for _ in range(3):
        await attempt(shop.deps.store, shop.clock, ACCEPTED)
    counted = await shop.post("/replay", state="accepted", since="2027-01-15T08:00")
    assert '<b class="num">3</b> deliveries fit' in counted.text
    assert "Replay these 3" in counted.text
    taken = await shop.post("/replay", state="accepted", sure="yes")
    assert "3 deliveries will be attempted" in taken.text
    nothing = await shop.post("/replay", state="gone")
    assert "0</b> deliveries fit" in nothing.text
    faulty = await shop.post("/replay", state="accepted", since="soon")
    assert faulty.status == 422
    assert "since" in faulty.text


async def test_those_that_were_counted_are_replayed_once(shop: Visitor) -> None:
    """Others come while somebody looks at the figure, and a page is loaded again."""
    made = [await ended(shop, task_id=f"task-{number}") for number in range(2)]
    await attempt(shop.deps.store, shop.clock, ACCEPTED)
    counted = await shop.post("/replay", state="accepted")
    made.append(await ended(shop, task_id="later"))
    await attempt(shop.deps.store, shop.clock, ACCEPTED)
    fields = dict(re.findall('type="hidden" name="(\\w+)" value="([^"]*)"', counted.text))
    assert fields["limit"] == "2"

    for _ in range(2):
        taken = await shop.post("/replay", **fields)
        assert "2 deliveries will be attempted" in taken.text
        await attempt(shop.deps.store, shop.clock, ACCEPTED)

    listed = (await shop.deps.store.deliveries(EVERYBODYS, limit=9)).items
    attempts = {one.subscription_id: one.attempts for one in listed}
    assert [attempts[id_] for id_ in made] == [2, 2, 1]


async def test_a_fault_is_a_page(visitor: Visitor) -> None:
    await visitor.sign_in(OTHER)
    page = await visitor.get("/subscriptions?state=nonsense")
    assert page.status == 422
    assert "must be one of active, ended, stopped" in page.text
    assert (await visitor.post("/test", callback_url="ftp://x")).status == 422
    assert (await visitor.get("/static/../words.py")).status == 404


async def test_static_files_are_only_sent_once(shop: Visitor) -> None:
    first = await shop.get("/static/style.css")
    again = await shop.get(
        "/static/style.css", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (first.status, again.status, again.text) == (200, 304, "")


def palettes() -> Iterator[dict[str, str]]:
    """Of the light page and of the dark one."""
    for block in re.findall(r":root \{(.*?)\}", STYLE.read_text("utf-8"), re.DOTALL):
        yield dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TONES = ("good", "busy", "warn", "bad", "calm")
TEXTS = [
    *(
        (text, back)
        for text in ("text", "soft", "link", "bad")
        for back in ("page", "card", "code")
    ),
    *((tone, f"{tone}-back") for tone in TONES),
    *((text, "calm-back") for text in ("text", "soft", "link")),
    ("button-text", "button"),
]


@pytest.mark.parametrize(("text", "back"), TEXTS)
def test_every_text_can_be_read(text: str, back: str) -> None:
    """WCAG AA: 4.5 to 1, by day and by night."""
    found = list(palettes())
    assert len(found) == 2
    for palette in found:
        assert contrast(palette[text], palette[back]) >= 4.5, (text, back)


def test_marks_of_charts_and_edges_of_fields_can_be_seen() -> None:
    """WCAG AA: 3 to 1 for what is no text."""
    for palette in palettes():
        for mark in ("good", "bad", "warn", "calm"):
            assert contrast(palette[mark], palette["card"]) >= 3
