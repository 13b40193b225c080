"""`tail`: what it shows, and what it says when it is not told of anything."""

import json
import signal
import sys
from functools import partial

import pytest
from aiohttp import web

from bridge.cli.exits import UsageFault
from bridge.cli.following import Tail, Wanted, wanted_of
from bridge.client import NotABridge, Refused, StreamEnded, Unreachable
from bridge.client.connection import Connection
from bridge.simulator.demo.child import free_port
from tests.cli.commands import Bridge, invoke, told, unread
from tests.client.test_client_connection import serving

ENDED = b"event: stream.ended\ndata: %s\n\n"
STOPPING = ENDED % b'{"reason": "stopping", "detail": "bye"}'
TAKEN = ENDED % b'{"reason": "unauthorized", "detail": "the key was taken away"}'


class Tailing(Bridge):
    """``tail`` as a process of its own."""

    command = "tail"


def event(type_: str, subscription: str = "sub_1", **data: object) -> bytes:
    said = {"subscription_id": subscription, "provider": "amux", "task_id": "t"} | data
    return b"data: %s\n\n" % json.dumps({"type": type_, "data": said}).encode()


async def at_once(_seconds: float) -> None:
    """Instead of a pause."""


IMPATIENT = partial(Connection, api_key="k", retry_for_s=60, sleep=at_once)


async def shown(*pieces: bytes, wanted: Wanted | None = None, count: int = 9) -> Exception:
    """Each is a stream of its own; why it gave up in the end."""
    left = [*pieces]

    async def streaming(_: web.BaseRequest) -> web.Response:
        return web.Response(body=left.pop(0), content_type="text/event-stream")

    async with serving(streaming) as url:
        tail = Tail(wanted or Wanted(), count=count, json=False)
        with pytest.raises(StreamEnded) as caught:
            await tail.follow(IMPATIENT(url))
    return caught.value


async def test_a_lost_stream_is_said_and_opened_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing on the screen must not look like nothing that happens."""
    progress = event("task.updated", status="running", progress=40)
    first = event("task.succeeded", result={"url": "https://cdn/v.mp4\x1b[2J"})
    ended = await shown(first + STOPPING, progress + TAKEN)
    assert "taken away" in str(ended)
    said = capsys.readouterr()
    assert [line.partition("  ")[2] for line in said.out.splitlines()] == [
        "task.succeeded  amux/t  https://cdn/v.mp4?[2J  sub_1",
        "task.updated  amux/t  running 40 %  sub_1",
    ]
    opened, lost, again = said.err.splitlines()
    assert opened.startswith("listening on http://127.0.0.1")
    assert lost.startswith("lost: the stream of events has ended (stopping)")
    assert again.startswith(opened)
    assert "not shown here" in again


async def test_programs_get_one_object_on_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And no more of them than they asked for."""
    both = event("task.failed") + event("task.updated")

    async def streaming(_: web.BaseRequest) -> web.Response:
        return web.Response(body=both, content_type="text/event-stream")

    async with serving(streaming) as url:
        await Tail(Wanted(), count=1, json=True).follow(IMPATIENT(url))
    assert json.loads(capsys.readouterr().out)["type"] == "task.failed"


async def test_nobody_reading_any_more_is_a_usual_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As behind `| head -1`."""

    async def streaming(_: web.BaseRequest) -> web.Response:
        return web.Response(body=event("task.failed"), content_type="text/event-stream")

    with unread() as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        async with serving(streaming) as url:
            await Tail(Wanted(), count=None, json=True).follow(IMPATIENT(url))


async def test_only_what_is_wanted_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A busy bridge tells of too much to read."""
    wanted = wanted_of(["amux"], ["task.ended"], ["sub_1"])
    others = (
        event("task.failed", "sub_2"),
        event("task.updated"),
        event("task.failed", provider="ark"),
    )
    await shown(b"".join((*others, event("task.expired"), TAKEN)), wanted=wanted)
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("types", "ids", "says"),
    [
        (["task.finished"], None, "--type: unknown event 'task.finished'"),
        (None, ["msg_1"], "--subscription: 'msg_1' is none"),
    ],
)
def test_a_filter_that_lets_nothing_pass_is_refused(
    types: list[str] | None, ids: list[str] | None, says: str
) -> None:
    """It would be waited with for ever."""
    with pytest.raises(UsageFault, match=says):
        wanted_of(None, types, ids)


@pytest.mark.parametrize("data", [b"hello", b"[]"])
async def test_another_service_that_streams_is_no_bridge(data: bytes) -> None:
    """--url may point at anything."""

    async def streaming(_: web.BaseRequest) -> web.Response:
        body = b'data: {"data": 7}\n\ndata: %s\n\n' % data
        return web.Response(body=body, content_type="text/event-stream")

    async with serving(streaming) as url:
        with pytest.raises(NotABridge):
            await Tail(Wanted(), count=None, json=False).follow(IMPATIENT(url))


@pytest.mark.parametrize("status", [401, 403])
async def test_who_is_not_let_in_is_told_at_once(status: int) -> None:
    """Asking again would not help."""

    async def refusing(_: web.BaseRequest) -> web.Response:
        return web.json_response({"code": "unauthorized", "detail": "no"}, status=status)

    async with serving(refusing) as url:
        with pytest.raises(Refused, match=f"{status} unauthorized"):
            await Tail(Wanted(), count=None, json=False).follow(IMPATIENT(url))


async def test_a_bridge_that_is_not_there_is_told_at_once() -> None:
    """Only one that was there is waited for: a slip in the URL will not mend itself."""
    tail = Tail(Wanted(), count=None, json=False)
    with pytest.raises(Unreachable):
        await tail.follow(IMPATIENT(f"http://127.0.0.1:{free_port()}"))


def test_events_are_told_as_they_happen(
    served: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real command, of a real bridge; Ctrl-C is its usual end."""
    monkeypatch.chdir(served.folder)
    monkeypatch.setenv("BRIDGE_URL", served.url)
    with Tailing(served.folder, "--json", BRIDGE_URL=served.url) as tail:
        made = told("subscribe", "sandbox", "succeed-0s-tailed")
        assert tail.process.stdout is not None
        seen = json.loads(tail.process.stdout.readline())
        assert tail.stop(signal.SIGINT) == 0
    assert (seen["type"], seen["data"]["subscription_id"]) == ("task.succeeded", made["id"])
    assert "Traceback" not in tail.said


def test_a_wrong_key_is_a_line_and_a_code(served: Bridge) -> None:
    """With what to do about it."""
    refused = invoke("tail", "--url", served.url, "--api-key", "wrong")
    assert refused.exit_code == 1
    assert "check the API key" in refused.stderr
