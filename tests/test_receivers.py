"""What each receiver answers, and what we do and say: a table, over real HTTP.

The rows are those of no-code tools, of n8n 1.123 as it was tested, and of chat robots. The
words of the answers are the tools' own where they are known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from bridge import formats
from bridge.hints import hint
from bridge.model import AttemptOutcome, DeliveryState, Destination, Reply
from bridge.receivers import LINES, recognised
from bridge.retry import Schedule, decide
from bridge.webhook import Sender
from tests.net.hostile import way_out
from tests.test_retry import DELIVERY

NOW = 1_795_176_000.0
N8N, MAKE, ZAPIER = "n8n.example.com", "hook.eu1.make.com", "hooks.zapier.com"
SAID_JSON: Mapping[str, str] = {"Content-Type": "application/json; charset=utf-8"}

# What we do next.
DONE, SOON, LATER, PRESUMED, GONE, OVER = (
    *("accepted", "retry soon", "schedule", "presumed", "gone", "exhausted"),
)
A = AttemptOutcome


@dataclass(frozen=True)
class Row:
    """One answer; `says`: words of the hint, None: there is none."""

    name: str
    status: int
    body: str
    outcome: AttemptOutcome
    next: str
    says: str | None = None
    host: str = "app.example.com"
    method: str = "POST"
    format: str = "standard"
    lost: bool = False  # an earlier attempt may have reached it
    failures: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


def n8n(
    name: str,
    status: int,
    message: str,
    outcome: AttemptOutcome,
    next_: str,
    says: str | None = None,
    *,
    method: str = "POST",
    lost: bool = False,
    failures: int = 0,
) -> Row:
    said = {"message": message} if status == 200 else {"code": status, "message": message}
    return Row(
        f"n8n: {name}",
        status,
        json.dumps(said),
        outcome,
        next_,
        says,
        host=N8N,
        method=method,
        lost=lost,
        failures=failures,
        headers=SAID_JSON,
    )


FINISHED = 'The execution "9 has finished already.'
NO_MATCH = (
    "The requested webhook is not to be had. It does not contain a waiting webhook with a "
    "matching path/method"
)

TESTED = (
    n8n("Subscribe node running", 409, 'The execution "9" is running already.',
        A.CONFLICT, SOON, "has not reached its Wait node"),
    n8n("finished, after a lost answer", 409, FINISHED,
        A.PRESUMED, PRESUMED, "took an earlier attempt, whose answer was lost", lost=True),
    n8n("finished by its own time limit", 409, FINISHED,
        A.CONFLICT, LATER, "raise or switch off the Wait node's own time limit"),
    n8n("finished with an error", 409, 'The execution "9" has finished with error.',
        A.CONFLICT, SOON, "has failed"),
    n8n("wrong method on a Wait node", 404, NO_MATCH,
        A.REFUSED, LATER, "set its HTTP Method to POST"),
    n8n("wrong method, called with GET", 404, NO_MATCH,
        A.REFUSED, LATER, "set its HTTP Method to GET", method="GET"),
    n8n("unknown execution", 404, 'The execution "12" does not exist.',
        A.REFUSED, LATER, "does not know this execution"),
    n8n("unknown execution, at the end", 404, 'The execution "12" does not exist.',
        A.REFUSED, OVER, "does not know this execution", failures=12),
    n8n("workflow failed in lastNode mode", 500, "Error in workflow",
        A.REFUSED, LATER, "every retry runs it again: let the Webhook node respond"),
    n8n("not active", 404, 'The requested webhook "POST x" is not registered.',
        A.REFUSED, LATER, "publish the workflow and set its HTTP Method to POST"),
    n8n("on another method", 404, "This webhook is not registered for POST requests.",
        A.REFUSED, LATER, "listens for another method"),
    Row("n8n: header auth or a bot filter", 403, "Authorization data is wrong!",
        A.REFUSED, LATER, "Header auth does not match, or a bot filter", host=N8N),
    n8n("bad JSON", 422, "Failed to parse request body",
        A.REFUSED, LATER, "accept application/json"),
    n8n("body above its limit", 500, "request entity too large",
        A.REFUSED, LATER, "N8N_PAYLOAD_SIZE_MAX"),
    n8n("no credential in the node", 500, "Authentication problem",
        A.REFUSED, LATER, "a node without its credential"),
    n8n("plain success", 200, "Workflow was started", A.ACCEPTED, DONE),
)  # fmt: skip

TOOLS = (
    Row("Zapier hook", 200, '{"status": "success"}', A.ACCEPTED, DONE, host=ZAPIER),
    Row("Zapier throttles", 429, "", A.THROTTLED, LATER, "fewer requests", host=ZAPIER),
    Row("Zapier forgets", 410, "", A.GONE, GONE, "no Zap for this URL", host=ZAPIER),
    Row("Make", 200, "Accepted", A.ACCEPTED, DONE, host=MAKE),
    Row("Make, queue full", 400, "Queue is full.", A.REFUSED, LATER,
        "queue for this webhook is full", host=MAKE),
    Row("Make, 400 in other words", 400, "Bad", A.REFUSED, LATER,
        "its queue is full, or the body", host="hook.integromat.com"),
    Row("Make throttles", 429, "", A.THROTTLED, LATER, "fewer requests", host=MAKE),
    Row("Make, dead hook", 410, "", A.GONE, GONE, "switch the scenario on", host=MAKE),
    Row("Make, API key", 401, "", A.REFUSED, LATER, "x-make-apikey", host=MAKE),
    Row("Pipedream", 200, "ok", A.ACCEPTED, DONE, host="eo1.m.pipedream.net"),
    Row("Pipedream, too large", 413, "", A.REFUSED, LATER, "512 KB",
        host="eo1.m.pipedream.net"),
    Row("Trigger.dev token, and again", 200, '{"success": true}', A.ACCEPTED, DONE),
    Row("Inngest", 200, '{"ids": [], "status": 200}', A.ACCEPTED, DONE),
    Row("IFTTT", 200, "Congratulations!", A.ACCEPTED, DONE, host="maker.ifttt.com"),
    Row("IFTTT, key", 401, "", A.REFUSED, LATER, "the key in the URL",
        host="maker.ifttt.com"),
    Row("Airtable", 200, "{}", A.ACCEPTED, DONE, host="hooks.airtable.com"),
    Row("Airtable, too large", 413, "", A.REFUSED, LATER, "100 KB",
        host="hooks.airtable.com"),
    Row("Retool", 200, "{}", A.ACCEPTED, DONE, host="api.retool.com"),
    Row("Retool, no key", 401, "", A.REFUSED, LATER, "X-Workflow-Api-Key",
        host="api.retool.com"),
    Row("Bubble", 200, "{}", A.ACCEPTED, DONE, host="x.bubbleapps.io"),
    Row("Bubble, not detected", 404, "", A.REFUSED, LATER, "/initialize",
        host="x.bubbleapps.io"),
    Row("Power Automate", 202, "", A.ACCEPTED, DONE, host="p.logic.azure.com"),
    Row("Power Automate, sig", 401, "", A.REFUSED, LATER, "sig=",
        host="p.logic.azure.com"),
    Row("Power Automate, schema", 400, "", A.REFUSED, LATER, "JSON schema",
        host="p.logic.azure.com"),
    Row("Windmill", 201, "0192", A.ACCEPTED, DONE),
    Row("too large, anywhere", 413, "", A.REFUSED, LATER, "raise its limit"),
    Row("410, anywhere", 410, "", A.GONE, GONE, "wants nothing any more"),
    Row("409, anywhere", 409, "", A.CONFLICT, SOON, "a webhook-id that you know"),
)  # fmt: skip

# A row for what each robot says of a message it took, and of one that it did not, with
# status 200. Every word of theirs: tests/formats/test_formats_answers.py.
ROBOTS = (
    Row("Slack", 200, "ok", A.ACCEPTED, DONE, format="slack"),
    Row("Slack, dropped", 400, "invalid_payload", A.REFUSED, OVER, "", format="slack"),
    Row("Discord", 200, '{"id": "1"}', A.ACCEPTED, DONE, format="discord"),
    Row("Feishu", 200, '{"code": 0}', A.ACCEPTED, DONE, format="feishu"),
    Row("Feishu, sign", 200, '{"code": 19021, "msg": "sign match fail"}',
        A.REFUSED, "", "", format="feishu"),
    Row("DingTalk", 200, '{"errcode": 0, "errmsg": "ok"}',
        A.ACCEPTED, DONE, format="dingtalk"),
    Row("DingTalk, too fast", 200, '{"errcode": 130101, "errmsg": "too fast"}',
        A.THROTTLED, LATER, "", format="dingtalk"),
    Row("WeCom", 200, '{"errcode": 0, "errmsg": "ok"}', A.ACCEPTED, DONE, format="wecom"),
    Row("WeCom, too fast", 200, '{"errcode": 45009, "errmsg": "limit"}',
        A.THROTTLED, LATER, "", format="wecom"),
)  # fmt: skip

ROWS = (*TESTED, *TOOLS, *ROBOTS)


async def answered(row: Row) -> Reply:
    """What comes back over the wire."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            status=row.status, body=row.body.encode(), headers=dict(row.headers)
        )

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    async with TestServer(app) as server, way_out() as egress:
        to = Destination(url=str(server.make_url("/hook")), host="127.0.0.1")
        sender = Sender(egress, timeout_s=5, wall=lambda: NOW)
        body = None if row.method == "GET" else b"{}"
        reply = await sender.send(to, row.method, to.url, {}, body)
        return formats.judged(row.format, reply)


def meaning(state: DeliveryState | None, in_s: float | None) -> str:
    if state is DeliveryState.RETRYING:
        assert in_s is not None
        return SOON if in_s <= 2 else LATER
    return str(state)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_each_answer_is_dealt_with_as_the_table_says(row: Row) -> None:
    """
    The difference between these tools is folklore elsewhere; here it is tested.
    """
    claimed = replace(
        DELIVERY,
        destination=Destination(url=f"https://{row.host}/x", host=row.host),
        method=row.method,
        format=row.format,
        seen_lost=row.lost,
        failures=row.failures,
        manual=False,
    )
    reply = await answered(row)
    verdict = decide(
        claimed, reply, schedule=Schedule(), now=claimed.created_at + 10, dice=0.5
    )
    in_s = verdict.next_at and verdict.next_at - claimed.created_at - 10
    assert verdict.outcome is row.outcome
    if row.next:
        assert meaning(verdict.state, in_s) == row.next
    else:  # a robot's refusal: whether it is final is said by its own table
        assert meaning(verdict.state, in_s) in (LATER, OVER)
    if row.says is None:
        assert verdict.hint is None
    else:
        assert verdict.hint
        assert row.says in verdict.hint


def test_a_409_is_repeated_soon_only_so_often() -> None:
    """
    What still answers so after seconds is no race any more.
    """
    reply = Reply(outcome=A.CONFLICT, http_status=409, body=b"is running already")
    claimed = replace(DELIVERY, conflicts=5)
    verdict = decide(claimed, reply, schedule=Schedule(), now=NOW, dice=0.5)
    assert verdict.next_at is None or verdict.next_at - NOW > 2


@pytest.mark.parametrize("line", LINES, ids=[line.text[:40] for line in LINES])
def test_each_line_is_reached_by_a_row(line: object) -> None:
    """
    Words that no test has seen are words that may stand behind others.
    """
    found = {recognised(row.status, row.body, row.host) for row in ROWS}
    assert getattr(line, "text", "") in found


@pytest.mark.parametrize(
    "host", ["hooks.zapier.com.evil.test", "xhooks.zapier.com", "make.com", ""]
)
def test_a_host_is_known_whole(host: str) -> None:
    """
    Advice about another service sends people astray.
    """
    assert recognised(410, "", host) is None
    assert recognised(400, "", host) is None


@given(
    st.sampled_from([200, 400, 401, 403, 404, 409, 410, 413, 500]),
    st.text(max_size=200),
    st.sampled_from([N8N, MAKE, ZAPIER, "maker.ifttt.com", "s3cret.m.pipedream.net"]),
)
def test_no_answer_and_no_host_is_repeated(status: int, said: str, host: str) -> None:
    """
    Part of a host can be a password too.
    """
    reply = Reply(outcome=A.REFUSED, http_status=status, body=f"{said} T0PS3CRET".encode())
    words = hint(reply, "POST", host) or ""
    assert "T0PS3CRET" not in words
    assert "s3cret" not in words
