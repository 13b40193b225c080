"""Probes, figures, and what is around every request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bridge.api.app import create_metrics_app
from bridge.api.deps import Deps
from bridge.api.envelope import Envelope, Traffic
from tests.api.conftest import OPS, SHOP, Api, Names, NotedClock, opened, served


async def test_a_loop_that_stands_still_fails_livez(api: Api, clock: NotedClock) -> None:
    """A supervisor restarts us then; nothing else would."""
    api.deps.health.beat("poller", clock.now())
    alive = await api("GET", "/livez", key=None)
    clock.advance(61)
    dead = await api("GET", "/livez?probe=k8s", key=None)

    assert (alive.status, alive.json) == (200, {"status": "ok"})
    assert (dead.status, dead.code) == (503, "stalled")
    assert dead.json["stalled"] == {"poller": 61}


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
async def test_readiness_tells_its_reasons(api: Api, path: str) -> None:
    """Operators look here first."""
    ready = await api("GET", path, key=None)
    api.deps.health.set_unready("store", "the disk is full")
    unready = await api("GET", path, key=None)

    assert (ready.status, ready.json) == (200, {"status": "ready"})
    assert (unready.status, unready.code) == (503, "not_ready")
    assert unready.json["reasons"] == {"store": "the disk is full"}


async def test_a_stopping_process_is_not_ready(api: Api) -> None:
    """So that no new work is sent here; what comes all the same is still taken."""
    async with api.changed(draining=lambda: True) as draining:
        answer = await draining("GET", "/readyz", key=None)
        taken = await draining.subscribe()
        alive = await draining("GET", "/livez", key=None)
    assert answer.json["reasons"] == {"stop": "stopping"}
    assert (taken.status, alive.status) == (202, 200)


async def test_metrics_are_for_operators(api: Api) -> None:
    """They tell about all clients."""
    refused = await api("GET", "/metrics")
    shown = await api("GET", "/metrics", key=OPS)

    assert (refused.status, refused.code) == (403, "operator_only")
    assert shown.headers["content-type"].startswith("text/plain")
    assert b"bridge_http_requests_total" in shown.body


async def test_metrics_have_an_address_of_their_own(deps: Deps) -> None:
    """`metrics_listen` needs no key: it is not for the world."""
    app = create_metrics_app(deps)
    async with served(app) as url, aiohttp.ClientSession() as http:
        async with http.get(url + "/metrics") as found:
            assert found.status == 200
        async with http.get(url + "/subscriptions") as missing:
            assert missing.status == 404


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=x",
        "application/openmetrics-text;version=1.x, text/plain;q=0.5",
        'text/plain;version="1.0.0"',
        "text/plain; version==; escaping=\u00ff",
        ";;,=,",
    ],
)
async def test_an_accept_that_makes_no_sense_is_answered_in_plain_text(
    api: Api, deps: Deps, accept: str
) -> None:
    """A scraper that asks oddly is better off with figures than with none."""
    sent = {"Accept": accept}
    shown = await api("GET", "/metrics", key=OPS, headers=sent)
    assert shown.status == 200
    assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
    async with (
        served(create_metrics_app(deps)) as url,
        aiohttp.request("GET", url + "/metrics", headers=sent) as found,
    ):
        assert (found.status, found.content_type) == (200, "text/plain")


async def test_openmetrics_is_given_to_who_asks_for_it(api: Api) -> None:
    """As Prometheus does."""
    sent = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.6, text/plain"}
    shown = await api("GET", "/metrics", key=OPS, headers=sent)
    assert shown.headers["content-type"].startswith("application/openmetrics-text")
    assert shown.body.endswith(b"# EOF\n")


async def test_the_labels_of_the_figures_are_bounded(api: Api) -> None:
    """An attacker who makes up paths and methods must not fill the memory."""
    await api("GET", "/subscriptions/sub_1")
    await api("GET", "/subscriptions/sub_2")
    await api("GET", "/made/up")
    await api("PROPFIND", "/also/made/up")
    text = (await api("GET", "/metrics", key=OPS)).body.decode()

    lines = [
        line for line in text.splitlines() if line.startswith("bridge_http_requests_t")
    ]
    assert [line.partition("{")[2] for line in lines] == [
        'method="GET",route="/subscriptions/{id}",status="404"} 2.0',
        'method="GET",route="other",status="404"} 1.0',
        'method="other",route="other",status="404"} 1.0',
    ]


@pytest.mark.parametrize("path", ["/livez", "/subscriptions", "/nowhere", "/subscribe"])
async def test_every_answer_has_an_id_and_is_not_stored(api: Api, path: str) -> None:
    """Errors too: the id is what people quote when they ask for help."""
    drawn = await api("GET", path)
    echoed = await api("GET", path, headers={"X-Request-Id": "abc-1.2:3"})
    for unfit in ("a b", "x" * 129, "\u00fc", ""):
        answer = await api("GET", path, headers={"X-Request-Id": unfit})
        assert answer.headers["x-request-id"] != unfit

    again = await api("GET", path)
    assert len(drawn.headers["x-request-id"]) > 16
    assert drawn.headers["x-request-id"] != again.headers["x-request-id"]
    assert echoed.headers["x-request-id"] == "abc-1.2:3"
    assert echoed.status == 200 or echoed.json["request_id"] == "abc-1.2:3"
    assert drawn.headers["cache-control"] == "no-store"


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    """A program reads one kind of error."""
    path = await api("GET", "/subscriptons")
    far = await api("GET", "/zzzzzzzzzzzzzzz")
    slash = await api("POST", "/subscribe/")
    method = await api("PUT", "/subscriptions")

    assert (path.status, path.code) == (404, "not_found")
    assert path.json["detail"] == "did you mean /subscriptions?"
    assert "did you mean" not in far.json["detail"]
    assert slash.json["detail"] == "did you mean /subscribe?"
    assert (method.status, method.code) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_options_and_head_are_answered(api: Api) -> None:
    """Monitors use one, browsers and gateways the other."""
    options = await api("OPTIONS", "/subscribe", key=None)
    head = await api("HEAD", "/subscriptions")
    got = await api("GET", "/subscriptions")

    assert (options.status, options.headers["allow"]) == (204, "OPTIONS, POST")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.fixture
async def loud(
    logged: list[Any], deps: Deps, clock: NotedClock, names: Names
) -> AsyncIterator[Api]:
    """The API, made after logging was set up."""
    async with opened(deps, clock, names) as found:
        yield found


class Broken:
    """Fails with a secret in its words."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/late":
            start: Message = {"type": "http.response.start", "status": 200, "headers": []}
            await send(start)
        if scope["path"] == "/group":
            raise ExceptionGroup("several", [KeyError(SHOP)])
        raise KeyError(SHOP)


async def test_a_bug_is_a_500_that_tells_nothing_and_a_log_that_tells_where(
    deps: Deps, logged: list[Any]
) -> None:
    """Texts of exceptions hold whatever went wrong, secrets included."""
    app = Envelope(Broken(), traffic=Traffic(deps.registry), now=deps.clock.now)
    async with served(app) as url, aiohttp.ClientSession() as http:
        for path in ("/", "/group"):
            async with http.get(url + path) as answer:
                told = await answer.json(content_type=None)
                assert (answer.status, told["code"]) == (500, "internal_error")
                assert answer.headers["x-request-id"] in told["detail"]
                assert answer.headers["x-request-id"] == told["request_id"]
                assert SHOP not in str(told)
        with pytest.raises(aiohttp.ClientError):
            async with http.get(url + "/late") as answer:
                await answer.read()

    crashes = [line for line in logged if line["event"] == "http.crashed"]
    assert [line["error"] for line in crashes] == ["KeyError"] * 3
    assert "test_probes.py" in crashes[0]["at"][-1]
    assert SHOP not in str(logged)


async def test_requests_are_logged_without_what_is_secret_in_them(
    loud: Api, logged: list[Any]
) -> None:
    """Keys, callback URLs and bodies have no place in a log."""
    secret = "sk-live-very-secret"
    await loud.subscribe(provider_api_key=secret, metadata={"card": secret})
    await loud("GET", f"/subscriptions?task_id={secret}")

    assert [(line["event"], line["client"], line["status"]) for line in logged] == [
        ("http.answered", "shop", 202),
        ("http.answered", "shop", 200),
    ]
    assert secret not in str(logged)
    assert "secret-path" not in str(logged)
    assert SHOP not in str(logged)


async def test_a_caller_that_leaves_before_its_body_is_complete_is_no_error(
    loud: Api, logged: list[Any]
) -> None:
    """It happens all day long on mobile networks."""
    _, _, host = loud.url.rpartition("/")
    _, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"X-API-Key: " + SHOP.encode() + b"\r\nContent-Length: 99\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    while not logged:  # noqa: ASYNC110 - ends when the server sees it
        await asyncio.sleep(0)
    assert [(line["event"], line["status"]) for line in logged] == [("http.answered", 499)]


async def test_all_that_is_logged_of_a_request_has_its_id(deps: Deps) -> None:
    """And nothing of the next one, on the same connection."""
    seen: list[Any] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(structlog.contextvars.get_contextvars())
        await Response()(scope, receive, send)

    app = Envelope(inner, traffic=Traffic(deps.registry), now=deps.clock.now)
    async with served(app) as url, aiohttp.ClientSession() as http:
        for name in ("one", "other"):
            async with http.get(url, headers={"X-Request-Id": name}) as answer:
                await answer.read()
    assert seen == [{"request_id": "one"}, {"request_id": "other"}]
    assert structlog.contextvars.get_contextvars() == {}


async def test_what_is_not_http_is_passed_on(deps: Deps) -> None:
    """The server's lifespan messages are the framework's to answer."""
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    app = Envelope(inner, traffic=Traffic(deps.registry), now=deps.clock.now)

    async def receive() -> Message:
        return {}

    async def send(_message: Message) -> None: ...

    await app({"type": "lifespan"}, receive, send)
    assert seen == ["lifespan"]
