"""When to send a webhook again, and when to stop. Pure: no clock, no dice.

`dice` is a number from 0 to 1 drawn by the caller.

    2xx                          accepted
    410                          gone
    409 "has finished already"   presumed, if the end of an earlier attempt was never seen;
                                 else the schedule
    any other 409                again in 1 to 2 s, 5 times; then the schedule
    no way through our proxy     again, further and further apart, without counting, until
                                 the delivery is too old: exhausted
    any other status, no answer  the schedule; when that is used up: exhausted
    a chat robot's final word    exhausted at once (formats/answers.py)
"""

import math
from dataclasses import dataclass, replace

from bridge.messages.events import TASK_UPDATED
from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Reply
from bridge.receivers import breaker
from bridge.receivers.hints import finished, hint

QUICK_REPEATS = 5  # n8n needs about a second from its answer until its Wait node listens
QUICK_S = 1.0

JITTER, JITTER_MOST_S = 0.1, 300.0  # spread so that equal deliveries do not come together

# Retry-After beyond this says more of a server's default than of its trouble.
PATIENCE_S = 3600.0

# A throttled URL rests, together with what else is owed to it. If several of one client at
# one host are, so do all of them, but not for longer than a minute: at a shared host (a
# chat service, a hosted n8n) some may be well.
REST_S, REST_MOST_S = 1.0, 60.0  # after a 429 that does not say how long; it doubles
LANE_REST_MOST_S = 60.0

# An outage of ours may use up the age; it never takes the short steps from a receiver.
SHORT_STEP_S = 900.0

# While the operator's own proxy is broken: by age, as no attempt counts. For a day at least
# it is waited for, however short the schedule.
PROXY_LEAST_S, PROXY_MOST_S, PROXY_SHARE, PROXY_PATIENCE_S = 5.0, 900.0, 0.2, 86_400.0

UPDATE_STEPS = 2  # an update makes three attempts: it is stale before the long steps come


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to wait after the first, second, … failed attempt; after the last: stop.

    A delivery that has grown older than `age_limit_s` (lanes were paused, or the bridge was
    down) begins no long step any more. Raises ValueError for steps that nobody can mean.
    """

    steps_s: tuple[float, ...] = (
        5, 15, 30, 60, 120, 300, 900, 3_600, 10_800, 28_800, 43_200, 86_400,
    )  # fmt: skip

    def __post_init__(self) -> None:
        if len(self.steps_s) > 100:
            raise ValueError("a schedule has at most 100 steps")
        if not all(1 <= step_s <= 7 * 86_400 for step_s in self.steps_s):
            raise ValueError("a step of a schedule takes from 1 second to 7 days")

    @property
    def age_limit_s(self) -> float:
        return 1.5 * math.fsum(self.steps_s)

    def step_s(self, failures: int, age_s: float) -> float | None:
        """The wait after `failures` failed attempts before this one; None: no more.

        >>> Schedule().step_s(0, age_s=0), Schedule().step_s(12, age_s=174_230)
        (5, None)
        """
        if failures >= len(self.steps_s):
            return None
        step_s = self.steps_s[failures]
        in_time = age_s + step_s <= self.age_limit_s
        return step_s if in_time or step_s <= SHORT_STEP_S else None


# The example of Standard Webhooks, "Deliverability and reliability".
STANDARD = Schedule((5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
SCHEDULES = {"default": Schedule(), "standard": STANDARD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one finished attempt means for its delivery."""

    state: DeliveryState | None  # None: leave it, and its due time, as they are
    next_at: float | None = None  # when to try again; only of `retrying`
    failures: int
    conflicts: int
    outcome: AttemptOutcome  # the reply's, or `presumed`
    hint: str | None = None
    throttled: bool = False  # the destination is to rest
    asked_s: float | None = None  # … for so long, as it said itself
    silent: bool = False  # nobody answered
    dice: float = 0.0  # for a rest of its host
    old_before: float = -math.inf  # what was owed before then is old


_SETTLES = {
    AttemptOutcome.ACCEPTED: DeliveryState.ACCEPTED,
    AttemptOutcome.PRESUMED: DeliveryState.PRESUMED,
    AttemptOutcome.GONE: DeliveryState.GONE,
}


def decide(
    delivery: ClaimedDelivery, reply: Reply, *, schedule: Schedule, now: float, dice: float
) -> Verdict:
    """What to do after `reply`.

    An attempt made by hand settles a delivery if its answer does (2xx, 410), but a failed
    one neither restarts nor cancels the schedule.
    """
    if delivery.seen_lost and finished(reply):
        reply = replace(reply, outcome=AttemptOutcome.PRESUMED)
    verdict = Verdict(
        state=_SETTLES.get(reply.outcome),
        failures=delivery.failures,
        conflicts=delivery.conflicts,
        outcome=reply.outcome,
        hint=hint(reply, delivery.method, delivery.destination.host),
        throttled=_throttled(reply),
        asked_s=reply.retry_after_s,
    )
    if breaker.silent(reply):
        old_before = now - schedule.age_limit_s
        verdict = replace(verdict, silent=True, dice=dice, old_before=old_before)
    if verdict.state is not None or delivery.manual:
        return verdict
    if reply.outcome is AttemptOutcome.CONFLICT and _repeats_soon(delivery, reply):
        again_at = now + _wait_s(QUICK_S, reply, 0) + dice
        conflicts = delivery.conflicts + 1
        return replace(
            verdict, state=DeliveryState.RETRYING, next_at=again_at, conflicts=conflicts
        )
    if reply.outcome is AttemptOutcome.PROXY_ERROR:
        step_s = _proxy_step_s(schedule, now - delivery.created_at)
    else:
        verdict = replace(verdict, failures=delivery.failures + 1)
        step_s = None if reply.final else _step_s(delivery, schedule, now)
    if step_s is None:
        return replace(verdict, state=DeliveryState.EXHAUSTED)
    again_at = now + _wait_s(step_s, reply, dice)
    return replace(verdict, state=DeliveryState.RETRYING, next_at=again_at)


def _repeats_soon(delivery: ClaimedDelivery, reply: Reply) -> bool:
    return delivery.conflicts < QUICK_REPEATS and not finished(reply)


def _step_s(delivery: ClaimedDelivery, schedule: Schedule, now: float) -> float | None:
    if delivery.type == TASK_UPDATED and delivery.failures >= UPDATE_STEPS:
        return None
    return schedule.step_s(delivery.failures, now - delivery.created_at)


def _proxy_step_s(schedule: Schedule, age_s: float) -> float | None:
    step_s = min(max(age_s * PROXY_SHARE, PROXY_LEAST_S), PROXY_MOST_S)
    patience_s = max(schedule.age_limit_s, PROXY_PATIENCE_S)
    return step_s if age_s + step_s <= patience_s else None


def _wait_s(step_s: float, reply: Reply, dice: float) -> float:
    """The step, or longer if the receiver asked for it, and some more by the dice."""
    wait_s = max(step_s, min(reply.retry_after_s or 0.0, PATIENCE_S))
    return wait_s + dice * min(JITTER * wait_s, JITTER_MOST_S)


def _throttled(reply: Reply) -> bool:
    if reply.http_status == 503:
        return (reply.retry_after_s or 0.0) > 0
    return reply.http_status == 429 or reply.outcome is AttemptOutcome.THROTTLED


def rest_s(throttles: int, verdict: Verdict) -> float:
    """Seconds for which a destination rests that was throttled `throttles` times before
    in a row. `Retry-After` is believed up to an hour.
    """
    if verdict.asked_s:
        return min(max(REST_S, verdict.asked_s), PATIENCE_S)
    return min(REST_S * 2.0 ** min(throttles, 30), REST_MOST_S)


def lane_rest_s(verdict: Verdict) -> float:
    """Seconds for which all deliveries of this client to this host are to rest."""
    return min(rest_s(0, verdict), LANE_REST_MOST_S)
