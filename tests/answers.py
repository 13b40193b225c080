"""What each receiver answers, and what we do and say: a row for each thing that one says.

The rows are those of no-code tools, of n8n 1.123 as it was tested, and of chat robots. The
words of the answers are the tools' own where they are known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.model import AttemptOutcome

N8N, MAKE, ZAPIER = "n8n.example.com", "hook.eu1.make.com", "hooks.zapier.com"
TELEGRAM = "api.telegram.org"
SAID_JSON: Mapping[str, str] = {"Content-Type": "application/json; charset=utf-8"}

# What we do next.
DONE, SOON, LATER, PRESUMED, GONE, OVER = (
    *("accepted", "retry soon", "schedule", "presumed", "gone", "exhausted"),
)
A = AttemptOutcome


@dataclass(frozen=True)
class Row:
    """One answer; `says`: words of the hint, None: there is none.

    Without `status` nobody listens.
    """

    name: str
    status: int | None
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
    Row("n8n: header auth", 403, "Authorization data is wrong!",
        A.REFUSED, LATER, "Header auth does not match, or a bot filter", host=N8N),
    Row("n8n: Ignore Bots", 403, "Authorization data is wrong!",
        A.REFUSED, LATER, "switch “Ignore Bots” off", host=N8N),
    Row("n8n: restarting while a flow waits", None, "",
        A.CONNECT_ERROR, LATER, "Nothing accepts connections there", host=N8N),
    n8n("restarted, and the flow still waits", 200, "Workflow was started",
        A.ACCEPTED, DONE, failures=3),
    n8n("restarting behind a proxy", 502, "Bad Gateway",
        A.REFUSED, LATER, "down or restarting"),
    n8n("bad JSON", 422, "Failed to parse request body",
        A.REFUSED, LATER, "accept application/json"),
    n8n("body above its limit", 500, "request entity too large",
        A.REFUSED, LATER, "N8N_PAYLOAD_SIZE_MAX"),
    n8n("no credential in the node", 500, "Authentication problem",
        A.REFUSED, LATER, "a node without its credential"),
    n8n("plain success", 200, "Workflow was started", A.ACCEPTED, DONE),
)  # fmt: skip

TOOLS = (
    Row("Zapier REST Hook", 200, '{"status": "success", "attempt": "1"}',
        A.ACCEPTED, DONE, host=ZAPIER),
    Row("Zapier Catch Hook", 200, '{"status": "success", "id": "1"}',
        A.ACCEPTED, DONE, host=ZAPIER, format="flat"),
    Row("Zapier throttles", 429, "", A.THROTTLED, LATER, "fewer requests", host=ZAPIER),
    Row("Zapier forgets", 410, "", A.GONE, GONE, "no Zap for this URL", host=ZAPIER),
    Row("Make", 200, "Accepted", A.ACCEPTED, DONE, host=MAKE),
    Row("Make, attached by an app", 200, "Accepted", A.ACCEPTED, DONE, host=MAKE,
        format="flat"),
    Row("Make, queue full", 400, "Queue is full.", A.REFUSED, LATER,
        "queue for this webhook is full", host=MAKE),
    Row("Make, 400 in other words", 400, "Bad", A.REFUSED, LATER,
        "its queue is full, or the body", host="hook.integromat.com"),
    Row("Make throttles", 429, "", A.THROTTLED, LATER, "fewer requests", host=MAKE),
    Row("Make, dead hook", 410, "", A.GONE, GONE, "switch the scenario on", host=MAKE),
    Row("Make, API key", 401, "", A.REFUSED, LATER, "x-make-apikey", host=MAKE),
    Row("Pipedream", 200, "ok", A.ACCEPTED, DONE, host="eo1.m.pipedream.net"),
    Row("Pipedream, resume_url", 200, "", A.ACCEPTED, DONE, host="api.pipedream.com"),
    Row("Pipedream, too large", 413, "", A.REFUSED, LATER, "512 KB",
        host="eo1.m.pipedream.net"),
    Row("Trigger.dev token, and again", 200, '{"success": true}', A.ACCEPTED, DONE),
    Row("Inngest", 200, '{"ids": [], "status": 200}', A.ACCEPTED, DONE),
    Row("Upstash", 200, '{"messageId": "msg_1"}', A.ACCEPTED, DONE),
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
    Row("Windmill, no token", 401, "", A.REFUSED, LATER, "`headers`"),
    Row("Kestra", 200, '{"id": "1", "state": {}}', A.ACCEPTED, DONE),
    Row("Activepieces", 200, "{}", A.ACCEPTED, DONE),
    Row("not as a form, anywhere", 415, "", A.REFUSED, LATER, "application/json"),
    Row("too large, anywhere", 413, "", A.REFUSED, LATER, "raise its limit"),
    Row("410, anywhere", 410, "", A.GONE, GONE, "wants nothing any more"),
    Row("409, anywhere", 409, "", A.CONFLICT, SOON, "a webhook-id that you know"),
)  # fmt: skip

# What each robot says of a message it took, and of one that breaks each of its rules.
# Every word of theirs: tests/formats/test_formats_answers.py.
ROBOTS = (
    Row("Slack", 200, "ok", A.ACCEPTED, DONE, format="slack"),
    Row("Slack, no body of its own", 200, "<html>", A.INVALID_ANSWER, LATER,
        "check the URL", format="slack"),
    Row("Slack, dropped", 400, "invalid_payload", A.REFUSED, OVER,
        "cannot read the message", format="slack"),
    Row("Slack, removed", 404, "no_service", A.REFUSED, OVER, "add the robot again",
        format="slack"),
    Row("Slack, archived", 410, "channel_is_archived", A.GONE, GONE, "archived",
        format="slack"),
    Row("Slack, too fast", 429, "rate_limited", A.THROTTLED, LATER, "slows down",
        format="slack", headers={"Retry-After": "30"}),
    Row("Discord, with wait", 200, '{"id": "1"}', A.ACCEPTED, DONE, format="discord"),
    Row("Discord", 204, "", A.ACCEPTED, DONE, format="discord"),
    Row("Discord, too long", 400, '{"message": "Invalid Form Body", "code": 50035}',
        A.REFUSED, OVER, "cannot read the message", format="discord"),
    Row("Discord, too fast", 429, '{"retry_after": 64.57, "global": false}',
        A.THROTTLED, LATER, "too often", format="discord"),
    Row("Feishu", 200, '{"code": 0}', A.ACCEPTED, DONE, format="feishu"),
    Row("Feishu, sign", 200, '{"code": 19021, "msg": "sign match fail"}',
        A.REFUSED, LATER, "`robot.secret`", format="feishu"),
    Row("Feishu, keyword", 200, '{"code": 19024, "msg": "Key Words Not Found"}',
        A.REFUSED, LATER, "`robot.keyword`", format="feishu"),
    Row("Feishu, address", 200, '{"code": 19022, "msg": "Ip Not Allowed"}',
        A.REFUSED, LATER, "listed addresses", format="feishu"),
    Row("Feishu, too fast or at the full hour", 200, '{"code": 11232, "msg": "limited"}',
        A.THROTTLED, LATER, "too often", format="feishu"),
    Row("Feishu, too large", 400, '{"code": 9499, "msg": "Bad Request"}',
        A.REFUSED, OVER, "cannot read the message", format="feishu"),
    Row("DingTalk", 200, '{"errcode": 0, "errmsg": "ok"}',
        A.ACCEPTED, DONE, format="dingtalk"),
    Row("DingTalk, sign", 200, '{"errcode": 310000, "errmsg": "sign not match"}',
        A.REFUSED, LATER, "`robot.secret`", format="dingtalk"),
    Row("DingTalk, keyword", 200, '{"errcode": 310000, "errmsg": "keywords not in it"}',
        A.REFUSED, LATER, "`robot.keyword`", format="dingtalk"),
    Row("DingTalk, address", 200, '{"errcode": 310000, "errmsg": "not in whitelist"}',
        A.REFUSED, LATER, "listed addresses", format="dingtalk"),
    Row("DingTalk, too fast", 200, '{"errcode": 130101, "errmsg": "too fast"}',
        A.THROTTLED, LATER, "too often", format="dingtalk"),
    Row("WeCom", 200, '{"errcode": 0, "errmsg": "ok"}', A.ACCEPTED, DONE, format="wecom"),
    Row("WeCom, too fast", 200, '{"errcode": 45009, "errmsg": "limit"}',
        A.THROTTLED, LATER, "too often", format="wecom"),
    Row("WeCom, key", 200, '{"errcode": 93000, "errmsg": "invalid webhook url"}',
        A.REFUSED, OVER, "add the robot again", format="wecom"),
    Row("WeCom, too long", 200, '{"errcode": 40058, "errmsg": "exceeds length"}',
        A.REFUSED, OVER, "cannot read the message", format="wecom"),
    Row("Telegram", 200, '{"ok": true, "result": {}}', A.ACCEPTED, DONE, host=TELEGRAM),
    Row("Telegram, an event of ours", 400,
        '{"ok": false, "error_code": 400, "description": "Bad Request: chat_id is empty"}',
        A.REFUSED, LATER, "chat_id and text", host=TELEGRAM),
    Row("Telegram, token", 401, '{"ok": false, "error_code": 401}',
        A.REFUSED, LATER, "the token in the URL", host=TELEGRAM),
    Row("Telegram, too fast", 429, '{"ok": false, "parameters": {"retry_after": 5}}',
        A.THROTTLED, LATER, "fewer requests", host=TELEGRAM),
)  # fmt: skip

ROWS = (*TESTED, *TOOLS, *ROBOTS)
