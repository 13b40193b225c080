"""Chat robots: events as the message that each of them takes, within its size, signed.

    slack      text; & < > escaped, so that nothing in it calls anybody
    discord    content of 2,000 UTF-16 units; nobody is mentioned, whatever it says
    feishu     (Lark too) text; a body of 20 KB; the signature is in the body
    dingtalk   text; a body of 20,000 bytes; the signature is in the query
    wecom      text of 2,048 bytes

None of them is asked to read markup, as task ids and messages are full of `_` and `*`.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from bridge.formats.letters import Size
from bridge.formats.url import append_query
from bridge.formats.words import Line, digest, lines_of, page
from bridge.model import Robot
from bridge.portable import encode

WAIT = "wait=true"  # without it Discord says 204 also to what it does not keep
_WAIT = re.compile("(?<=[?&])wait=[^&#]*")


@dataclass(frozen=True, slots=True)
class Dialect:
    body: Callable[[str], dict[str, Any]]
    most: int  # of the size of a text
    size: Size
    safe: Callable[[str], str] = str
    signs: bool = False  # knows secrets and keywords


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tagless(text: str) -> str:
    """Without `<at user_id="all">` and `<@all>`, by which these robots call everybody."""
    return text.replace("<", "＜")


def _in_json(text: str) -> int:
    return len(orjson.dumps(text))


DIALECTS: Mapping[str, Dialect] = {
    "slack": Dialect(
        lambda text: {"text": text, "mrkdwn": False}, 3_000, len, safe=_escaped
    ),
    "discord": Dialect(
        lambda text: {"content": text, "allowed_mentions": {"parse": []}},
        2_000,
        lambda text: len(text.encode("utf-16-le")) // 2,
        safe=lambda text: text.replace("](", "] ("),  # a link that shows another one
    ),
    "feishu": Dialect(
        lambda text: {"msg_type": "text", "content": {"text": text}},
        18_000,
        _in_json,
        safe=_tagless,
        signs=True,
    ),
    "dingtalk": Dialect(
        lambda text: {
            "msgtype": "text",
            "text": {"content": text},
            "at": {"isAtAll": False},
        },
        18_000,
        _in_json,
        signs=True,
    ),
    "wecom": Dialect(
        lambda text: {"msgtype": "text", "text": {"content": text}},
        2_048,
        lambda text: len(text.encode()),
        safe=_tagless,
    ),
}
ROBOTS = tuple(DIALECTS)
SIGNING = tuple(kind for kind, dialect in DIALECTS.items() if dialect.signs)


def message(robot: Robot, bodies: Sequence[bytes], *, at: float) -> bytes:
    """What to send for one standard event, or for several at once. `at` is wall time."""
    dialect = DIALECTS[robot.kind]
    events = [orjson.loads(body) for body in bodies]
    lines = lines_of(events[0]) if len(events) == 1 else digest(events)
    told = dialect.body(_text(dialect, lines, robot.keyword))
    if robot.kind == "feishu" and robot.secret is not None:
        told = {**_feishu_proof(robot.secret, int(at)), **told}
    return encode(told)


def address(robot: Robot, url: str, *, at: float) -> str:
    """Where to send it; what the URL has already is kept byte for byte."""
    if robot.kind == "discord":
        waits, count = _WAIT.subn(WAIT, url)
        return waits if count else append_query(url, WAIT)
    if robot.kind == "dingtalk" and robot.secret is not None:
        return append_query(url, _dingtalk_proof(robot.secret, int(at * 1_000)))
    return url


def _text(dialect: Dialect, lines: Sequence[Line], keyword: str | None) -> str:
    """The keyword comes first, where nothing cuts it off, unless it is said anyway."""

    def size(text: str) -> int:
        return dialect.size(dialect.safe(text))

    text = dialect.safe(page(lines, dialect.most, size))
    if keyword is None or keyword in text:
        return text
    return dialect.safe(page([Line(keyword), *lines], dialect.most, size))


def _feishu_proof(secret: str, seconds: int) -> dict[str, str]:
    """
    >>> _feishu_proof("demo", 1599360473)["timestamp"]
    '1599360473'
    """
    digest = hmac.digest(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256)
    return {"timestamp": str(seconds), "sign": base64.b64encode(digest).decode()}


def _dingtalk_proof(secret: str, milliseconds: int) -> str:
    signed = f"{milliseconds}\n{secret}".encode()
    digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
    sign = quote(base64.b64encode(digest), safe="")
    return f"timestamp={milliseconds}&sign={sign}"
