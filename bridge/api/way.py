"""How a callback is called: format, method, and what a chat robot wants to be told by."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from bridge import formats
from bridge.api.models import CallBody
from bridge.errors import FieldFault
from bridge.model import Destination, HookWish, Robot, Wish

# What can be asked for by either method.
EITHER = ("standard", "flat")

# Where the services have their robots; beside them they have other things that take JSON.
PLACES = (
    ("hooks.slack.com", "/services/", "slack"),
    ("discord.com", "/api/webhooks/", "discord"),
    ("discordapp.com", "/api/webhooks/", "discord"),
    ("open.feishu.cn", "/open-apis/bot/", "feishu"),
    ("open.larksuite.com", "/open-apis/bot/", "feishu"),
    ("oapi.dingtalk.com", "/robot/send", "dingtalk"),
    ("qyapi.weixin.qq.com", "/cgi-bin/webhook/send", "wecom"),
)
DISCORDS_OWN = ("/slack", "/github")  # paths that take the bodies of others


def method_of(body: CallBody) -> str:
    return "GET" if body.format == "query" else body.method


def format_of(body: CallBody) -> str:
    """`query` is method GET by another name, so that the two are one request."""
    return "standard" if body.format == "query" else body.format


def with_robot(found: Destination, body: CallBody) -> Destination:
    if body.format not in formats.ROBOTS:
        return found
    secret, keyword = body.robot.get("secret"), body.robot.get("keyword")
    return replace(found, robot=Robot(kind=body.format, secret=secret, keyword=keyword))


def way_faults(body: CallBody) -> list[FieldFault]:
    """Fields that contradict one another."""
    faults: list[FieldFault] = []
    asked = "method" in body.model_fields_set and body.method
    if asked == "POST" and body.format == "query":
        words = "format `query` puts the facts into the URL: leave this out, or say GET"
        faults.append(FieldFault("method", words))
    if asked == "GET" and body.format not in (*EITHER, "query"):
        words = f"format `{body.format}` is a body: leave this out, or say POST"
        faults.append(FieldFault("method", words))
    if body.robot and body.format not in formats.SIGNING:
        knowing = " and ".join(formats.SIGNING)
        words = f"is for {knowing}; format `{body.format}` knows no secret and no keyword"
        faults.append(FieldFault("robot", words))
    return faults


def way_warnings(wish: Wish | HookWish) -> list[dict[str, Any]]:
    """A robot takes nothing but its own messages; most say 200 to others and drop them."""
    to = wish.destination
    kind = robot_at(to) if to else None
    if kind is None or kind == wish.format:
        return []
    message = f"the URL is that of a chat robot, which takes `format: {kind}` only"
    return [{"code": "chat_robot", "message": message}]


def robot_at(to: Destination) -> str | None:
    """Which robot's URL it is, if it is known as one."""
    path = urlsplit(to.url).path
    if path.endswith(DISCORDS_OWN):
        return None
    found = (
        kind for host, prefix, kind in PLACES if to.host == host and path.startswith(prefix)
    )
    return next(found, None)
