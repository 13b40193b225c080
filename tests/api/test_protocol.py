"""What comes over the wire before there is a request, or instead of one."""

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.api.app import create_app
from bridge.api.deps import Deps
from bridge.api.protocol import HEAD_BYTES
from bridge.service import server_of
from tests.api.conftest import SHOP, Api, config_with

HEAD = f"Host: x\r\nX-API-Key: {SHOP}\r\n"
CONTINUE = "Expect: 100-continue\r\n"
CHUNKED = f"POST /subscribe HTTP/1.1\r\n{HEAD}{CONTINUE}Transfer-Encoding: chunked\r\n\r\n"


async def said(url: str, *sent: str) -> bytes:
    """All that is answered until the connection is closed. What follows a head that asks
    whether to continue is sent when it may.
    """
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        for piece in sent:
            writer.write(piece.encode("latin-1"))
            await writer.drain()
            if CONTINUE in piece:
                await reader.readuntil(b"100 Continue\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


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
        ["\r\n" + ENDLESS.replace("xx", "\r\n")],
        [CHUNKED, "0\r\na: ", ENDLESS],
        [CHUNKED, "1;a=", ENDLESS],
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


async def test_a_body_that_an_upgrade_has_swallowed_is_explained(api: Api) -> None:
    """Java's HttpClient asks for HTTP/2 in this way unless told otherwise."""
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    answer = await api("POST", "/subscribe", json={"provider": "amux"}, headers=upgrade)
    assert (answer.status, answer.code) == (400, "malformed_body")
    assert "HTTP_1_1" in answer.json["detail"]
    assert (await api("GET", "/subscriptions", headers=upgrade)).status == 200


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
