"""Robots say 200 and put the error into the body: what each of them means by it."""

import json
from typing import Any

import pytest

from bridge.formats import ROBOTS, judged
from bridge.model import AttemptOutcome, DeliveryState, Reply
from bridge.receivers import hints, retry
from bridge.receivers.retry import Schedule
from tests.receivers.test_retry import DELIVERY, MANUAL

NOW = DELIVERY.created_at
STATUSES = {
    200: AttemptOutcome.ACCEPTED,
    204: AttemptOutcome.ACCEPTED,
    302: AttemptOutcome.REDIRECTED,
    410: AttemptOutcome.GONE,
    429: AttemptOutcome.THROTTLED,
}


def answer(status: int, body: Any, **more: Any) -> Reply:
    """As the sender has it: by the status alone."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    outcome = STATUSES.get(status, AttemptOutcome.REFUSED)
    return Reply(outcome=outcome, http_status=status, body=raw, **more)


FEISHU_OK = {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": ""}
ROWS: list[tuple[str, int, Any, str]] = [
    ("slack", 200, b"ok", "accepted"),
    ("slack", 200, b"ok\n", "accepted"),
    ("slack", 200, b"okay", "invalid_answer"),
    ("slack", 200, b"<html>captive portal</html>", "invalid_answer"),
    ("slack", 200, b"invalid_payload", "refused"),
    ("slack", 400, b"invalid_payload", "refused"),
    ("slack", 403, b"action_prohibited", "refused"),
    ("slack", 404, b"no_service", "refused"),
    ("slack", 404, b"channel_not_found", "refused"),
    ("slack", 410, b"channel_is_archived", "gone"),
    ("slack", 429, b"rate_limited", "throttled"),
    ("slack", 500, b"rollup_error", "refused"),
    ("slack", 302, b"", "redirected"),
    ("discord", 204, b"", "accepted"),
    ("discord", 200, {"id": "1", "content": "x"}, "accepted"),
    ("discord", 429, {"message": "slow", "retry_after": 1.5, "global": False}, "throttled"),
    ("discord", 404, {"message": "Unknown Webhook", "code": 10015}, "refused"),
    ("discord", 400, {"message": "Invalid Form Body", "code": 50035}, "refused"),
    ("discord", 502, b"<html>", "refused"),
    ("feishu", 200, FEISHU_OK, "accepted"),
    ("feishu", 200, {"StatusCode": 0, "StatusMessage": "success"}, "accepted"),
    ("feishu", 200, {"code": 19024, "msg": "Key Words Not Found"}, "refused"),
    ("feishu", 200, {"code": 19021, "msg": "sign match fail"}, "refused"),
    ("feishu", 200, {"code": 11232, "msg": "frequency limited"}, "throttled"),
    ("feishu", 429, {"code": 99991400, "msg": "frequency limit"}, "throttled"),
    ("feishu", 400, {"code": 9499, "msg": "Bad Request"}, "refused"),
    ("feishu", 400, {"code": 0}, "refused"),
    ("feishu", 200, {"code": "0"}, "invalid_answer"),
    ("feishu", 200, {"code": False}, "invalid_answer"),
    ("feishu", 200, b'{"code": 0, "data', "invalid_answer"),
    ("feishu", 200, [], "invalid_answer"),
    ("dingtalk", 200, {"errcode": 0, "errmsg": "ok"}, "accepted"),
    ("dingtalk", 200, {"errcode": 310000, "errmsg": "keywords not in content"}, "refused"),
    ("dingtalk", 200, {"errcode": 130101, "errmsg": "send too fast"}, "throttled"),
    ("dingtalk", 200, {"errcode": 410100, "errmsg": "too fast"}, "throttled"),
    ("dingtalk", 200, {"errcode": 300001, "errmsg": "token is not exist"}, "refused"),
    ("dingtalk", 200, {"code": 0}, "invalid_answer"),
    ("wecom", 200, {"errcode": 0, "errmsg": "ok"}, "accepted"),
    ("wecom", 200, {"errcode": 45009, "errmsg": "api freq out of limit"}, "throttled"),
    ("wecom", 200, {"errcode": 93000, "errmsg": "invalid webhook url"}, "refused"),
    ("wecom", 200, {"errcode": 987654, "errmsg": "new"}, "refused"),
    ("wecom", 503, b"", "refused"),
    ("standard", 200, {"errcode": 45009}, "accepted"),
    ("flat", 200, b"invalid_payload", "accepted"),
]


@pytest.mark.parametrize(("kind", "status", "body", "outcome"), ROWS)
def test_each_answer_has_its_outcome(
    kind: str, status: int, body: Any, outcome: str
) -> None:
    """
    A bridge that looks at the status only reports lost messages as delivered.
    """
    assert judged(kind, answer(status, body)).outcome == outcome


@pytest.mark.parametrize(
    ("kind", "status", "body", "words"),
    [
        ("slack", 404, b"no_service", "add the robot again"),
        ("slack", 400, b"invalid_payload", "`format`"),
        ("slack", 410, b"channel_is_archived", "archived"),
        ("slack", 403, b"action_prohibited", "administrator"),
        ("discord", 404, {"code": 10015}, "add the robot again"),
        ("feishu", 200, {"code": 19024}, "`robot.keyword`"),
        ("feishu", 200, {"code": 19021}, "`robot.secret`"),
        ("feishu", 200, {"code": 19022}, "addresses"),
        ("dingtalk", 200, {"errcode": 310000, "errmsg": "keywords not in"}, "keyword"),
        ("dingtalk", 200, {"errcode": 310000, "errmsg": "sign not match"}, "secret"),
        ("dingtalk", 200, {"errcode": 310000, "errmsg": "not in whitelist"}, "addresses"),
        ("dingtalk", 200, {"errcode": 310000}, "kept with the attempt"),
        ("wecom", 200, {"errcode": 93000}, "add the robot again"),
        ("wecom", 200, b"<html>", "check the URL"),
        ("wecom", 200, {"errcode": 1}, "kept with the attempt"),
    ],
)
def test_a_refusal_says_what_to_do(kind: str, status: int, body: Any, words: str) -> None:
    """
    Codes are for programs; whoever set the robot up wants words.
    """
    reply = judged(kind, answer(status, body))
    told = hints.hint(reply, "POST")
    assert words in (told or "")


@pytest.mark.parametrize(
    ("kind", "status", "body", "pause_s"),
    [
        ("dingtalk", 200, {"errcode": 130101}, 610.0),
        ("wecom", 429, b"", 60.0),
        ("slack", 429, b"", 60.0),
        ("wecom", 200, {"errcode": 45009}, 60.0),
        ("feishu", 200, {"code": 11232}, 60.0),
        ("discord", 429, {"retry_after": 64.57}, 64.57),
        ("discord", 429, {"retry_after": 1e9}, 86_400.0),
        ("discord", 429, {"retry_after": "x"}, 2.0),
        ("discord", 429, b"", 2.0),
    ],
)
def test_what_is_too_fast_rests_as_long_as_the_robot_is_mute(
    kind: str, status: int, body: Any, pause_s: float
) -> None:
    """
    DingTalk mutes for ten minutes; who calls meanwhile is not heard.
    """
    reply = judged(kind, answer(status, body))
    assert reply.retry_after_s == pause_s
    verdict = retry.decide(DELIVERY, reply, schedule=Schedule(), now=NOW, dice=0.0)
    assert verdict.throttled
    assert verdict.state is DeliveryState.RETRYING
    assert verdict.next_at is not None
    assert verdict.next_at >= NOW + min(pause_s, retry.PATIENCE_S)
    assert retry.rest_s(0, verdict) == min(pause_s, retry.PATIENCE_S)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("slack", 400, b"invalid_payload"),
        ("slack", 404, b"no_service"),
        ("discord", 404, {"code": 10015}),
        ("dingtalk", 200, {"errcode": 300001}),
        ("wecom", 200, {"errcode": 93000}),
    ],
)
def test_a_final_word_ends_the_schedule(kind: str, status: int, body: Any) -> None:
    """
    A robot that was removed hears nothing for two days; a person can retry by hand.
    """
    reply = judged(kind, answer(status, body))
    verdict = retry.decide(DELIVERY, reply, schedule=Schedule(), now=NOW, dice=0.0)
    assert (verdict.state, verdict.next_at) == (DeliveryState.EXHAUSTED, None)
    by_hand = retry.decide(MANUAL, reply, schedule=Schedule(), now=NOW, dice=0.0)
    assert by_hand.state is None


@pytest.mark.parametrize("kind", ROBOTS)
def test_what_can_be_mended_at_the_robot_is_tried_again(kind: str) -> None:
    """
    A keyword is set in the robot's settings in a minute.
    """
    body = {"code": 19024, "errcode": 310000, "errmsg": "keywords"}
    reply = judged(kind, answer(500, body))
    verdict = retry.decide(DELIVERY, reply, schedule=Schedule(), now=NOW, dice=0.0)
    assert verdict.state is DeliveryState.RETRYING


@pytest.mark.parametrize("kind", ROBOTS)
def test_nothing_of_an_answer_is_repeated(kind: str) -> None:
    """
    Hints and details are shown and logged; an answer may hold anything.
    """
    body = {"code": 5, "errcode": 5, "msg": "T0P-S3CRET", "errmsg": "T0P-S3CRET"}
    for status in (200, 400):
        reply = judged(kind, answer(status, body))
        assert "S3CRET" not in f"{reply.hint} {reply.detail}"


def test_an_attempt_that_never_got_an_answer_is_left_as_it_is() -> None:
    reply = Reply(outcome=AttemptOutcome.TIMEOUT)
    assert [judged(kind, reply) for kind in ROBOTS] == [reply] * len(ROBOTS)
