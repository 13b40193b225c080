"""The client of a running bridge, and how it takes what is not an answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bridge.cli.exits import CommandFailed, Exit, exit_code, lines
from bridge.cli.health import asked
from bridge.client.answers import reply
from bridge.client.connection import Connection
from bridge.client.errors import NotABridge, Refused, Unreachable
from bridge.errors import ClientError
from bridge.simulator.demo.child import free_port
from bridge.simulator.loopback import Loopback

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    server = Loopback(serve)
    try:
        yield await server.start()
    finally:
        await server.stop()


async def test_the_key_goes_to_this_bridge_alone() -> None:
    """A redirect would carry it to whoever the other end likes."""
    asked_for: list[tuple[str, str]] = []

    async def redirecting(request: web.BaseRequest) -> web.Response:
        asked_for.append((request.path, request.headers["Authorization"]))
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with serving(redirecting) as url, Connection(url, "key-1") as api:
        with pytest.raises(NotABridge, match="answers 302, but not as poll-bridge"):
            await api.get("/subscriptions")
    assert asked_for == [("/subscriptions", "Bearer key-1")]


async def test_what_is_asked_arrives() -> None:
    """Query, body and headers, under the path of a proxy."""

    async def echoing(request: web.BaseRequest) -> web.Response:
        told = {
            "path": request.path_qs,
            "body": await request.json(),
            "key": request.headers["Idempotency-Key"],
        }
        return web.json_response(told, status=202)

    async with serving(echoing) as url, Connection(f"{url}/bridge/") as api:
        answer = await api.post(
            "/subscribe",
            {"task_id": "t"},
            {"wait": "5"},
            headers={"Idempotency-Key": "k"},
            wait_s=5,
        )
    assert answer == (
        202,
        {"path": "/bridge/subscribe?wait=5", "body": {"task_id": "t"}, "key": "k"},
    )


async def test_nobody_there_may_be_somebody_later() -> None:
    """Scripts that start right after the bridge go by the code."""
    async with Connection(f"http://127.0.0.1:{free_port()}") as api:
        with pytest.raises(Unreachable, match="connection refused") as caught:
            await api.get("/readyz")
    assert exit_code(caught.value) is Exit.UNAVAILABLE


async def test_a_slip_in_the_url_is_told_apart() -> None:
    """A name nobody knows, and https where there is only http, look alike otherwise."""
    async with Connection("http://no-such-host.invalid") as api:
        with pytest.raises(Unreachable, match="the name of the host is not known"):
            await api.get("/readyz")

    async def plain(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async with serving(plain) as url, Connection(url.replace("http", "https")) as api:
        with pytest.raises(Unreachable, match="TLS failed") as caught:
            await api.get("/readyz")
    assert "write http://" in caught.value.lines[1]


async def test_an_answer_that_does_not_unpack_is_none() -> None:
    """--url may point at anything."""

    async def packed(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        await response.write(b"not gzip")
        return response

    async with serving(packed) as url, Connection(url) as api:
        with pytest.raises(Unreachable, match="the answer is not HTTP"):
            await api.get("/readyz")


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (401, b'{"code": "unauthorized", "detail": "no"}', 1, "401 unauthorized: no"),
        (
            429,
            b'{"code": "rate_limited", "title": "Too many"}',
            3,
            "rate_limited: Too many",
        ),
        (503, b'{"code": "not_ready", "detail": "starting"}', 3, "not_ready: starting"),
        (404, b"<html>", 1, "answers 404, but not as poll-bridge does"),
        (502, b"<html>", 3, "answers 502"),
        (200, b"<html>", 1, "answers 200, but not"),
        (400, b'{"code": 50001}', 1, "answers 400, but not"),
        (200, b"[" * 100_000, 1, "answers 200, but not"),
        (200, None, 1, "answers 200, but not"),
    ],
)
def test_refusals_become_lines_and_codes(
    status: int, body: bytes | None, code: int, says: str
) -> None:
    """The bridge's own words, or that it is no bridge."""
    with pytest.raises(ClientError) as caught:
        reply("http://bridge", status, body)
    assert says in lines(caught.value)[0]
    assert exit_code(caught.value) == code


def test_every_field_that_is_wrong_has_a_line() -> None:
    """A request with three faults should not need three tries."""
    body = (
        b'{"code": "invalid_request", "detail": "2 fields", "errors": [7, '
        b'{"field": "task_id", "message": "odd"}, {"field": "events", "message": "no"}]}'
    )
    with pytest.raises(Refused) as caught:
        reply("http://bridge", 422, body)
    assert [each.field for each in caught.value.errors] == ["task_id", "events"]
    assert tuple(lines(caught.value)) == (
        "422 invalid_request: 2 fields",
        "  task_id: odd",
        "  events: no",
    )


async def test_health_knows_two_codes_only() -> None:
    """Container runtimes reserve all others."""

    async def unready(_: web.BaseRequest) -> web.Response:
        return web.json_response({"code": "not_ready", "detail": "starting"}, status=503)

    async with serving(unready) as url:
        with pytest.raises(CommandFailed, match="starting") as caught:
            await asked(url, "/readyz")
    assert caught.value.code is Exit.FAILED


async def test_another_service_on_the_port_is_not_healthy() -> None:
    """A 200 alone proves nothing."""

    async def friendly(_: web.BaseRequest) -> web.Response:
        return web.json_response(["hello"])

    async with serving(friendly) as url:
        with pytest.raises(CommandFailed, match="not as poll-bridge does"):
            await asked(url, "/readyz")
