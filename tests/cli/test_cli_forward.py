"""`listen --forward` and `--answer`: a receiver of one's own behind it."""

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from bridge import formats, signature
from bridge.cli.forwarding import Forwarder, forwarder_for
from bridge.cli.receiving import Receiver
from bridge.simulator.demo.child import free_port
from tests.cli.commands import invoke, unread
from tests.cli.test_cli_listen import EVENT, listening, send
from tests.client.test_client_connection import serving
from tests.settings import SIGNING_SECRET

Heard = list[tuple[str, dict[str, str], bytes]]


@contextmanager
def receiving(
    status: int, answer: bytes = b"", **headers: str
) -> Iterator[tuple[str, Heard]]:
    """A receiver on this machine, and what it hears: path, headers, body."""
    heard: Heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            heard.append((self.path, names, body))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """It is not asked for."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hooks", heard
        finally:
            server.shutdown()
            serving.join()


def asked(url: str, body: bytes) -> tuple[HTTPResponse, bytes]:
    place = urlsplit(url)
    sender = HTTPConnection(place.netloc, timeout=10)
    sender.request("POST", "/", body, {"Content-Type": "application/json"})
    response = sender.getresponse()
    content = response.read()
    sender.close()
    return response, content


def test_it_is_sent_on_as_it_came_and_its_answer_is_ours(tmp_path: Path) -> None:
    """The receiver proves the signature itself, and the bridge retries as it would."""
    with (
        receiving(503, b"busy\x1b[2J", Retry_After="7") as (to, heard),
        listening(tmp_path, "--forward", to, "--count", "3") as receiver,
    ):
        assert send(receiver.url, EVENT, SIGNING_SECRET) == 503
        assert send(receiver.url, None, SIGNING_SECRET, formats.query(EVENT)) == 503
        response, content = asked(receiver.url, EVENT)
        said = receiver.rest().splitlines()
    assert (content, response.headers["Retry-After"]) == (b"busy\x1b[2J", "7")
    path, headers, body = heard[0]
    assert (path, body) == ("/hooks", EVENT)
    assert headers["host"] == urlsplit(to).netloc  # not ours, by which it may go
    assert signature.verify(body, headers, [SIGNING_SECRET])["type"] == "task.succeeded"
    assert heard[1][0] == f"/hooks?{formats.query(EVENT)}"
    assert f"forwarding to {to}" in said
    assert " ✓ POST / → 503 task.succeeded" in said[-6]
    assert said[-5].strip().startswith(f"↳ {to} answered 503 in 0.")
    assert said[-5].endswith(": busy?[2J")


async def answered(receiver: Receiver) -> tuple[int, str]:
    """What the bridge is answered."""
    async with (
        serving(receiver.serve) as url,
        aiohttp.ClientSession() as session,
        session.post(url, data=EVENT) as response,
    ):
        return response.status, await response.text()


async def test_another_answer_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    """To see the retries, though the receiver is content."""
    with receiving(200, b"thanks") as (to, heard):
        receiver = Receiver([], Forwarder(to), answer=500, count=None, json=True)
        assert await answered(receiver) == (500, "")
    told = json.loads(capsys.readouterr().out)
    assert (told["answered"], len(heard)) == (500, 1)
    assert told["forwarded"].pop("duration_s") >= 0
    assert told["forwarded"] == {
        "url": to,
        "http_status": 200,
        "failure": None,
        "body": "thanks",
    }


async def test_a_receiver_that_is_not_there_is_a_502(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The bridge tries again, and both sides are told why."""
    to = f"http://127.0.0.1:{free_port()}/hooks"
    receiver = Receiver([], Forwarder(to), answer=None, count=None, json=False)
    assert await answered(receiver) == (502, "connection refused")
    assert f"↳ {to} gave no answer: connection refused" in capsys.readouterr().out


async def test_a_receiver_that_says_nothing_has_a_deadline() -> None:
    """Shorter than that of the bridge, which is to hear of it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/?a=b"
        done = await Forwarder(url, timeout_s=0.01).send("POST", {}, "", b"{}")
    assert (done.http_status, done.status) == (None, 502)
    assert done.failure == "no whole answer came in time"


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("ftp://x/", "--forward: must be a URL"),
        ("localhost:9000/hooks", "port 9000 is where this command listens"),
        ("http://[::1", "--forward: must be a URL"),
    ],
)
def test_where_nothing_can_be_sent_is_refused(to: str, says: str) -> None:
    """Before anything is waited for."""
    result = invoke("listen", "--forward", to, "--secret", SIGNING_SECRET)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_other_ports_of_this_machine_and_other_machines_will_do() -> None:
    for to in ("localhost:9001", "http://192.0.2.1:9000/"):
        assert forwarder_for(to, 9000).url.endswith(to)


async def test_a_caller_that_leaves_first_is_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing on the screen would look like nothing that came."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read(-1)
        gone.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        to = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        receiver = Receiver([], Forwarder(to), answer=None, count=None, json=False)
        async with serving(receiver.serve) as url:
            place = urlsplit(url)
            _, caller = await asyncio.open_connection(place.hostname, place.port)
            caller.write(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
            await arrived.wait()
            caller.close()
            await gone.wait()
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" ? POST /a → - {}")
    assert f"↳ {to} gave no answer: the caller left first (in 0." in second


async def test_a_receiver_that_nobody_reads_answers_and_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As behind `| head -1`: what was forwarded is worked on, and must not come again."""
    with receiving(202) as (to, _), unread() as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        receiver = Receiver([], Forwarder(to), answer=None, count=None, json=False)
        assert await answered(receiver) == (202, "")
        assert await answered(receiver) == (202, "")
        async with asyncio.timeout(5):
            await receiver.listen(0)
    assert "Traceback" not in capsys.readouterr().err
