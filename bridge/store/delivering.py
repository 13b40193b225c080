"""Steps of delivering: claim an attempt, record what it came to, ask for one by hand."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from bridge import retry
from bridge.errors import RequestError, SealBroken
from bridge.hints import hint
from bridge.ids import message_id
from bridge.lanes import Lane, Ready, Window
from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Destination, Reply
from bridge.retry import Verdict
from bridge.store.box import Box, log
from bridge.store.claims import Claims, Kind, Pick, look
from bridge.store.rows import extras_of
from bridge.store.steps import Query, Row, Step, ask
from bridge.store.telling import CHUNK

BUSY_RECHECK_S = 1.0  # an attempt waits so long for another of the same delivery


def first_lane(row: Row) -> Lane:
    return Lane(
        row["id"],
        row["client"],
        row["host"],
        ready_at=row["ready_at"],
        probing=bool(row["probing"]),
    )


def retry_lane(row: Row) -> Lane:
    return replace(first_lane(row), retry=True)


LANES = (
    Kind("first_owners", "ready_first_lanes", first_lane),
    Kind("retry_owners", "ready_retry_lanes", retry_lane),
)


def delivery_lanes(*, now: float, window: Window) -> Step[Ready]:
    return (yield from look(LANES, now, window))


def claim_deliveries(
    box: Box,
    picks: Sequence[Pick],
    *,
    now: float,
    lease_s: float,
    in_flight: Collection[int],
) -> Step[Claims[ClaimedDelivery]]:
    """Take attempts that are due and write each into the log before it is made.

    A row falls due again after `lease_s`, should this process die before it records.
    """
    items: list[ClaimedDelivery] = []
    taken = set(in_flight)
    moved: dict[tuple[int, bool], float | None] = {}
    for pick in picks:
        rows = yield ask(
            "due_deliveries",
            lane_id=pick.lane.id,
            retry=int(pick.lane.retry),
            now=now,
            limit=pick.count,
        )
        for row in (yield from awake(rows, pick.lane, taken, now)):
            items.append((yield from claim(box, row, pick.lane.key, now, lease_s)))
        for left in (yield ask("leave_lane", lane_id=pick.lane.id)):
            moved[pick.lane.id, False] = left["first_ready_at"]
            moved[pick.lane.id, True] = left["retry_ready_at"]
    return Claims(items, moved)


def awake(rows: Sequence[Row], lane: Lane, taken: set[int], now: float) -> Step[list[Row]]:
    """Those of `rows` that may be attempted; the others are moved out of their way."""
    found: list[Row] = []
    busy: list[dict[str, float]] = []
    closed: dict[int, Row] = {}
    for row in rows:
        resting = row["paused_until"] > now and not row["manual"]
        if row["gone_at"] is not None or resting:
            closed[row["destination_id"]] = row
        elif row["delivery_id"] in taken or (row["busy_until"] or now) > now:
            busy.append({"schedule_id": row["id"], "next_at": now + BUSY_RECHECK_S})
        else:
            taken.add(row["delivery_id"])
            found.append(row)
    if busy:
        yield Query("rearm_delivery", busy)
    for row in closed.values():
        yield from put_off(row, lane, now)
    return found


def put_off(row: Row, lane: Lane, now: float) -> Step[None]:
    """Move a chunk of what is due for a destination that is gone or rests."""
    if row["gone_at"] is not None:
        yield from drop_gone(row["destination_id"], now=now)
        return
    yield ask(
        "rest_deliveries",
        lane_id=lane.id,
        retry=int(lane.retry),
        destination_id=row["destination_id"],
        now=now,
        next_at=row["paused_until"],
        limit=CHUNK,
    )


def claim(
    box: Box, row: Row, host: str, now: float, lease_s: float
) -> Step[ClaimedDelivery]:
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
    destination, secrets, body = unsealed(box, row, host)
    subscription_id = f"sub_{row['key']}"
    return ClaimedDelivery(
        schedule_id=row["id"],
        delivery_id=delivery_id,
        claim_no=row["claim_no"] + 1,
        claimed_at=now,
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
        destination=destination,
        method=row["method"],
        format=row["format"],
        signing_secrets=secrets,
        body=body,
        readable=bool(body),
    )


def unsealed(box: Box, row: Row, host: str) -> tuple[Destination, tuple[str, ...], bytes]:
    """Where, signed with what, and what; an empty body if any of it does not open."""
    try:
        return (
            box.open_destination(row["destination"]),
            tuple(extras_of(box, row["wish"])["signing_secrets"]),
            box.open_body(row["body"]),
        )
    except SealBroken as error:
        log.error("row.unreadable", error=str(error))
        return Destination(url="", host=host), (), b""


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
