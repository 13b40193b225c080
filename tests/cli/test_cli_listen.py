"""`listen`, as the real command: real requests, and what it makes of them."""

import json
import signal
import socket
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge import formats, signature
from bridge.cli.wording import event_of, spoken
from bridge.messages import samples
from tests.cli.commands import Bridge, finished, invoke
from tests.settings import SIGNING_SECRET

EVENT = json.dumps(samples.sample("task.succeeded", now=1795608000.0)).encode()


class Listening(Bridge):
    """``listen`` as a process of its own."""

    command = "listen"


def listening(folder: Path, *args: str) -> Bridge:
    return Listening(folder, "--port", "0", "--secret", SIGNING_SECRET, *args)


def send(url: str, body: bytes | None, secret: str, query: str = "") -> int:
    content = query.encode() if body is None else body
    headers = signature.headers(
        message_id="msg_1", sent_at=time.time(), body=content, secrets=[secret]
    )
    place = urlsplit(url)
    with closing(HTTPConnection(place.netloc, timeout=10)) as sender:
        method = "GET" if body is None else "POST"
        sender.request(method, f"{place.path}?{query}", body, headers)
        return sender.getresponse().status


def test_each_webhook_is_a_line_that_says_whether_it_is_proven(tmp_path: Path) -> None:
    """The first thing to see when a receiver does not accept: is it them or us?"""
    with listening(tmp_path, "--status", "202", "--count", "3") as receiver:
        assert send(receiver.url, EVENT, SIGNING_SECRET) == 202
        assert send(f"{receiver.url}any/path", EVENT, signature.mint()) == 202
        query = formats.query(EVENT)
        assert send(receiver.url, None, SIGNING_SECRET, query) == 202
        said = receiver.rest()
    assert receiver.process.returncode == 0
    proven, foreign, as_get = said.splitlines()[-3:]
    assert " ✓ POST / → 202 task.succeeded sandbox/abcd1234efgh https://cdn." in proven
    assert " ✗ POST /any/path → 202 task.succeeded" in foreign
    assert foreign.endswith("(no signature matches: another secret, or a changed body)")
    assert " ✓ GET / → 202 task.succeeded sandbox/abcd1234efgh https://cdn." in as_get
    assert f"subscribe sandbox succeed-10s --callback-url {receiver.url}" in said


def test_programs_get_the_whole_event(tmp_path: Path) -> None:
    """One line of JSON for each, as they come."""
    with listening(tmp_path, "--json", "--count", "1") as receiver:
        send(receiver.url, EVENT, SIGNING_SECRET)
        told = json.loads(receiver.rest().splitlines()[-1])
    assert told["event"] == json.loads(EVENT)
    assert (told["verified"], told["reason"], told["webhook_id"]) == (True, None, "msg_1")


def test_without_a_secret_nothing_is_called_proven(tmp_path: Path) -> None:
    """Nor called forged."""
    with Listening(tmp_path, "--port", "0", "--count", "1") as receiver:
        send(receiver.url, b"\x1b[31mhello", SIGNING_SECRET)
        said = receiver.rest()
    assert "signatures are not verified (--secret)" in said
    assert said.splitlines()[-1].endswith(" ? POST / → 200 ?[31mhello")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_the_usual_end(tmp_path: Path, how: signal.Signals) -> None:
    """It never ends otherwise, so that is no failure."""
    with listening(tmp_path) as receiver:
        send(receiver.url, EVENT, SIGNING_SECRET)
        assert receiver.stop(how) == 0
    assert "Traceback" not in receiver.said


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    """There may be another terminal with the same command."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, said = finished("listen", "--port", port, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"--port {port}: ")


def test_a_status_that_is_none_is_refused() -> None:
    """1xx would leave the bridge waiting."""
    assert invoke("listen", "--status", "100").exit_code == 2


def test_both_formats_are_understood() -> None:
    """And whatever else arrives must not end the receiver."""
    failed = samples.sample("task.failed", now=1795608000.0)
    plain, flat = spoken(failed), spoken(formats.flat(failed))
    assert plain == flat
    assert plain[0] == "task.failed"
    assert "content filter" in plain[2]
    assert spoken({"data": 7, "error": "x"}) == []
    for body in (b"", b"[1]", b"\xff", b"[" * 100_000):
        assert event_of(body, "POST") is None
    assert event_of(b"", "GET") is None
