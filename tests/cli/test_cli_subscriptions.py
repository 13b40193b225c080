"""`subscribe`, `list`, `show` and `health` against a real bridge."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.cli.asking import holding
from bridge.cli.exits import CommandFailed, Exit
from bridge.cli.subscribing import subscribed
from tests.cli.commands import Bridge, invoke, told


@pytest.fixture
def at(served: Bridge, monkeypatch: pytest.MonkeyPatch) -> str:
    """In the bridge's directory, as a second terminal is."""
    monkeypatch.chdir(served.folder)
    monkeypatch.setenv("BRIDGE_URL", served.url)
    return served.url


def test_a_task_is_subscribed_and_seen_to_its_end(at: str) -> None:
    """The whole way, with nothing but the command line."""
    ended = told("subscribe", "sandbox", "succeed-1s", "--wait", "20")
    assert (ended["state"], ended["outcome"]) == ("ended", "succeeded")
    shown = invoke("show", ended["id"])
    assert "outcome " in shown.stdout
    assert "result.files.1.kind " in shown.stdout
    # docs/troubleshooting.md sends people to these words.
    assert {"delivery.state", "last_poll.outcome"} <= set(shown.stdout.split())


def test_everything_given_reaches_the_bridge(at: str) -> None:
    """An option that is dropped on the way looks as if it were obeyed."""
    created = told(
        *("subscribe", "sandbox", "slow-60s-all", "-c", "http://127.0.0.1:9/x?y=z"),
        *("--event", "task.failed", "--event", "task.updated"),
        *("--metadata", '{"order": 7}', "--deadline", "2h", "--model", "m-1"),
        *("--format", "flat", "--include-raw"),
    )
    assert created["callback_url"] == "http://127.0.0.1:9/x?y=z"
    assert created["events"] == ["task.failed", "task.updated"]
    assert created["metadata"] == {"order": 7}
    assert created["warnings"][0]["code"] == "end_events_filtered"


def test_how_the_callback_is_called_reaches_the_bridge(at: str) -> None:
    """What is not shown again counts for whether a request is the same."""
    Path("auth.json").write_text('{"type": "query", "name": "key", "value": "t0p"}')
    Path("robot").write_text("s3cret\n")
    to = ("subscribe", "sandbox", "slow-60s-way", "-c", "http://127.0.0.1:9/x")
    shown = told(*to, "--auth", "@auth.json")
    assert shown["callback_url"] == "http://127.0.0.1:9/x?key=***"
    robot = (*to, "--format", "feishu", "--robot-keyword", "video")
    signed = told(*robot, "--robot-secret", "@robot")["id"]
    exported = {"CALLBACK_AUTH": Path("auth.json").read_text(), "ROBOT_SECRET": "s3cret"}
    assert told(*to, env=exported)["id"] == told(*to)["id"]  # no receiver is named there
    others = [robot, (*to, "--method", "GET"), (*to, "--header", "X-Key=t0p"), to]
    ids = {told(*each)["id"] for each in others} | {signed, shown["id"]}
    assert len(ids) == len(others) + 2


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--auth", "@missing"), 2, "--auth: missing cannot be read"),
        (("--auth", "t0p"), 2, "--auth: not JSON"),
        (("--robot-secret", "@missing"), 2, "--robot-secret: missing cannot be read"),
        (("--auth", '{"type": "digest"}'), 1, "auth.type: there is no type 'digest'"),
        (("--format", "slack", "--robot-secret", "t0p"), 1, "robot"),
    ],
)
def test_a_way_to_call_that_cannot_be_used_is_refused(
    at: str, options: tuple[str, ...], code: int, says: str
) -> None:
    """With the option or the field, and without what was to be secret."""
    to = ("subscribe", "sandbox", "slow-60s-way", "-c", "http://127.0.0.1:9/x")
    result = invoke(*to, *options)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert "t0p" not in result.stderr


@pytest.mark.parametrize("option", ["--metadata", "--auth"])
@pytest.mark.parametrize(
    "given", ["[" * 50_000, "[" * 960 + "]" * 960, "[" * 101 + "]" * 101], ids=len
)
def test_json_that_is_nested_without_end_is_refused(option: str, given: str) -> None:
    """A slip in somebody's script, not a bug of ours."""
    result = invoke("subscribe", "sandbox", "x", option, given)
    assert (result.exit_code, result.stderr) == (2, f"{option}: nested too deeply\n")


def test_a_repeat_with_the_same_idempotency_key_is_one(at: str) -> None:
    """Scripts are run twice."""
    again = ("subscribe", "sandbox", "slow-60s-key", "--idempotency-key", "run-1")
    assert told(*again)["id"] == told(*again)["id"]
    other = ("subscribe", "sandbox", "slow-60s-other", "--idempotency-key", "run-1")
    refused = invoke(*other)
    assert (refused.exit_code, "idempotency_key_reused" in refused.stderr) == (1, True)


def test_without_a_callback_the_way_to_the_end_is_shown(at: str) -> None:
    """Else nothing would ever tell of it."""
    result = invoke("subscribe", "sandbox", "slow-60s-hint")
    assert "to see its end: poll-bridge show sub_" in result.stderr
    assert "state " in result.stdout
    called = ("--callback-url", "http://127.0.0.1:9/")
    assert invoke("subscribe", "sandbox", "slow-60s-called", *called).stderr == ""
    waited = invoke("subscribe", "sandbox", "slow-60s-called", *called, "--wait", "0")
    assert "to see its end: poll-bridge show sub_" in waited.stderr
    seen = invoke("subscribe", "sandbox", "fail-0s-seen", "--wait", "20")
    assert ("outcome " in seen.stdout, seen.stderr) == (True, "")


def test_warnings_of_the_request_outlast_the_wait(at: str) -> None:
    """Whoever waits sees the answer of a second question, which knows nothing of them."""
    filtered = ("--event", "task.failed", "-c", "http://127.0.0.1:9/")
    shown = told("subscribe", "sandbox", "slow-60s-warned", *filtered, "--wait", "0")
    codes = [each["code"] for each in shown["warnings"]]
    assert codes == ["end_events_filtered"]


async def test_what_was_subscribed_is_named_if_the_bridge_goes_away() -> None:
    """It is promised all the same; without its id nobody would find it again."""
    waits: list[str] = []

    async def subscribe(_: web.Request) -> web.Response:
        return web.json_response({"id": "sub_1", "state": "active"}, status=202)

    async def stopping(request: web.Request) -> web.Response:
        waits.append(request.query["wait"])
        return web.json_response({"code": "not_ready", "detail": "stopping"}, status=503)

    app = web.Application()
    app.router.add_post("/subscribe", subscribe)
    app.router.add_get("/subscriptions/sub_1", stopping)
    async with TestServer(app) as server:
        with pytest.raises(CommandFailed, match="poll-bridge show sub_1") as caught:
            await subscribed(str(server.make_url("/")), "any-key", {}, {}, 7)
    assert (caught.value.code, waits) == (Exit.UNAVAILABLE, ["7"])


def test_the_list_is_filtered_and_paged(at: str) -> None:
    """Thousands do not fit a screen."""
    for number in range(3):
        told("subscribe", "sandbox", f"slow-60s-page{number}")
    page = told("list", "--state", "active", "--provider", "sandbox", "--limit", "2")
    assert [each["task_id"] for each in page["items"]] == [
        "slow-60s-page2",
        "slow-60s-page1",
    ]
    table = invoke("list", "--limit", "1", "--cursor", page["next_cursor"])
    assert "slow-60s-page0" in table.stdout
    assert "there are more: --cursor " in table.stderr
    one = told("list", "--task-id", "slow-60s-page1")
    assert (len(one["items"]), one["next_cursor"]) == (1, None)
    last = invoke("list", "--task-id", "slow-60s-page1")
    assert last.stderr == ""


def test_a_delivery_is_shown_with_its_attempts(at: str) -> None:
    """Who asks why nothing has arrived gets the answer here."""
    callback = ("--callback-url", "http://127.0.0.1:9/closed")
    created = told("subscribe", "sandbox", "fail-0s", *callback)
    ended = told("show", created["id"], "--wait", "20")
    shown = told("show", ended["delivery"]["id"])
    assert shown["subscription_id"] == created["id"]
    refused = invoke("show", ended["delivery"]["id"], "--wait", "5")
    assert (refused.exit_code, "not of a delivery" in refused.stderr) == (2, True)


def test_a_delivery_is_tried_once_more(at: str) -> None:
    """After the receiver was mended, nobody wants to wait for the schedule."""
    callback = ("--callback-url", "http://127.0.0.1:9/mended")
    other, delivery = (
        told("subscribe", "sandbox", task, *callback, "--wait", "20")["delivery"]["id"]
        for task in ("fail-0s-once", "fail-0s-again")
    )
    assert told("retry", other)["id"] == other
    result = invoke("retry", delivery)
    assert (result.exit_code, f"id  {delivery}" in re.sub(" +", "  ", result.stdout)) == (
        0,
        True,
    )
    assert f"to see it: poll-bridge show {delivery}" in result.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("subscribe", "sandbx", "t"), 1, "unknown_provider"),
        (("subscribe", "amux", "t"), 1, "provider_key_required"),
        (("subscribe", "sandbox", "t", "--metadata", "{"), 2, "--metadata: not JSON"),
        (("subscribe", "sandbox", "t", "--metadata", "[1]"), 1, "metadata"),
        (("subscribe", "sandbox", "t", "--param", "a=b"), 1, "params"),
        (("subscribe", "sandbox", "t", "--wait", "61"), 2, "--wait"),
        (("list", "--state", "gone"), 1, "state"),
        (("show", "sub_none"), 1, "subscription_not_found"),
        (("show", "../livez"), 2, "ids begin with sub_ or msg_"),
        (("show", "succeed-10s"), 2, "list --task-id succeed-10s"),
        (("show", "msg_none"), 1, "delivery_not_found"),
        (("retry", "msg_none"), 1, "delivery_not_found"),
        (("retry", "sub_none"), 2, "msg_…"),
        (("list", "--api-key", "another-key-of-nobody"), 1, "401 unauthorized"),
    ],
)
def test_refusals_are_told_in_the_words_of_the_bridge(
    at: str, args: tuple[str, ...], code: int, says: str
) -> None:
    """It knows best what it wants, and what to do."""
    result = invoke(*args)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert result.stdout == ""


def test_health_asks_both_questions(at: str) -> None:
    """Ready is for load balancers, alive for supervisors."""
    assert invoke("health").stdout == f"{at} is ready\n"
    assert invoke("health", "--live").stdout == f"{at} is ok\n"


def test_a_bridge_that_is_not_there_has_a_code_of_its_own(at: str) -> None:
    """For scripts that wait for it."""
    nobody = ("--url", "http://127.0.0.1:9")
    result = invoke("list", *nobody)
    assert (result.exit_code, "does not answer" in result.stderr) == (3, True)
    assert "--url or BRIDGE_URL says where" in result.stderr
    assert invoke("health", *nobody).exit_code == 1


@pytest.mark.parametrize("body", [["x"], {"ok": True}])
def test_another_service_is_not_taken_for_a_bridge(body: Any) -> None:
    """Many of them answer 200 to anything."""
    with pytest.raises(CommandFailed, match="not one of poll-bridge; check --url"):
        holding("items", body)


def test_json_is_what_the_api_answers(at: str) -> None:
    """Nothing is added and nothing left out."""
    created = told("subscribe", "sandbox", "slow-60s-json")
    text = invoke("show", created["id"], "--json").stdout
    assert json.loads(text).keys() >= {"id", "state", "last_poll", "delivery", "warnings"}


def test_a_callback_is_tried(at: str) -> None:
    """Nobody listens there, and that is told with what to do about it."""
    nobody = "http://127.0.0.1:9/hook"
    auth = ("--auth", '{"type": "bearer", "token": "t0p-s3cret"}')
    options = ("--type", "task.failed", "--format", "flat", "--header", "X-Key=t0p", *auth)
    result = invoke("callbacks", "test", nobody, *options, "--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert shown["attempt"]["outcome"] == "connect_error"
    assert '"type":"task.failed"' in shown["sent_body"]
    assert set(shown["sent_headers"]) >= {"Authorization", "X-Key", "webhook-signature"}
    assert "t0p" not in result.stdout
    assert "Nothing accepts connections there" in result.stderr
    text = invoke("callbacks", "test", nobody, "--method", "GET")
    assert "attempt.outcome" in text.stdout
    refused = invoke("callbacks", "test", nobody, "--auth", "t0p")
    assert (refused.exit_code, "not JSON" in refused.stderr) == (2, True)
    assert "t0p" not in refused.stderr


def test_an_accepted_callback_ends_well(at: str) -> None:
    """Scripts branch on it; the bridge itself answers anything at this address."""
    result = invoke("callbacks", "test", f"{at}/hints/nothing")
    assert (result.exit_code, result.stderr) == (0, "accepted\n")
