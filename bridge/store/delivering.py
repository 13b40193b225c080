"""Steps of delivering: record what an attempt came to, ask for one by hand."""

from bridge import retry
from bridge.errors import RequestError
from bridge.hints import hint
from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Reply
from bridge.retry import Verdict
from bridge.store.box import Box
from bridge.store.steps import Step, ask
from bridge.store.telling import CHUNK


def mark_lost(delivery_id: int, now: float) -> Step[None]:
    """An attempt was claimed and nobody has recorded it: the receiver may have had it."""
    words = hint(Reply(outcome=AttemptOutcome.UNKNOWN), "POST")
    yield ask("mark_lost", delivery_id=delivery_id)
    yield ask("end_lost_attempts", delivery_id=delivery_id, now=now, hint=words)


def record_attempt(
    box: Box, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, *, now: float
) -> Step[bool]:
    """Complete the attempt in the log and write what follows from it, at once.

    What the receiver took is recorded whatever else has happened; all else only if the
    attempt is still ours to decide on. Returns whether `drop_gone` has more to do.
    """
    more = False
    yield ask(
        "finish_attempt",
        delivery_id=claimed.delivery_id,
        number=claimed.attempt,
        now=now,
        outcome=verdict.outcome.value,
        http_status=reply.http_status,
        detail=reply.detail,
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
        more = yield from give_up(claimed, verdict, now)
    if verdict.throttled:
        yield from throttle(claimed, verdict, now)
    else:
        yield ask("calm_lane", lane_id=claimed.lane_id)
        yield ask("wake_destination", destination_id=claimed.destination_id)
    return more


def throttle(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[None]:
    """Let the destination rest; the whole lane only if another one was told so before.

    At a host that many share, one URL that is throttled says nothing of the others.
    """
    for row in (yield ask("destination_pause", destination_id=claimed.destination_id)):
        # What was in flight when it was paused says nothing new of it.
        counts = claimed.claimed_at >= row["paused_until"]
        rest_s = retry.rest_s(row["throttles"] if counts else 0, verdict)
        yield ask(
            "rest_destination",
            destination_id=claimed.destination_id,
            paused_until=now + rest_s,
            throttles=row["throttles"] + counts,
        )
    for row in (
        yield ask(
            "suspect_lane", lane_id=claimed.lane_id, destination_id=claimed.destination_id
        )
    ):
        if row["suspect_id"] != claimed.destination_id:
            until = now + retry.lane_rest_s(verdict)
            yield ask("pause_lane", lane_id=claimed.lane_id, paused_until=until)


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
    if fenced:
        yield ask("advance_retry", lane_id=claimed.lane_id, at=verdict.next_at)
        yield from note(claimed, verdict, now)
        yield ask("set_retrying", delivery_id=claimed.delivery_id)


def give_up(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[bool]:
    """The schedule is used up, or the receiver is gone, or this was one extra attempt."""
    fenced = yield ask(
        "end_schedule", schedule_id=claimed.schedule_id, claim_no=claimed.claim_no
    )
    if not fenced:
        return False
    yield from note(claimed, verdict, now)
    if verdict.state is None:
        return False
    yield from settle(claimed, verdict.state, verdict, now)
    if verdict.state is not DeliveryState.GONE:
        return False
    return (yield from close_destination(claimed, now))


def close_destination(claimed: ClaimedDelivery, now: float) -> Step[bool]:
    """Nothing more goes to this URL with these headers of this client.

    What else waits for it is dropped a chunk at a time; whether there is more.
    """
    closed = yield ask(
        "close_destination",
        destination_id=claimed.destination_id,
        begun_at=claimed.claimed_at,
        now=now,
    )
    if not closed:
        return False
    yield ask("drop_schedule", delivery_id=claimed.delivery_id)
    return (yield from drop_gone(claimed.destination_id, now=now))


def drop_gone(destination_id: int, *, now: float) -> Step[bool]:
    """A chunk of what is owed to a destination that is gone; whether there is more."""
    rows = yield ask("gone_deliveries", destination_id=destination_id, limit=CHUNK)
    for row in rows:
        yield ask("drop_gone_delivery", delivery_id=row["id"], now=now)
        yield ask("drop_schedule", delivery_id=row["id"])
    return len(rows) == CHUNK


def ask_for_attempt(
    key: str, sequence: int, client: str | None, *, now: float
) -> Step[bool]:
    """Owe one extra attempt, now; False if there is no such delivery.

    Raises RequestError where an attempt would contradict what the client asked for.
    """
    rows = yield ask("find_delivery", key=key, sequence=sequence, client=client)
    if not rows:
        return False
    [delivery] = rows
    state = DeliveryState(delivery["state"])
    if state in (DeliveryState.STOPPED, DeliveryState.SUPERSEDED, DeliveryState.FILTERED):
        raise RequestError("delivery_not_retryable", f"the delivery is {state.value}")
    for asked in (yield ask("asked_attempt", delivery_id=delivery["id"])):
        if asked["claimed_at"] is not None:
            raise RequestError(
                "delivery_not_retryable",
                "an attempt that was asked for is being made; ask again when it has ended",
            )
    yield ask("reopen_destination", destination_id=delivery["destination_id"], now=now)
    yield ask(
        "ask_attempt", delivery_id=delivery["id"], lane_id=delivery["lane_id"], now=now
    )
    yield ask("advance_first", lane_id=delivery["lane_id"], at=now)
    return True
