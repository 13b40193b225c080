"""Steps of recording an attempt with what it says of its host (receivers/breaker.py)."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Reply
from bridge.receivers import breaker
from bridge.receivers.breaker import Breaker
from bridge.receivers.hints import OUTLIVED
from bridge.receivers.retry import Verdict
from bridge.store.box import Box
from bridge.store.delivering import (
    Rest,
    gather,
    put_lane,
    record_attempt,
    record_attempts,
    take_lanes,
)
from bridge.store.steps import Row, Step, ask
from bridge.store.telling import CHUNK


class Recorded(NamedTuple):
    """What is left for another transaction, and what became of the lane's breaker."""

    rest: Rest | None = None
    breaker: Breaker | None = None


def record(
    box: Box,
    claimed: ClaimedDelivery,
    reply: Reply,
    verdict: Verdict,
    *,
    now: float,
) -> Step[Recorded]:
    """Complete the attempt, and count it for the host or against it."""
    rest = yield from record_attempt(box, claimed, reply, verdict, now=now)
    if verdict.throttled:
        return Recorded(rest)
    judged = yield from judge(claimed, reply, verdict, now)
    return Recorded(rest or judged.rest, judged.breaker)  # silence leaves one only


def record_several(
    box: Box,
    told: Sequence[tuple[ClaimedDelivery, Verdict]],
    reply: Reply,
    *,
    now: float,
) -> Step[tuple[list[Rest], Breaker | None]]:
    """As `record`, of those that one message told of: for their host it is one attempt."""
    rests = yield from record_attempts(box, told, reply, now=now)
    claimed, verdict = told[0]
    if verdict.throttled:
        return rests, None
    judged = yield from judge(claimed, reply, verdict, now)
    return [*rests, *([judged.rest] if judged.rest else [])], judged.breaker


def judge(
    claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, now: float
) -> Step[Recorded]:
    """What one request says of its host, if that was not that it is throttled."""
    if verdict.outcome is AttemptOutcome.PROXY_ERROR:
        return Recorded()  # it says nothing of the receiver
    if verdict.silent:
        yield from take_lanes(claimed)
    closed = yield from calm(claimed, reply)
    if not verdict.silent:
        return Recorded(None, closed)
    # What was under way when it opened says nothing new.
    lanes = yield ask(
        "count_silence",
        destination_id=claimed.destination_id,
        begun_at=claimed.claimed_at,
    )
    for lane in lanes:
        if lane["silences"] >= breaker.OPEN_AFTER:
            return (yield from opened(lane, verdict, now))
    return Recorded()


def calm(claimed: ClaimedDelivery, reply: Reply) -> Step[Breaker | None]:
    """Whatever it was, it was no 429; and if it was an answer, somebody is there."""
    answered = breaker.answered(reply)
    lanes = yield ask(
        "calm_lanes",
        lane_id=claimed.lane_id,
        destination_id=claimed.destination_id,
        answered=int(answered),
        whole=breaker.WHOLE,
    )
    closed = any(lane["probing"] == breaker.CLOSING for lane in lanes)
    return Breaker.CLOSED if answered and closed else None


def opened(lane: Row, verdict: Verdict, now: float) -> Step[Recorded]:
    """Let the lane rest; or only the one URL that all were for, in a lane of its own."""
    lane_id, silences = lane["id"], lane["silences"]
    rest: Rest | None = None
    if (yield from stands_alone(lane)):
        yield ask("forget_silence", lane_id=lane_id)
        lane_id = yield from put_lane(lane["client"], lane["host"], lane["silent_id"])
        moved = {"destination_id": lane["silent_id"], "lane_id": lane_id}
        yield ask("move_destination", **moved)
        rest = yield from gather(lane["silent_id"], lane_id)
    elif silences >= breaker.HOPELESS_AFTER:
        rest = yield from give_up_old(lane_id, verdict.old_before, now)
    until = now + breaker.rest_s(silences, verdict.dice)
    yield ask("open_lane", lane_id=lane_id, until=until, silences=silences, now=now)
    return Recorded(rest, Breaker.OPENED if silences == breaker.OPEN_AFTER else None)


def stands_alone(lane: Row) -> Step[bool]:
    """One URL alone was silent, and others of this host are called, too."""
    if lane["destination_id"] or lane["silent_id"] is None:
        return False
    others = ask("other_destination", lane_id=lane["id"], destination_id=lane["silent_id"])
    return bool((yield others))


def give_up_old(
    lane_id: int, before: float, now: float, retry: int = 0
) -> Step[Rest | None]:
    """Give up a chunk of what was owed `before` then: those that have waited longest."""
    rows = yield ask(
        "old_deliveries", lane_id=lane_id, retry=retry, before=before, limit=CHUNK
    )
    for row in rows:
        ended = yield ask(
            "end_schedule", schedule_id=row["schedule_id"], claim_no=row["claim_no"]
        )
        if ended:
            yield ask(
                "give_up_delivery",
                delivery_id=row["id"],
                state=DeliveryState.EXHAUSTED.value,
                hint=OUTLIVED,
                now=now,
            )
    closed = [row["key"] for row in rows]
    if len(rows) == CHUNK:
        return Rest(partial(give_up_old, lane_id, before, now, retry), closed)
    return Rest(None if retry else partial(give_up_old, lane_id, before, now, 1), closed)
