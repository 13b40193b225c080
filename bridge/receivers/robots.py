"""How often a chat robot may be spoken to, and what it is told at once. Pure.

Who is too fast loses messages, and with DingTalk all of ten minutes. So these are the
limits that the services document, kept over a somewhat longer span than theirs, as messages
do not all take the same time to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from bridge.budget import Budget
from bridge.model import ClaimedDelivery, Reply
from bridge.rate import Rate

MARGIN = 1.05
TOLD_AT_ONCE = 100  # deliveries of a digest, at most

# Whoever failed so often goes alone: what a service does not like about it (a word, a link)
# must not keep the others of a digest from being told.
ALONE_AFTER = 6


class Limit(NamedTuple):
    rate: Rate
    at_once: int


LIMITS: Mapping[str, Limit] = {
    "slack": Limit(Rate(1, 1.0), 1),
    "discord": Limit(Rate(5, 2.0), 1),
    "feishu": Limit(Rate(100, 60.0), 4),  # and 5/s: 4, and one more in the second
    "dingtalk": Limit(Rate(20, 60.0), 2),
    "wecom": Limit(Rate(20, 60.0), 2),
}
_STRICTEST = LIMITS["dingtalk"]

# Feishu turns messages away (11232) at the full and the half hour, when everybody's timers
# go off.
HALF_HOUR_S, BEFORE_S, AFTER_S = 1_800.0, 1.0, 15.0


def budget_of(kind: str, full_at: float) -> Budget:
    limit = LIMITS.get(kind, _STRICTEST)
    rate = Rate(limit.rate.count, limit.rate.per_s * MARGIN)
    return Budget(rate, full_at, limit.at_once)


def hushed_until(kind: str, now: float) -> float:
    """Until when nothing is said because of the time of day; `now` if something may be.

    >>> hushed_until("feishu", 3_600.0), hushed_until("feishu", 3_620.0)
    (3615.0, 3620.0)
    """
    if kind != "feishu":
        return now
    since_s = (now + BEFORE_S) % HALF_HOUR_S - BEFORE_S
    return now - since_s + AFTER_S if since_s < AFTER_S else now


def together(found: Sequence[ClaimedDelivery], room: int) -> list[ClaimedDelivery]:
    """`found`, in `room` messages: if these are fewer, the last one tells of all the rest.

    What cannot be read is not sent, and so takes no room.
    """
    apart = [one for one in found if not one.readable or one.failures >= ALONE_AFTER]
    crowd = [one for one in found if one.readable and one.failures < ALONE_AFTER]
    room = max(room - sum(one.readable for one in apart), 1)
    if len(crowd) > room:
        first, rest = crowd[: room - 1], crowd[room:]
        crowd = [*first, replace(crowd[room - 1], riders=tuple(rest))]
    return [*apart, *crowd]


def shared(reply: Reply, others: int) -> Reply:
    """What came back for one message that told of `others` as well."""
    if not others or reply.detail:
        return reply
    return replace(reply, detail=f"one message told of {others + 1} deliveries")
