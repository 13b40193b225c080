"""Steps of delivering: record what an attempt came to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Reply
from bridge.portable import storable
from bridge.receivers import retry
from bridge.receivers.hints import hint
from bridge.receivers.retry import Verdict
from bridge.store.box import Box
from bridge.store.steps import Query, Row, Step, ask
from bridge.store.telling import CHUNK


@dataclass(frozen=True, slots=True)
class Rest:
    """What a step has left for a transaction of its own: the next step, which may have some
    too. `closed`: keys of the subscriptions that it has given up or dropped something of.
    """

    step: "Callable[[], Step[Rest | None]] | None" = None
    closed: Sequence[str] = ()


def mark_lost(delivery_id: int, now: float) -> Step[None]:
    """An attempt was claimed and nobody has recorded it: the receiver may have had it."""
    words = hint(Reply(outcome=AttemptOutcome.UNKNOWN), "POST")
    yield ask("mark_lost", delivery_id=delivery_id)
    yield ask("end_lost_attempts", delivery_id=delivery_id, now=now, hint=words)


def record_attempt(
    box: Box, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, *, now: float
) -> Step[Rest | None]:
    """Complete the attempt in the log and write what follows from it, at once.

    What the receiver took is recorded whatever else has happened; all else only if the
    attempt is still ours to decide on. Returns what is left for another transaction.
    """
    rest = None
    yield ask("lock_delivery", delivery_id=claimed.delivery_id)
    yield ask(
        "finish_attempt",
        delivery_id=claimed.delivery_id,
        number=claimed.attempt,
        now=now,
        outcome=verdict.outcome.value,
        http_status=reply.http_status,
        detail=storable(reply.detail),
        hint=verdict.hint,
        answer=box.vault.seal(reply.body, "attempt") if reply.body else None,
    )
    if verdict.state in (DeliveryState.ACCEPTED, DeliveryState.PRESUMED):
        yield from settle(claimed, verdict.state, verdict, now)
        yield ask(
            "drop_owed_attempts",
            delivery_id=claimed.delivery_id,
            schedule_id=claimed.schedule_id,
        )
    elif verdict.state is DeliveryState.RETRYING:
        yield from retry_later(claimed, verdict, now)
    else:
        rest = yield from give_up(claimed, verdict, now)
    if verdict.throttled:
        return (yield from throttle(claimed, verdict, now))
    return rest


def record_attempts(
    box: Box,
    told: Sequence[tuple[ClaimedDelivery, Verdict]],
    reply: Reply,
    *,
    now: float,
) -> Step[list[Rest]]:
    """Several that one message told of: all of them, or none."""
    rests: list[Rest] = []
    told = sorted(told, key=lambda one: one[0].delivery_id)
    for claimed, _ in told:  # all before any lane, as others take them
        yield ask("lock_delivery", delivery_id=claimed.delivery_id)
    for claimed, verdict in told:
        rest = yield from record_attempt(box, claimed, reply, verdict, now=now)
        rests += [rest] if rest else []
    return rests


def throttle(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[Rest | None]:
    """Let the destination rest, in a lane of its own; that of all others only if a second
    one was told so before any other answer.

    At a host that many share, one URL that is throttled says nothing of the others.
    """
    destination_id = claimed.destination_id
    yield from take_lanes(claimed)
    [lane] = yield ask("destination_lane", destination_id=destination_id)
    if lane["destination_id"]:
        # What was in flight when it was paused says nothing new of it.
        counts = claimed.claimed_at >= lane["paused_until"]
        throttles = lane["throttles"] if counts else 0
        until = now + retry.rest_s(throttles, verdict)
        throttles = lane["throttles"] + counts
        yield ask("pause_lane", lane_id=lane["id"], paused_until=until, throttles=throttles)
        if lane["robot_id"] is not None:
            yield ask("mute_robot", robot_id=lane["robot_id"], until=until)
        return None
    yield from suspect(lane, claimed, verdict, now)
    own_id = yield from put_lane(lane["client"], lane["host"], destination_id)
    yield ask("move_destination", destination_id=destination_id, lane_id=own_id)
    until = now + retry.rest_s(0, verdict)
    yield ask("pause_lane", lane_id=own_id, paused_until=until, throttles=1)
    return (yield from gather(destination_id, own_id))


def take_lanes(claimed: ClaimedDelivery) -> Step[None]:
    """Before anything is said of them: that of the attempt, and the one that its URL has
    now and may be about to leave. The URL comes first, as a 410 takes it before its lane.
    """
    yield ask("take_destination", destination_id=claimed.destination_id)
    yield ask("take_lanes", lane_id=claimed.lane_id, destination_id=claimed.destination_id)


def suspect(
    lane: Row, claimed: ClaimedDelivery, verdict: Verdict, now: float
) -> Step[None]:
    [known] = yield ask(
        "suspect_lane", lane_id=lane["id"], destination_id=claimed.destination_id
    )
    if known["suspect_id"] != claimed.destination_id:
        until = now + retry.lane_rest_s(verdict)
        yield ask("pause_lane", lane_id=lane["id"], paused_until=until, throttles=0)


def gather(destination_id: int, lane_id: int, after: int = 0) -> Step[Rest | None]:
    """Take a chunk of what is owed to a destination over to the lane it has now.

    What is forgotten here, because the process dies, a claim sends home.
    """
    rows = yield ask(
        "stray_deliveries",
        destination_id=destination_id,
        lane_id=lane_id,
        after=after,
        limit=CHUNK,
    )
    moves = [{"schedule_id": row["schedule_id"], "lane_id": lane_id} for row in rows]
    if moves:
        yield Query("move_delivery", moves)
    for advance, retries in (("advance_first", 0), ("advance_retry", 1)):
        times = [row["next_at"] for row in rows if row["retry"] == retries]
        if times:
            yield ask(advance, lane_id=lane_id, at=min(times))
    if len(rows) < CHUNK:
        return None
    return Rest(partial(gather, destination_id, lane_id, rows[-1]["id"]))


def settle(
    claimed: ClaimedDelivery, state: DeliveryState, verdict: Verdict, now: float
) -> Step[None]:
    yield ask(
        "settle_delivery",
        delivery_id=claimed.delivery_id,
        state=state.value,
        outcome=verdict.outcome.value,
        hint=verdict.hint,
        now=now,
    )


def note(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[None]:
    yield ask(
        "note_attempt",
        delivery_id=claimed.delivery_id,
        outcome=verdict.outcome.value,
        hint=verdict.hint,
        lost=int(verdict.outcome.lost),
        now=now,
    )


def retry_later(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[None]:
    fenced = yield ask(
        "retry_later",
        schedule_id=claimed.schedule_id,
        claim_no=claimed.claim_no,
        next_at=verdict.next_at,
        failures=verdict.failures,
        conflicts=verdict.conflicts,
    )
    for row in fenced:
        yield ask("advance_retry", lane_id=row["lane_id"], at=verdict.next_at)
        yield from note(claimed, verdict, now)
        yield ask("set_retrying", delivery_id=claimed.delivery_id)


def give_up(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[Rest | None]:
    """The schedule is used up, or the receiver is gone, or this was one extra attempt."""
    fenced = yield ask(
        "end_schedule", schedule_id=claimed.schedule_id, claim_no=claimed.claim_no
    )
    if not fenced:
        return None
    yield from note(claimed, verdict, now)
    if verdict.state is None:
        return None
    yield from settle(claimed, verdict.state, verdict, now)
    if verdict.state is not DeliveryState.GONE:
        return None
    yield ask("drop_planned", delivery_id=claimed.delivery_id)
    rest = yield from close_destination(claimed, now)
    if rest is not None:  # else it was asked for anew, maybe by hand: that is still owed
        yield ask("drop_schedule", delivery_id=claimed.delivery_id)
    return rest


def close_destination(claimed: ClaimedDelivery, now: float) -> Step[Rest | None]:
    """Nothing more goes to this URL with these headers of this client, and no hook of its
    stays. None: it stays open, as it was asked for anew after this attempt began.
    """
    yield ask("lock_destination", destination_id=claimed.destination_id)
    closed = yield ask(
        "close_destination",
        destination_id=claimed.destination_id,
        begun_at=claimed.claimed_at,
        now=now,
    )
    if not closed:
        return None
    yield ask("remove_hooks_of", destination_id=claimed.destination_id, now=now)
    return (yield from drop_gone(claimed.destination_id, now=now))


def drop_gone(destination_id: int, *, now: float) -> Step[Rest | None]:
    """Drop a chunk of what is owed to a destination that is gone.

    What is forgotten here, because the process dies, is dropped as it falls due.
    """
    rows = yield ask("gone_deliveries", destination_id=destination_id, limit=CHUNK)
    for row in rows:
        yield ask("drop_gone_delivery", delivery_id=row["id"], now=now)
        yield ask("drop_schedule", delivery_id=row["id"])
    more = partial(drop_gone, destination_id, now=now) if len(rows) == CHUNK else None
    return Rest(more, [row["key"] for row in rows])


def put_lane(client: str, host: str, destination_id: int = 0) -> Step[int]:
    """Its id; 0: the lane of all destinations without one of their own."""
    place = {"client": client, "host": host, "destination_id": destination_id}
    found = yield ask("find_lane", **place)
    if not found:
        yield ask("add_lane", **place)
        found = yield ask("find_lane", **place)
    lane_id: int = found[0]["id"]
    return lane_id
