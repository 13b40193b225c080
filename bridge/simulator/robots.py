"""Chat robots as strict as their services: proof, keyword, size and rate. Without I/O.

Written from what the services document and not from what the bridge does, so that the two
can disagree. Errors come inside a 200 where the service has them there.
"""

import base64
import hashlib
import hmac
import html
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from bridge.simulator.reactions import Reaction

CLOCK_S = 3_600.0  # how far a proof may be from the service's time
HALF_HOUR_S, RUSH_S = 1_800.0, 5.0  # in which Feishu turns messages away
MUTED_S = 600.0  # a DingTalk robot that was too fast
RATES: Mapping[str, tuple[tuple[int, float], ...]] = MappingProxyType(
    {
        "slack": ((1, 1.0),),
        "discord": ((5, 2.0),),
        "feishu": ((100, 60.0), (5, 1.0)),
        "dingtalk": ((20, 60.0),),
        "wecom": ((20, 60.0),),
    }
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    at: float
    text: str


@dataclass(slots=True)
class ChatRobot:
    """One robot in one group: what it was told, and what it has turned away, by code."""

    kind: str
    secret: str | None = field(default=None, repr=False)
    keyword: str | None = None
    closed: bool = False  # takes calls from listed addresses, and ours is none of them
    messages: list[Said] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    alarms: int = 0  # messages that have called everybody
    _heard: deque[float] = field(default_factory=deque, repr=False)
    _muted_until: float = 0.0

    def hear(self, query: str, body: bytes, now: float) -> Reaction:
        """One request. `now` is the service's time, in unix seconds."""
        fault = self._too_fast(now) or _READ[self.kind](self, query, body, now)
        if isinstance(fault, str):
            self.refused.append(fault)
            return _ANSWERS[self.kind](fault)
        self.messages.append(Said(now, fault.text))
        return _ANSWERS[self.kind]("")

    def _too_fast(self, now: float) -> str | None:
        """Every request counts, also one that is turned away."""
        self._heard.append(now)
        longest_s = max(span_s for _, span_s in RATES[self.kind])
        while now - self._heard[0] >= longest_s:
            self._heard.popleft()
        over = any(
            sum(now - at < span_s for at in self._heard) > count
            for count, span_s in RATES[self.kind]
        )
        if self.kind == "dingtalk" and over:
            self._muted_until = now + MUTED_S
        rush = self.kind == "feishu" and now % HALF_HOUR_S < RUSH_S
        return "too fast" if over or rush or now < self._muted_until else None

    def keeps(self, text: str) -> bool:
        return self.keyword is None or self.keyword in text


def _slack(robot: ChatRobot, _query: str, body: bytes, now: float) -> Said | str:
    text = _text(body, "text")
    if text is None or len(text) > 40_000:
        return "invalid_payload"
    robot.alarms += "<!" in text or "<@" in text
    return Said(now, html.unescape(text))


def _discord(robot: ChatRobot, query: str, body: bytes, now: float) -> Said | str:
    text = _text(body, "content")
    bad = text is None or len(text.encode("utf-16-le")) // 2 > 2_000
    if bad or text is None:
        # Without `wait` nobody is told of a message that is not kept.
        return "50035" if "true" in parse_qs(query).get("wait", []) else "unsaid"
    mentions = json.loads(body).get("allowed_mentions", {}).get("parse")
    robot.alarms += mentions != [] and "@everyone" in text
    return Said(now, text)


def _feishu(robot: ChatRobot, _query: str, body: bytes, now: float) -> Said | str:
    text = _text(body, "content", "text")
    if text is None or len(body) > 20 * 1_024 or json.loads(body)["msg_type"] != "text":
        return "9499"
    if robot.secret is not None and not _feishu_proven(robot.secret, body, now):
        return "19021"
    if robot.closed:
        return "19022"
    if not robot.keeps(text):
        return "19024"
    robot.alarms += "<at" in text
    return Said(now, text)


def _feishu_proven(secret: str, body: bytes, now: float) -> bool:
    told = json.loads(body)
    written, sign = told.get("timestamp", ""), told.get("sign", "")
    key = f"{written}\n{secret}".encode()
    mac = base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode()
    return sign == mac and abs(now - int(written)) < CLOCK_S


def _dingtalk(robot: ChatRobot, query: str, body: bytes, now: float) -> Said | str:
    text = _text(body, "text", "content")
    if text is None or len(body) > 20_000 or json.loads(body)["msgtype"] != "text":
        return "40035"
    if robot.secret is not None and not _dingtalk_proven(robot.secret, query, now):
        return "310000 sign not match"
    if robot.closed:
        return "310000 not in whitelist"
    if not robot.keeps(text):
        return "310000 keywords not in content"
    robot.alarms += bool(json.loads(body).get("at", {}).get("isAtAll"))
    return Said(now, text)


def _dingtalk_proven(secret: str, query: str, now: float) -> bool:
    given = parse_qs(query)
    [written], [sign] = given.get("timestamp", [""]), given.get("sign", [""])
    text = f"{written}\n{secret}".encode()
    mac = hmac.new(secret.encode(), text, digestmod=hashlib.sha256).digest()
    if sign != base64.b64encode(mac).decode():
        return False
    return abs(now * 1_000 - int(written)) < CLOCK_S * 1_000


def _wecom(robot: ChatRobot, _query: str, body: bytes, now: float) -> Said | str:
    text = _text(body, "text", "content")
    if text is None or json.loads(body)["msgtype"] != "text":
        return "40008"
    if len(text.encode()) > 2_048:
        return "40058"
    robot.alarms += "<@" in text
    return Said(now, text)


def _text(body: bytes, *path: str) -> str | None:
    """What stands there, if it is a text that says something."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found.strip() else None


def _says(told: Json, status: int = 200, **headers: str) -> Reaction:
    headers = {"content-type": "application/json", **headers}
    return Reaction(status=status, headers=headers, body=json.dumps(told).encode())


def _slack_says(fault: str) -> Reaction:
    if fault == "too fast":
        return Reaction(status=429, headers={"retry-after": "1"}, body=b"rate_limited")
    status = 404 if fault == "no_service" else 400
    return Reaction(status=status, body=fault.encode()) if fault else Reaction(body=b"ok")


def _discord_says(fault: str) -> Reaction:
    if fault == "too fast":
        told = {"message": "You are being rate limited.", "retry_after": 0.65}
        return _says(told | {"global": False}, 429, **{"retry-after": "1"})
    if fault == "unsaid":
        return Reaction(status=204)
    if fault:
        status = 404 if fault == "10015" else 400
        return _says({"message": "refused", "code": int(fault)}, status)
    return _says({"id": "1", "type": 0, "content": "…"})


def _feishu_says(fault: str) -> Reaction:
    if not fault:
        return _says({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}})
    code = 11232 if fault == "too fast" else int(fault)
    return _says({"code": code, "msg": "refused", "data": {}})


def _coded(too_fast: int) -> Callable[[str], Reaction]:
    def says(fault: str) -> Reaction:
        code, _, words = fault.partition(" ")
        if fault == "too fast":
            return _says({"errcode": too_fast, "errmsg": "send too fast"})
        return _says({"errcode": int(code or 0), "errmsg": words or "ok"})

    return says


def removed(kind: str) -> Reaction:
    """What the service says at a URL that leads to no robot of its own any more."""
    faults = {
        "slack": "no_service",
        "discord": "10015",
        "feishu": "19001",
        "dingtalk": "300001 token is not exist",
        "wecom": "93000 invalid webhook url",
    }
    return _ANSWERS[kind](faults[kind])


_READ: Mapping[str, Callable[[ChatRobot, str, bytes, float], Said | str]]
_READ = MappingProxyType(
    {
        "slack": _slack,
        "discord": _discord,
        "feishu": _feishu,
        "dingtalk": _dingtalk,
        "wecom": _wecom,
    }
)
_ANSWERS: Mapping[str, Callable[[str], Reaction]] = MappingProxyType(
    {
        "slack": _slack_says,
        "discord": _discord_says,
        "feishu": _feishu_says,
        "dingtalk": _coded(130101),
        "wecom": _coded(45009),
    }
)
