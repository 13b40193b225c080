"""What comes over the wire before there is a request, or instead of one."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.api.app import create_app
from bridge.api.deps import Deps
from bridge.api.protocol import HEAD_BYTES
from bridge.service import server_of
from tests.api.conftest import SHOP, Api, config_with

HEAD = f"Host: x\r\nX-API-Key: {SHOP}\r\n"
CLOSE, CONTINUE = "Connection: close\r\n", "Expect: 100-continue\r\n"
CHUNKED = f"POST /subscribe HTTP/1.1\r\n{HEAD}{CONTINUE}Transfer-Encoding: chunked\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"

# Java's HttpClient sends the first unless told not to.
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def connection(
    url: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(url: str, *sent: str) -> bytes:
    """All that is answered until the connection is closed. What follows a head that asks
    whether to continue is sent when it may.
    """
    async with connection(url) as (reader, writer):
        heard = b""
        for piece in sent:
            writer.write(piece.encode("latin-1"))
            await writer.drain()
            if CONTINUE in piece:
                heard += (await reader.readuntil(GO_ON)).removesuffix(GO_ON)
        return heard + await reader.read()


def post(task: str, headers: str = "", *, chunked: bool = False) -> tuple[str, str]:
    """The head and the body of a request to be told of `task`."""
    body = json.dumps({"provider": "amux", "task_id": task})
    if chunked:
        pieces = (f"{len(each):x}\r\n{each}\r\n" for each in (body[:9], body[9:]))
        length, body = "Transfer-Encoding: chunked", "".join(pieces) + "0\r\n\r\n"
    else:
        length = f"Content-Length: {len(body)}"
    return f"POST /subscribe HTTP/1.1\r\n{HEAD}{headers}{length}\r\n\r\n", body


def accepted(answers: bytes) -> list[str]:
    """The tasks of subscriptions that were made, in the order of the answers."""
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 202 Accepted\r\n")
    return re.findall(r'"task_id":"(\w+)"', answers.decode())


def problem(answer: bytes) -> Any:
    """The answer, which is one of the errors of the documentation."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    told = json.loads(body)
    assert lines[0].split(" ")[1] == str(told["status"])
    return told


@pytest.mark.parametrize(
    "sent",
    [
        ["garbage\r\n\r\n"],
        ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
        ["GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"],
        ["GET / HTTP/1.1\r\nHost: x\r\na b: 1\r\n\r\n"],
        ["POST /subscribe HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
        [CHUNKED, "no number\r\n"],
        [CHUNKED.replace(CONTINUE, H2C + CONTINUE), "no number\r\n"],
        [f"BREW / HTTP/1.1\r\nHost: x\r\n{H2C}\r\n"],
        [f"SETUP / RTSP/1.0\r\nHost: x\r\n{H2C}\r\n"],
        ["CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"],
        [f"CONNECT / HTTP/1.1\r\nHost: x\r\n{H2C}\r\n"],
    ],
)
async def test_what_is_no_request_is_told_so_like_any_error(
    api: Api, sent: list[str]
) -> None:
    """A program that reads `code` of every error must not stumble over this one."""
    told = problem(await said(api.url, *sent))
    assert (told["status"], told["code"]) == (400, "malformed_request")


ENDLESS = "x" * HEAD_BYTES


@pytest.mark.parametrize(
    "sent",
    [
        ["GET /", ENDLESS],
        ["GET / HTTP/1.1\r\n", "a: ", ENDLESS],
        ["GET / HTTP/1.1\r\n", *["a: " + "x" * 1_000 + "\r\n"] * 66],
        ["GET / HTTP/1.1\r\n" + H2C, "a: ", ENDLESS],
        ["\r\n" + ENDLESS.replace("xx", "\r\n")],
        [CHUNKED, "0\r\na: ", ENDLESS],
        [CHUNKED, "1;a=", ENDLESS],
        [CHUNKED.replace(CONTINUE, H2C + CONTINUE), "0\r\na: ", ENDLESS],
    ],
)
async def test_what_never_becomes_a_request_is_cut_off(api: Api, sent: list[str]) -> None:
    """Anybody who can connect could fill the memory, without a key."""
    told = problem(await said(api.url, *sent))
    assert (told["status"], told["code"]) == (431, "head_too_large")
    assert f"{HEAD_BYTES:,}" in told["detail"]


async def test_large_heads_may_follow_one_another(api: Api) -> None:
    """Each for itself is within the limit, which is not one of bodies."""
    padding = "a: " + "x" * 40_000 + "\r\n"
    get = "GET /subscriptions HTTP/1.1\r\n" + HEAD
    body = json.dumps([{"provider": "amux", "task_id": "x" * 200_000}])
    post = (
        f"POST /subscribe/batch HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    answers = await said(api.url, get, padding, "\r\n", post, body)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    for _ in range(3):  # on one connection, one after the other
        assert (await api("GET", "/readyz", headers={"a": "x" * 40_000})).status == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "more", ["", CONTINUE, "a:\r\nb: \t c \r\n"], ids=["plain", "asks", "odd"]
)
@pytest.mark.parametrize("upgrade", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
async def test_an_upgrade_may_be_offered_and_is_not_taken(
    api: Api, upgrade: str, more: str, *, chunked: bool
) -> None:
    """Java's HttpClient offers one unless told not to, and its body was lost."""
    sent = [
        *post("one", upgrade + more, chunked=chunked),
        *post("two", upgrade + more, chunked=chunked),
        *post("three"),
        *post("four", more + upgrade, chunked=chunked),
        *post("five", CLOSE),
    ]
    tasks = ["one", "two", "three", "four", "five"]
    assert accepted(await said(api.url, *sent)) == tasks


async def test_offers_of_an_upgrade_may_come_all_at_once(api: Api) -> None:
    """More of them than calls may be nested."""
    get = f"GET /livez HTTP/1.1\r\nHost: x\r\n{H2C}\r\n"
    answers = await said(api.url, get * 1_500 + "".join(post("last", H2C + CLOSE)))
    assert answers.count(b"HTTP/1.1 200 OK") == 1_500
    assert answers.count(b"HTTP/1.1 202 Accepted") == 1


async def test_an_offer_of_an_upgrade_may_come_a_byte_at_a_time(api: Api) -> None:
    """A head ends where it ends, whatever the network makes of it."""
    sent = "".join(post("one", H2C) + post("two", WEBSOCKET + CLOSE, chunked=True))
    async with connection(api.url) as (reader, writer):
        for letter in sent:
            writer.write(letter.encode())
            await api("GET", "/livez", key=None)  # meanwhile the server reads it
        assert accepted(await reader.read()) == ["one", "two"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_connection_ends_where_an_offer_of_an_upgrade_says(
    api: Api, version: str
) -> None:
    """What follows is no request, and must not become one."""
    head, body = post("last", "Connection: close, upgrade\r\nUpgrade: h2c\r\n")
    answers = await said(
        api.url, head.replace("1.1", version) + body + "".join(post("beyond"))
    )
    assert accepted(answers) == ["last"]


async def test_what_follows_a_request_that_offered_an_upgrade_is_a_request(
    api: Api,
) -> None:
    """A client that speaks the other protocol all the same is told, not left waiting."""
    async with connection(api.url) as (reader, writer):
        writer.write(f"GET /livez HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        lengths = re.findall(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(lengths[0]))
        writer.write(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        told = problem(await reader.read())
    assert (told["status"], told["code"]) == (400, "malformed_request")


async def test_large_heads_may_offer_upgrades(api: Api) -> None:
    """Each is read twice, and counts once."""
    padding = "a: " + "x" * 40_000 + "\r\n"
    sent = [*post("one", padding + H2C), *post("two", H2C + padding + CLOSE)]
    assert accepted(await said(api.url, *sent)) == ["one", "two"]


async def test_a_request_that_offered_an_upgrade_is_finished_before_the_server_stops(
    deps: Deps,
) -> None:
    """Whoever stops the server must know of its connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = server_of(create_app(deps), config_with())
    serving = asyncio.create_task(server.serve([listening]))
    head, body = post("late", H2C + CONTINUE)
    async with connection(f"http://127.0.0.1:{listening.getsockname()[1]}") as (
        reader,
        writer,
    ):
        writer.write(head.encode())
        await reader.readuntil(GO_ON)
        assert len(server.server_state.connections) == 1
        server.should_exit = True
        writer.write(body.encode())
        assert accepted(await reader.read()) == ["late"]
    await serving
    assert not server.server_state.connections


async def test_the_server_speaks_so(deps: Deps) -> None:
    """As it is run in earnest."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = server_of(create_app(deps), config_with())
    serving = asyncio.create_task(server.serve([listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    told = problem(await said(url, "garbage\r\n\r\n"))
    server.should_exit = True
    await serving
    assert told["code"] == "malformed_request"
