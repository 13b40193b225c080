"""The messages of chat robots: text for people, in each robot's own wrapping."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from bridge.formats.robots import DIALECTS
from bridge.schemas.plain import Schema, plain

SAYS = (
    "For people: what has happened, a link or the error, and up to eight plain values of "
    "`metadata`, a line each; or what several events come to. Its words may change."
)


def _said(kind: str) -> Any:
    """A robot may count in bytes or UTF-16, of which a text has no fewer than letters."""
    return Field(description=SAYS, max_length=DIALECTS[kind].most)


class Slack(BaseModel):
    """The message for Slack's incoming webhooks."""

    text: str = _said("slack")
    mrkdwn: Literal[False] = Field(description="Nothing in it is markup.")


class Mentions(BaseModel):
    parse: list[str] = Field(max_length=0, description="Empty: nobody.")


class Discord(BaseModel):
    """The message for a webhook of Discord's."""

    content: str = _said("discord")
    allowed_mentions: Mentions = Field(description="Whom the message may call.")


class FeishuText(BaseModel):
    text: str = _said("feishu")


class Feishu(BaseModel):
    """The message for a robot of Feishu's or Lark's."""

    timestamp: str = Field(
        default="", description="Unix seconds; only with `robot.secret`."
    )
    sign: str = Field(
        default="", description="The proof in base64; only with `robot.secret`."
    )
    msg_type: Literal["text"] = Field(description="What kind of message it is.")
    content: FeishuText = Field(description="The message.")


class DingTalkText(BaseModel):
    content: str = _said("dingtalk")


class At(BaseModel):
    is_at_all: Literal[False] = Field(alias="isAtAll", description="Nobody.")


class DingTalk(BaseModel):
    """The message for a robot of DingTalk's. Its proof is in the query of the URL."""

    msgtype: Literal["text"] = Field(description="What kind of message it is.")
    text: DingTalkText = Field(description="The message.")
    at: At = Field(description="Whom the message calls.")


class WeComText(BaseModel):
    content: str = _said("wecom")


class WeCom(BaseModel):
    """The message for a robot of WeCom's."""

    msgtype: Literal["text"] = Field(description="What kind of message it is.")
    text: WeComText = Field(description="The message.")


_MODELS: Mapping[str, type[BaseModel]] = {
    "slack": Slack,
    "discord": Discord,
    "feishu": Feishu,
    "dingtalk": DingTalk,
    "wecom": WeCom,
}


def message(kind: str) -> Schema:
    """Of what a kind of robot is sent. Raises KeyError for an unknown one."""
    return plain(_MODELS[kind])
