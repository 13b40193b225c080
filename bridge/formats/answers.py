"""What a chat robot's answer means: they say 200 and put the error into the body. Pure.

Nothing of an answer is repeated, codes aside: it is only recognised.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from bridge.model import AttemptOutcome, Reply

MUTED_S = 610.0  # DingTalk mutes a robot that was too fast for ten minutes
MINUTE_S = 60.0  # the span over which the others count
MOMENT_S = 2.0


class Meaning(NamedTuple):
    """What a code means. `pause_s`: it is a rate limit. `final`: it never gets better."""

    hint: str
    pause_s: float | None = None
    final: bool = False


_SLOW = "The robot was called too often, by others as well: the bridge waits by itself."
_GONE = "Nobody listens at this URL any more: add the robot again, and use its new URL."
_BODY = "The robot cannot read the message: if its URL is that of another service, say so "
_BODY += "in `format`."
_BUSY = "The chat service has trouble of its own: the bridge tries again."
_KEYWORD = "The robot wants its keyword in each message: give it in `robot.keyword`."
_SIGN = (
    "The robot does not take the signature: compare `robot.secret` with the one it shows, "
    "and the clock of this machine with the true time."
)
_ADDRESS = (
    "The robot takes calls from listed addresses only: add that of the bridge to them."
)
_UNPROVEN = (
    "The answer is not that of such a robot, so nobody knows whether it has the message: "
    "check the URL, and `format`."
)
_UNKNOWN = "The robot refused the message: its answer is kept with the attempt."

_SLACK: Mapping[str, Meaning] = {
    "invalid_payload": Meaning(_BODY, final=True),
    "no_text": Meaning(_BODY, final=True),
    "no_service": Meaning(_GONE, final=True),
    "no_service_id": Meaning(_GONE, final=True),
    "no_team": Meaning(_GONE, final=True),
    "no_active_hooks": Meaning(_GONE, final=True),
    "invalid_token": Meaning(_GONE, final=True),
    "team_disabled": Meaning(_GONE, final=True),
    "channel_not_found": Meaning(
        "The channel of this webhook was deleted: add the webhook to another one.",
        final=True,
    ),
    "channel_is_archived": Meaning(
        "The channel is archived: restore it, or add the webhook to another one; then "
        "subscribe again or retry by hand.",
        final=True,
    ),
    "user_not_found": Meaning(
        "The person this webhook writes to is gone: add it to a channel.", final=True
    ),
    "action_prohibited": Meaning(
        "An administrator does not let this webhook write there: ask them.", final=True
    ),
    "posting_to_general_channel_denied": Meaning(
        "Only some may write to this channel: add the webhook to another one.", final=True
    ),
    "rollup_error": Meaning(_BUSY),
}
_DISCORD: Mapping[int, Meaning] = {
    10015: Meaning(_GONE, final=True),  # unknown webhook
    50027: Meaning(_GONE, final=True),  # invalid token
    50006: Meaning(_BODY, final=True),
    50035: Meaning(_BODY, final=True),
    220001: Meaning(
        "The webhook belongs to a forum, where each message needs a thread: add "
        "`thread_id=…` to the URL, or use a text channel.",
        final=True,
    ),
    40333: Meaning(_BUSY),
}
_FEISHU: Mapping[int, Meaning] = {
    11232: Meaning(_SLOW, pause_s=MINUTE_S),
    11233: Meaning(_SLOW, pause_s=MINUTE_S),
    99991400: Meaning(_SLOW, pause_s=MINUTE_S),
    9499: Meaning(_BODY, final=True),
    19001: Meaning(_GONE, final=True),
    19002: Meaning(_BODY, final=True),
    19021: Meaning(_SIGN),
    19022: Meaning(_ADDRESS),
    19024: Meaning(_KEYWORD),
}
_DINGTALK: Mapping[int, Meaning] = {
    -1: Meaning(_BUSY),
    130101: Meaning(_SLOW, pause_s=MUTED_S),
    410100: Meaning(_SLOW, pause_s=MUTED_S),
    300001: Meaning(_GONE, final=True),
    40035: Meaning(_BODY, final=True),
    400013: Meaning("The group was dissolved: add a robot to another one.", final=True),
    400101: Meaning(_GONE, final=True),
    400102: Meaning("The robot is switched off: switch it on in the group's settings."),
    400105: Meaning(_BODY, final=True),
    400106: Meaning(_GONE, final=True),
    430101: Meaning(
        "DingTalk holds the link for unsafe: fetch the result from the bridge."
    ),
    430102: Meaning("DingTalk does not let the text through: fetch it from the bridge."),
}
# DingTalk's 310000 has three reasons, which only its words tell apart.
_DINGTALK_SAYS = (
    (re.compile("keyword", re.IGNORECASE), Meaning(_KEYWORD)),
    (re.compile("sign|timestamp", re.IGNORECASE), Meaning(_SIGN)),
    (re.compile("whitelist", re.IGNORECASE), Meaning(_ADDRESS)),
)
_WECOM: Mapping[int, Meaning] = {
    -1: Meaning(_BUSY),
    45009: Meaning(_SLOW, pause_s=MINUTE_S),
    45033: Meaning(_SLOW, pause_s=MOMENT_S),
    40008: Meaning(_BODY, final=True),
    40058: Meaning(_BODY, final=True),
    44004: Meaning(_BODY, final=True),
    45002: Meaning(_BODY, final=True),
    93000: Meaning(_GONE, final=True),
    93004: Meaning("The robot was removed or switched off: add it to the group again."),
    93008: Meaning("The robot is in no group any more: add it again.", final=True),
}


def judged(format_name: str, reply: Reply) -> Reply:
    """`reply`, as one who knows what is called by this format understands it."""
    read = _JUDGES.get(format_name)
    status = reply.http_status
    if read is None or status is None or reply.outcome is AttemptOutcome.REDIRECTED:
        return reply
    meant = read(reply)
    if meant.outcome is AttemptOutcome.THROTTLED and meant.retry_after_s is None:
        return replace(meant, retry_after_s=MINUTE_S)
    return meant


def _slack(reply: Reply) -> Reply:
    said = reply.body.strip().lower()
    if _is_2xx(reply) and said == b"ok":
        return reply
    for word, meaning in _SLACK.items():
        if said.startswith(word.encode()):
            return _refused(reply, meaning, word)
    return _unproven(reply)


def _discord(reply: Reply) -> Reply:
    """With wait=true a 2xx is proof."""
    told = _object(reply)
    if reply.http_status == 429:
        asked = _number(told.get("retry_after"))
        pause_s = asked if asked is not None else reply.retry_after_s
        return replace(reply, retry_after_s=max(pause_s or 0.0, MOMENT_S), hint=_SLOW)
    code = told.get("code")
    if _is_2xx(reply) or not isinstance(code, int):
        return reply
    meaning = _DISCORD.get(code)
    return reply if meaning is None else _refused(reply, meaning, f"code {code}")


def _feishu(reply: Reply) -> Reply:
    told = _object(reply)
    code = told.get("code", told.get("StatusCode"))
    return _coded(reply, code, _FEISHU.get(code) if isinstance(code, int) else None)


def _dingtalk(reply: Reply) -> Reply:
    told = _object(reply)
    code = told.get("errcode")
    meaning = _DINGTALK.get(code) if isinstance(code, int) else None
    if code == 310000:
        said = str(told.get("errmsg"))
        found = (each for words, each in _DINGTALK_SAYS if words.search(said))
        meaning = next(found, None)
    return _coded(reply, code, meaning)


def _wecom(reply: Reply) -> Reply:
    code = _object(reply).get("errcode")
    return _coded(reply, code, _WECOM.get(code) if isinstance(code, int) else None)


def _coded(reply: Reply, code: object, meaning: Meaning | None) -> Reply:
    """Only 0 is success, whatever the status says."""
    if not isinstance(code, int) or isinstance(code, bool):
        return _unproven(reply)
    if code == 0 and _is_2xx(reply):
        return reply
    detail = f"code {code}" if abs(code) < 10**9 else "an unknown code"
    return _refused(reply, meaning or Meaning(_UNKNOWN), detail)


def _refused(reply: Reply, meaning: Meaning, detail: str) -> Reply:
    """`detail` is a word of the service's own list."""
    outcome = reply.outcome
    if meaning.pause_s is not None:
        pause_s = max(meaning.pause_s, reply.retry_after_s or 0.0)
        reply = replace(reply, retry_after_s=pause_s)
        outcome = AttemptOutcome.THROTTLED
    elif outcome is AttemptOutcome.ACCEPTED:
        outcome = AttemptOutcome.REFUSED
    return replace(
        reply, outcome=outcome, hint=meaning.hint, final=meaning.final, detail=detail
    )


def _unproven(reply: Reply) -> Reply:
    """A 2xx that no such robot says, or whose end we did not see."""
    if _is_2xx(reply):
        return replace(reply, outcome=AttemptOutcome.INVALID_ANSWER, hint=_UNPROVEN)
    return reply


def _is_2xx(reply: Reply) -> bool:
    return reply.outcome is AttemptOutcome.ACCEPTED


def _object(reply: Reply) -> Mapping[str, Any]:
    try:
        told = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _number(value: object) -> float | None:
    """Seconds as a service writes them, at most a day."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return min(float(value), 86_400.0) if known else None  # type: ignore[arg-type]


_JUDGES: Mapping[str, Callable[[Reply], Reply]] = {
    "slack": _slack,
    "discord": _discord,
    "feishu": _feishu,
    "dingtalk": _dingtalk,
    "wecom": _wecom,
}
