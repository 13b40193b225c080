"""Steps of delivering: claim an attempt, record what it came to, ask for one by hand."""

from collections.abc import Collection

from bridge.errors import RequestError
from bridge.hints import hint
from bridge.ids import message_id
from bridge.lanes import Lane
from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Reply
from bridge.retry import Verdict
from bridge.store.box import Box
from bridge.store.claims import Choose, Claims
from bridge.store.rows import extras_of
from bridge.store.steps import Query, Row, Step, ask

BUSY_RECHECK_S = 1.0  # an attempt waits so long for another of the same delivery


def claim_deliveries(
    box: Box, *, now: float, lease_s: float, choose: Choose, in_flight: Collection[int]
) -> Step[Claims[ClaimedDelivery]]:
    """Take attempts that are due and write each into the log before it is made.

    A row falls due again after `lease_s`, should this process die before it records.
    """
    lanes = yield from delivery_lanes()
    items: list[ClaimedDelivery] = []
    taken = set(in_flight)
    busy: list[dict[str, float]] = []
    for lane, count in choose(lanes):
        rows = yield ask(
            "due_deliveries", lane_id=lane.id, retry=int(lane.retry), now=now, limit=count
        )
        for row in rows:
            if row["delivery_id"] in taken or (row["busy_until"] or now) > now:
                busy.append({"schedule_id": row["id"], "next_at": now + BUSY_RECHECK_S})
            else:
                taken.add(row["delivery_id"])
                items.append((yield from claim(box, row, now, lease_s)))
    if busy:
        yield Query("rearm_delivery", busy)
    return Claims(items, (yield from delivery_lanes()) if items or busy else lanes)


def delivery_lanes() -> Step[list[Lane]]:
    """A lane's first attempts and its retries, as two lanes."""
    lanes: list[Lane] = []
    for row in (yield ask("delivery_lanes")):
        for retry, due_at in ((False, row["first_at"]), (True, row["retry_at"])):
            if due_at is not None:
                lanes.append(
                    Lane(
                        row["id"],
                        row["host"],
                        due_at=due_at,
                        paused_until=row["paused_until"],
                        retry=retry,
                        owner=row["client"],
                    )
                )
    return lanes


def claim(box: Box, row: Row, now: float, lease_s: float) -> Step[ClaimedDelivery]:
    delivery_id = row["delivery_id"]
    yield ask("claim_delivery", schedule_id=row["id"], until=now + lease_s, now=now)
    if row["claimed_at"] is not None:
        yield from mark_lost(delivery_id, now)
    [counted] = yield ask("next_attempt", delivery_id=delivery_id)
    yield ask(
        "add_attempt",
        delivery_id=delivery_id,
        number=counted["attempts"],
        manual=row["manual"],
        now=now,
    )
    subscription_id = f"sub_{row['key']}"
    return ClaimedDelivery(
        schedule_id=row["id"],
        delivery_id=delivery_id,
        claim_no=row["claim_no"] + 1,
        attempt=counted["attempts"],
        manual=bool(row["manual"]),
        failures=row["failures"],
        conflicts=row["conflicts"],
        seen_lost=bool(row["lost"]) or row["claimed_at"] is not None,
        created_at=row["created_at"],
        message_id=message_id(subscription_id, row["sequence"]),
        subscription_id=subscription_id,
        client=row["client"],
        lane_id=row["lane_id"],
        type=row["type"],
        destination_id=row["destination_id"],
        destination=box.open_destination(row["destination"]),
        method=row["method"],
        format=row["format"],
        signing_secrets=tuple(extras_of(box, row["wish"])["signing_secrets"]),
        body=box.vault.open(row["body"], "event"),
    )


def mark_lost(delivery_id: int, now: float) -> Step[None]:
    """An attempt was claimed and nobody has recorded it: the receiver may have had it."""
    words = hint(Reply(outcome=AttemptOutcome.UNKNOWN), "POST")
    yield ask("mark_lost", delivery_id=delivery_id)
    yield ask("end_lost_attempts", delivery_id=delivery_id, now=now, hint=words)


def record_attempt(
    box: Box, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, *, now: float
) -> Step[None]:
    """Complete the attempt in the log and write what follows from it, at once.

    What the receiver took is recorded whatever else has happened; all else only if the
    attempt is still ours to decide on.
    """
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
        yield from give_up(claimed, verdict, now)
    if verdict.lane_pause_s is not None:
        yield ask(
            "pause_lane", lane_id=claimed.lane_id, paused_until=now + verdict.lane_pause_s
        )


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
        yield from note(claimed, verdict, now)
        yield ask("set_retrying", delivery_id=claimed.delivery_id)


def give_up(claimed: ClaimedDelivery, verdict: Verdict, now: float) -> Step[None]:
    """The schedule is used up, or the receiver is gone, or this was one extra attempt."""
    fenced = yield ask(
        "end_schedule", schedule_id=claimed.schedule_id, claim_no=claimed.claim_no
    )
    if not fenced:
        return
    yield from note(claimed, verdict, now)
    if verdict.state is None:
        return
    yield from settle(claimed, verdict.state, verdict, now)
    if verdict.state is DeliveryState.GONE:
        yield from close_destination(claimed, now)


def close_destination(claimed: ClaimedDelivery, now: float) -> Step[None]:
    """Nothing more goes to this URL with these headers of this client."""
    closed = yield ask(
        "close_destination",
        destination_id=claimed.destination_id,
        delivery_id=claimed.delivery_id,
        number=claimed.attempt,
        now=now,
    )
    if not closed:
        return
    dropped = yield ask(
        "drop_gone_deliveries", destination_id=claimed.destination_id, now=now
    )
    for delivery in (*dropped, {"id": claimed.delivery_id}):
        yield ask("drop_schedule", delivery_id=delivery["id"])


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
    yield ask("reopen_destination", destination_id=delivery["destination_id"], now=now)
    yield ask(
        "ask_attempt", delivery_id=delivery["id"], lane_id=delivery["lane_id"], now=now
    )
    return True
