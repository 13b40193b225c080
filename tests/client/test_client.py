"""The client, against a real API and against servers that break off."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
from aiohttp import web

from bridge.api.problem import CODES
from bridge.client import (
    AsyncClient,
    Client,
    ClientError,
    NotABridge,
    NotEnded,
    Refused,
    StreamEnded,
    Unreachable,
    VerificationError,
    verify_webhook,
)
from bridge.client.connection import Connection
from bridge.client.errors import HINTS
from bridge.signature import headers, mint
from bridge.simulator.loopback import Loopback
from bridge.store import Store
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import SHOP, Api

T = TypeVar("T")
Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
ENDED = {"id": "sub_1", "provider": "amux", "task_id": "t", "state": "ended"}
ACTIVE = ENDED | {"state": "active"}


async def at_once(_seconds: float) -> None:
    """Instead of a pause."""


HASTY = partial(Connection, sleep=at_once, dice=lambda: 0.5)


@asynccontextmanager
async def asking(
    serve: Serve, connect: Callable[..., Connection] = HASTY, **further: Any
) -> AsyncIterator[AsyncClient]:
    server = Loopback(serve)
    try:
        url = await server.start()
        async with AsyncClient(url, "key", connect=connect, **further) as client:
            yield client
    finally:
        await server.stop()


async def while_time_passes(api: Api, call: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(call)
    async with asyncio.timeout(5):
        while not task.done():
            api.clock.advance(0.05)
            await asyncio.sleep(0.001)
    return task.result()


async def test_a_task_is_waited_for(api: Api, store: Store) -> None:
    """One call, from the id to the end."""
    async with AsyncClient(api.url, SHOP) as client:
        waiting = asyncio.create_task(
            client.wait_for("amux", "task1", metadata={"order": 7}, callback_url=None)
        )
        await api.clock.asked.wait()
        api.clock.advance(5)
        api.deps.bell.ring(await poll(store, api.clock, SUCCEEDED))
        end = await while_time_passes(api, settled(waiting))
        assert (end.ok, end.outcome, end.metadata) == (True, "succeeded", {"order": 7})
        assert (end.url, end.error, end.active) == (None, None, False)
        assert [one.id async for one in client.subscriptions(state="ended")] == [end.id]
        assert (await client.wait(end.id, timeout_s=0)).ok
        await client.stop(end.id)


async def settled(task: "asyncio.Task[T]") -> T:
    return await task


async def test_what_takes_too_long_is_named_and_goes_on(api: Api) -> None:
    async with AsyncClient(api.url, SHOP) as client:
        with pytest.raises(NotEnded, match="amux/task1 has not ended within 0 s") as caught:
            await client.wait_for("amux", "task1", timeout_s=0)
        assert isinstance(caught.value, TimeoutError)
        assert (await client.subscription(caught.value.subscription.id)).active


async def test_a_refusal_names_every_field_and_what_to_do(api: Api) -> None:
    async with AsyncClient(api.url, SHOP) as client:
        with pytest.raises(Refused) as caught:
            await client.subscribe("amux", "a b", deadline="soon")
        assert (caught.value.status, caught.value.code) == (422, "invalid_request")
        assert {each.field for each in caught.value.errors} == {"task_id", "deadline"}
        assert caught.value.request_id
    async with AsyncClient(api.url, "another-key-0123456") as stranger:
        with pytest.raises(Refused, match="401 unauthorized") as refused:
            await stranger.subscribe("amux", "t")
    assert "BRIDGE_API_KEY" in str(refused.value.hint)
    assert set(HINTS) <= set(CODES)


async def test_a_lost_answer_is_asked_for_again_by_the_same_request() -> None:
    """The bridge knows it again; so nothing is doubled."""
    got: list[tuple[bytes, str | None]] = []

    async def losing(request: web.BaseRequest) -> web.StreamResponse:
        got.append((await request.read(), request.headers.get("Idempotency-Key")))
        if len(got) == 1:
            assert request.transport is not None
            request.transport.abort()
        if len(got) == 2:
            return web.Response(status=502, text="<html>")
        if len(got) == 3:
            body = {"code": "idempotency_in_flight", "detail": "wait"}
            return web.json_response(body, status=409)
        return web.json_response(ENDED)

    async with asking(losing) as client:
        made = await client.subscribe("amux", "t", idempotency_key="k")
    assert made.id == "sub_1"
    assert len(got) == 4
    assert set(got) == {(b'{"provider": "amux", "task_id": "t"}', "k")}


async def test_a_wait_outlasts_a_restart_but_not_its_time() -> None:
    """A deployment of the bridge is not the end of everybody who waits."""
    answers = iter([200, 503, 503, 200])

    async def restarting(request: web.BaseRequest) -> web.StreamResponse:
        status = next(answers, 503)
        if status == 503:
            body = {"code": "not_ready", "detail": "stopping"}
            return web.json_response(body, status=503)
        return web.json_response(ACTIVE if request.method == "POST" else ENDED)

    async with asking(restarting) as client:
        assert not (await client.wait_for("amux", "t", timeout_s=9)).active
        with pytest.raises(Refused, match="not_ready"):
            await client.wait_for("amux", "t", timeout_s=0.01)


async def test_what_was_held_is_asked_for_again_as_long_as_any_other() -> None:
    """A wait is held for nearly as long as a failure may last: that is no failure yet."""
    now = [0.0]
    answers = iter([200, 503, 503, 200])

    async def held(request: web.BaseRequest) -> web.StreamResponse:
        now[0] += 50.0 * (request.method == "GET")
        if next(answers) == 503:
            return web.json_response({"code": "not_ready", "detail": "no"}, status=503)
        return web.json_response(ACTIVE if request.method == "POST" else ENDED)

    timed = partial(HASTY, now=lambda: now[0])
    async with asking(held, timed) as client:
        assert not (await client.wait_for("amux", "t")).active


async def test_a_time_that_ends_amid_failures_has_ended() -> None:
    """What is known so far is worth more than how the last question failed."""
    now = [0.0]

    async def failing(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response(ACTIVE)
        now[0] += 10.0
        return web.json_response({"code": "not_ready", "detail": "no"}, status=503)

    timed = partial(HASTY, now=lambda: now[0])
    async with asking(failing, timed, now=lambda: now[0]) as client:
        with pytest.raises(NotEnded) as caught:
            await client.wait_for("amux", "t", timeout_s=10)
    assert caught.value.subscription.id == "sub_1"


async def test_a_refusal_that_stands_is_not_repeated() -> None:
    asked: list[str] = []

    async def refusing(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response({"code": "unknown_provider", "detail": "no"}, status=422)

    async with asking(refusing) as client:
        with pytest.raises(Refused, match="unknown_provider"):
            await client.wait_for("amux", "t")
    assert asked == ["/subscribe"]


async def test_an_answer_that_is_no_subscription_is_none() -> None:
    async def friendly(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(["hello"])

    async with asking(friendly) as client:
        with pytest.raises(NotABridge):
            await client.subscription("sub_1")
        with pytest.raises(NotABridge):
            await anext(client.events())


async def test_events_come_again_after_the_connection_is_lost() -> None:
    """For whoever looks on for days; until the key is taken away."""
    pieces = [
        b': live\n\nid: evt_1\nevent: task.failed\ndata: {"type": "task.failed"}\n\n',
        b'event: stream.ended\ndata: {"reason": "stopping", "detail": "bye", "x": 1}\n\n',
        b'event: task.expired\ndata: {"type": "task.expired", "data": {"ok": false}}\n\n'
        b'event: stream.ended\ndata: {"reason": "unauthorized", "detail": "no"}\n\n',
    ]

    async def streaming(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers["Accept"] != "text/event-stream":
            return web.json_response({})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(pieces.pop(0))
        return response

    async with asking(streaming) as client:
        following = client.events()
        types = [(await anext(following)).type for _ in range(2)]
        with pytest.raises(StreamEnded, match="unauthorized"):
            await anext(following)
    assert types == ["task.failed", "task.expired"]


@pytest.mark.parametrize(
    "said",
    [b"data: hello\n\n", b"data: [1]\n\n", b"event: stream.ended\ndata: {}\n\n"],
    ids=["no-json", "no-event", "no-reason"],
)
async def test_a_stream_of_somebody_else_is_told_as_such(said: bytes) -> None:
    """Not as a fault of this program."""

    async def streaming(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(said)
        return response

    async with asking(streaming) as client:
        with pytest.raises(NotABridge):
            await anext(client.events())


async def test_a_stream_that_breaks_at_once_is_opened_ever_more_slowly() -> None:
    """Each 200 is no success: a proxy that cuts every stream would be asked without end."""
    slept: list[float] = []
    now = [0.0]
    pieces = [b": live\n\n"] * 3 + [b"data: {}\n\n"] + [b": live\n\n"] * 9

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    async def breaking(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(pieces.pop(0))
        return response

    connect = partial(Connection, sleep=sleep, dice=lambda: 1.0, now=lambda: now[0])
    async with asking(breaking, connect, retry_for_s=4) as client:
        with pytest.raises(Unreachable, match="the stream broke off"):
            [_ async for _ in client.events()]
    assert slept == [0.25, 0.5, 1.0, 0.25, 0.5, 1.0, 2.0]


async def test_a_stream_that_has_held_is_opened_again_at_once() -> None:
    """Though nothing happened meanwhile: where little happens, every one ends so."""
    slept: list[float] = []
    changes: list[str] = []
    now = [0.0]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def silent(_: web.BaseRequest) -> web.Response:
        if len(slept) == 3:
            return web.json_response({"code": "unauthorized", "detail": "no"}, status=401)
        return web.Response(body=b": live\n\n", content_type="text/event-stream")

    def held(change: ClientError | None) -> None:
        changes.append(type(change).__name__)
        now[0] += 60 if change is None else 0

    connect = partial(Connection, sleep=sleep, dice=lambda: 1.0, now=lambda: now[0])
    async with asking(silent, connect, retry_for_s=4) as client:
        with pytest.raises(Refused, match="401"):
            [_ async for _ in client.events(held)]
    assert slept == [0.25] * 3
    assert changes == ["NoneType", "Unreachable"] * 3


def test_it_works_without_an_event_loop() -> None:
    """Each call returns when it is done; events can be followed between others."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/events":
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for number in (1, 2):
                await response.write(b'data: {"type": "t%d"}\n\n' % number)
            await response.write(
                b'event: stream.ended\ndata: {"reason": "unauthorized", "detail": ""}\n\n'
            )
            return response
        if request.path == "/subscriptions":
            return web.json_response({"items": [ENDED], "next_cursor": None})
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.json_response(ENDED)

    with asyncio.Runner() as runner:
        server = Loopback(serve)
        url = runner.run(server.start())
        try:
            runner.run(in_a_thread(url))
        finally:
            runner.run(server.stop())


async def in_a_thread(url: str) -> None:
    await asyncio.to_thread(used, url)


def used(url: str) -> None:
    with Client(url, "key") as client:
        assert client.subscribe("amux", "t").id == "sub_1"
        assert client.wait_for("amux", "t", timeout_s=1).state == "ended"
        assert client.wait("sub_1").id == client.subscription("sub_1").id
        assert [one.id for one in client.subscriptions()] == ["sub_1"]
        client.stop("sub_1")
        types: list[str] = []
        with pytest.raises(StreamEnded):
            types.extend(event.type for event in client.events())
        following = client.events()
        assert next(following).type == "t1"
        assert client.subscription("sub_1").id == "sub_1"
        assert next(following).type == "t2"


async def test_inside_an_event_loop_the_other_one_is_named() -> None:
    client = Client("http://127.0.0.1:9", "key")
    with pytest.raises(RuntimeError, match="running event loop"):
        client.subscribe("amux", "t")
    await asyncio.to_thread(client.close)


async def test_nobody_there_is_told_after_all_tries() -> None:
    """Of which there are a few, in the time given."""
    slept: list[float] = []
    now = [0.0]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    connect = partial(Connection, sleep=sleep, dice=lambda: 1.0, now=lambda: now[0])
    async with AsyncClient("http://127.0.0.1:1", "k", retry_for_s=4, connect=connect) as c:
        with pytest.raises(Unreachable) as caught:
            await c.subscribe("amux", "t")
    assert slept == [0.25, 0.5, 1.0, 2.0]
    assert isinstance(caught.value, ClientError)


def test_where_and_who_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDGE_API_KEY", raising=False)
    with pytest.raises(ValueError, match="BRIDGE_API_KEY"):
        AsyncClient()
    monkeypatch.setenv("BRIDGE_API_KEY", "new,old")
    monkeypatch.setenv("BRIDGE_URL", "ftp://x")
    with pytest.raises(ValueError, match="write http"):
        AsyncClient()


def test_webhooks_are_proven() -> None:
    import time

    secret, body = (
        mint(),
        b'{"id": "msg_a_0", "type": "task.failed", "data": {"ok": false}}',
    )
    signed = headers(message_id="msg_a_0", sent_at=time.time(), body=body, secrets=[secret])
    event = verify_webhook(signed, body, secret)
    assert (event.type, event.data, event.test) == ("task.failed", {"ok": False}, False)
    with pytest.raises(VerificationError):
        verify_webhook(signed, body + b" ", [secret])


def test_importing_it_loads_nothing_of_the_server() -> None:
    """It runs in other people's programs."""
    told = "import sys, bridge.client; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True
    )
    loaded = set(found.stdout.split())
    heavy = {"aiohttp", "starlette", "uvicorn", "pydantic", "structlog", "cryptography"}
    assert not loaded & heavy
    ours = {name for name in loaded if name.startswith("bridge.")}
    assert {name.split(".")[1] for name in ours} == {"client", "errors", "signature", "sse"}
