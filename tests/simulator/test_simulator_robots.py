"""The robots are as strict as their services, or the tests against them prove nothing."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote

import pytest

from bridge.simulator.robots import RATES, ChatRobot

NOW = 1_800_000_100.0
BODIES: dict[str, Any] = {
    "slack": lambda text: {"text": text},
    "discord": lambda text: {"content": text, "allowed_mentions": {"parse": []}},
    "feishu": lambda text: {"msg_type": "text", "content": {"text": text}},
    "dingtalk": lambda text: {"msgtype": "text", "text": {"content": text}},
    "wecom": lambda text: {"msgtype": "text", "text": {"content": text}},
}
LIMITS = {  # the longest text of one-byte letters
    "slack": 40_000,
    "discord": 2_000,
    "feishu": 20_480 - len(json.dumps(BODIES["feishu"](""))),
    "dingtalk": 20_000 - len(json.dumps(BODIES["dingtalk"](""))),
    "wecom": 2_048,
}


def say(
    robot: ChatRobot,
    text: str = "hello",
    at: float = NOW,
    query: str = "wait=true",
    **more: Any,
) -> Any:
    body = json.dumps(BODIES[robot.kind](text) | more, ensure_ascii=False).encode()
    answer = robot.hear(query, body, at)
    said = answer.body.decode()
    return answer.status, json.loads(said) if said.startswith("{") else said


@pytest.mark.parametrize("kind", RATES)
def test_a_plain_message_is_kept(kind: str) -> None:
    robot = ChatRobot(kind)
    status, _ = say(robot)
    assert status == 200
    assert [said.text for said in robot.messages] == ["hello"]


@pytest.mark.parametrize("kind", RATES)
def test_one_that_is_too_long_is_not(kind: str) -> None:
    robot = ChatRobot(kind)
    say(robot, "x" * LIMITS[kind])
    assert len(robot.messages) == 1
    say(robot, "x" * (LIMITS[kind] + 1), NOW + 60)
    assert (len(robot.messages), len(robot.refused)) == (1, 1)


@pytest.mark.parametrize("kind", RATES)
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"text": {}, "content": 1}'])
def test_what_is_no_message_is_turned_away(kind: str, body: bytes) -> None:
    robot = ChatRobot(kind)
    robot.hear("wait=true", body, NOW)
    assert (robot.messages, len(robot.refused)) == ([], 1)


@pytest.mark.parametrize("kind", RATES)
def test_the_rate_is_counted_in_every_span(kind: str) -> None:
    """
    As many as are documented, wherever the span begins, and not one more.
    """
    for count, span_s in RATES[kind]:
        robot = ChatRobot(kind)
        for _ in range(min(count, 5)):
            say(robot)
        for number in range(count - 5):
            say(robot, at=NOW + span_s * 0.9 + number * 0.05 * span_s / count)
        assert not robot.refused or kind == "feishu"
    robot = ChatRobot(kind)
    count, span_s = RATES[kind][-1]
    for _ in range(count + 1):
        say(robot, at=NOW)
    assert (len(robot.messages), robot.refused) == (count, ["too fast"])


def test_the_errors_of_the_rate_are_those_of_the_services() -> None:
    """
    Only two of the five say so by the status.
    """
    told = {}
    for kind, rates in RATES.items():
        robot = ChatRobot(kind)
        for _ in range(rates[-1][0]):
            say(robot)
        told[kind] = say(robot)
    assert told["slack"] == (429, "rate_limited")
    assert told["discord"][0] == 429
    assert told["discord"][1]["retry_after"] == 0.65
    assert (told["feishu"][0], told["feishu"][1]["code"]) == (200, 11232)
    assert (told["dingtalk"][0], told["dingtalk"][1]["errcode"]) == (200, 130101)
    assert (told["wecom"][0], told["wecom"][1]["errcode"]) == (200, 45009)


def test_dingtalk_is_mute_for_ten_minutes() -> None:
    robot = ChatRobot("dingtalk")
    for _ in range(21):
        say(robot)
    say(robot, at=NOW + 599)
    assert len(robot.messages) == 20
    say(robot, at=NOW + 601)
    assert len(robot.messages) == 21


def test_feishu_turns_messages_away_at_the_full_hour() -> None:
    robot = ChatRobot("feishu")
    hour = NOW - NOW % 3_600 + 3_600
    for at in (hour, hour + 1_800, hour + 4):
        say(robot, at=at)
    assert (robot.messages, len(robot.refused)) == ([], 3)
    say(robot, at=hour + 6)
    assert len(robot.messages) == 1


def test_without_wait_discord_says_nothing_of_what_it_does_not_keep() -> None:
    robot = ChatRobot("discord")
    assert say(robot, "x" * 2_001, query="")[0] == 204
    assert robot.messages == []


def test_feishu_checks_the_proof() -> None:
    robot = ChatRobot("feishu", secret="s")
    stamp = str(int(NOW))
    sign = base64.b64encode(hmac.new(f"{stamp}\ns".encode(), b"", hashlib.sha256).digest())
    assert say(robot, timestamp=stamp, sign=sign.decode())[1]["code"] == 0
    for bad in (
        {},
        {"timestamp": stamp, "sign": "AAAA"},
        {"timestamp": str(int(NOW) - 1), "sign": sign.decode()},
    ):
        assert say(robot, at=NOW + 10, **bad)[1]["code"] == 19021
    late = {"timestamp": stamp, "sign": sign.decode()}
    assert say(robot, at=NOW + 3_700, **late)[1]["code"] == 19021


def test_dingtalk_checks_the_proof() -> None:
    robot = ChatRobot("dingtalk", secret="s")
    stamp = str(int(NOW * 1_000))
    mac = hmac.new(b"s", f"{stamp}\ns".encode(), hashlib.sha256).digest()
    good = f"timestamp={stamp}&sign={quote(base64.b64encode(mac), safe='')}"
    assert say(robot, query=good)[1]["errcode"] == 0
    for bad in ("", "timestamp=1&sign=x", good.replace(stamp, "1")):
        assert say(robot, query=bad)[1]["errcode"] == 310000
    assert say(robot, query=good, at=NOW + 3_700)[1]["errcode"] == 310000


@pytest.mark.parametrize("kind", ["feishu", "dingtalk"])
def test_the_keyword_has_to_be_said(kind: str) -> None:
    robot = ChatRobot(kind, keyword="done")
    say(robot, "it is done")
    say(robot, "it is over", NOW + 10)
    assert (len(robot.messages), len(robot.refused)) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "code"), [("feishu", 19022), ("dingtalk", "310000 not in whitelist")]
)
def test_who_is_not_on_the_list_of_addresses_is_turned_away(
    kind: str, code: object
) -> None:
    robot = ChatRobot(kind, closed=True)
    said = say(robot)[1]
    assert said.get("code", f"{said.get('errcode')} {said.get('errmsg')}") == code
    assert robot.messages == []


def test_it_is_seen_when_everybody_was_called() -> None:
    calls = {
        "slack": "<!channel>",
        "discord": "@everyone",
        "feishu": '<at user_id="all">',
        "wecom": "<@all>",
    }
    for kind, text in calls.items():
        robot = ChatRobot(kind)
        body = BODIES[kind](text)
        body.pop("allowed_mentions", None)
        robot.hear("wait=true", json.dumps(body).encode(), NOW)
        assert (kind, robot.alarms) == (kind, 1)
    robot = ChatRobot("dingtalk")
    say(robot, text="@all")
    assert robot.alarms == 0
