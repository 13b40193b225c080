"""Steps of polling: claim what is due, record what was seen."""

from collections.abc import Callable, Collection

import orjson

from bridge.cadence import CLOSING_PAUSE_MAX_S
from bridge.lanes import Lane
from bridge.model import ClaimedPoll, Observation, PollOutcome, Status
from bridge.store.box import Box
from bridge.store.claims import Choose, Claims
from bridge.store.rows import listener_of
from bridge.store.steps import Query, Row, Step, ask
from bridge.store.telling import close, rest_if_idle, tell_end, tell_update
from bridge.transition import Move

CALM_S = 60.0  # without a 429 since the last pause: the next one is a first one again

# From (provider, age of the task in seconds) to the seconds until its next poll.
Gap = Callable[[str, float], float]


def claim_polls(
    box: Box, *, now: float, choose: Choose, gap: Gap, in_flight: Collection[int]
) -> Step[Claims[ClaimedPoll]]:
    """Take due watches; each is moved to its next poll, so that a crash only skips one.

    A watch of `in_flight` is moved on without being asked again: its answer takes longer
    than its gap.
    """
    lanes = yield from poll_lanes()
    items: list[ClaimedPoll] = []
    rearmed: list[dict[str, float]] = []
    for lane, count in choose(lanes):
        limit = count + len(in_flight)
        rows = yield ask("due_polls", credential_id=lane.id, now=now, limit=limit)
        fresh = [row for row in rows if row["watch_id"] not in in_flight]
        items += (claimed_poll(box, row, now, gap) for row in fresh[:count])
        rearmed += (
            {
                "watch_id": row["watch_id"],
                "next_at": now + gap(row["provider"], now - row["born_at"]),
            }
            for row in rows
            if row["watch_id"] in in_flight
        )
    yield Query(
        "claim_poll",
        [
            {"watch_id": item.watch_id, "next_at": item.next_at, "now": now}
            for item in items
        ],
    )
    if rearmed:
        yield Query("rearm_poll", rearmed)
    return Claims(items, (yield from poll_lanes()) if items or rearmed else lanes)


def poll_lanes() -> Step[list[Lane]]:
    return [poll_lane(row) for row in (yield ask("poll_lanes"))]


def poll_lane(row: Row) -> Lane:
    return Lane(
        row["id"],
        row["provider"],
        due_at=row["oldest"],
        paused_until=row["paused_until"],
        probing=row["probes"] > 0,
    )


def claimed_poll(box: Box, row: Row, now: float, gap: Gap) -> ClaimedPoll:
    return ClaimedPoll(
        watch_id=row["watch_id"],
        claim_no=row["claim_no"] + 1,
        claimed_at=now,
        next_at=now + gap(row["provider"], now - row["born_at"]),
        credential_id=row["credential_id"],
        provider=row["provider"],
        task_id=row["task_id"],
        params=orjson.loads(row["params"]),
        own_key=box.open_key(row["sealed"]),
        key_worked=row["worked_at"] is not None,
        key_refused_at=row["refused_at"],
        key_refused_by=row["refused_by"],
        born_at=row["born_at"],
        created_at=row["created_at"],
        status=row["status"] and Status(row["status"]),
        progress=row["progress"],
        outcome=row["outcome"] and PollOutcome(row["outcome"]),
        outcome_since=row["outcome_since"],
        failures=row["failures"],
        strikes=row["strikes"],
        closing_at=row["closing_at"],
        wants_updates=bool(row["updates"]),
        wants_raw=bool(row["raw"]),
    )


def record_poll(
    box: Box, claimed: ClaimedPoll, seen: Observation, move: Move, *, now: float
) -> Step[list[str]]:
    """Write what an answer that is no end has changed; the subscriptions it ended.

    Nothing is written if the watch has been claimed anew since: that poll knows better.
    Nor if it is scheduled no longer: it has ended, or nobody waits for it.
    """
    yield ask("lock_watch", watch_id=claimed.watch_id)
    yield from record_credential(claimed, move, now)
    fenced = yield ask(
        "reschedule_poll",
        watch_id=claimed.watch_id,
        claim_no=claimed.claim_no,
        next_at=move.next_at,
        latest=now + CLOSING_PAUSE_MAX_S,
        failures=move.failures,
        strikes=move.strikes,
    )
    if not fenced:
        return []
    yield from record_observation(claimed, seen, now)
    ended: list[str] = []
    if move.updated or move.closes:
        for row in (yield ask("listeners", watch_id=claimed.watch_id)):
            listener = listener_of(box, row)
            if move.closes and move.closes.covers(
                listener.created_at, listener.deadline_at
            ):
                ended += yield from close(box, listener, move.closes.outcome, seen, now=now)
            elif move.updated and "task.updated" in listener.events:
                yield from tell_update(box, listener, seen, now=now)
    if ended:
        yield from rest_if_idle(claimed.watch_id, claimed.credential_id)
    return ended


def record_observation(claimed: ClaimedPoll, seen: Observation, now: float) -> Step[None]:
    yield ask(
        "record_observation",
        watch_id=claimed.watch_id,
        status=seen.status and seen.status.value,
        progress=seen.progress,
        outcome=seen.outcome.value,
        http_status=seen.http_status,
        detail=seen.detail,
        now=now,
        claim_no=claimed.claim_no,
        model=seen.model,
        submitted_at=seen.submitted_at,
    )


def record_credential(claimed: ClaimedPoll, move: Move, now: float) -> Step[None]:
    """What the answer says of the key and of its limits, which concerns the whole lane."""
    if move.key_worked:
        yield ask("key_worked", credential_id=claimed.credential_id, now=now)
    elif move.key_refused or move.throttled:
        for lane in (yield ask("credential_pause", credential_id=claimed.credential_id)):
            if move.key_refused:
                yield from refuse(claimed, move, lane, now)
            else:
                yield from throttle(claimed, move, lane, now)


def refuse(claimed: ClaimedPoll, move: Move, lane: Row, now: float) -> Step[None]:
    """A second watch, or a probe, confirms it; only then does the lane rest."""
    if lane["probes"] and asked_before_the_pause(claimed, lane):
        return
    confirmed = lane["probes"] or lane["refused_by"] not in (None, claimed.watch_id)
    probes = lane["probes"] + 1 if confirmed else 0
    yield ask(
        "key_refused",
        credential_id=claimed.credential_id,
        watch_id=claimed.watch_id,
        now=now,
        paused_until=now + move.refusal_pause_s(probes) if probes else 0.0,
        probes=probes,
    )


def throttle(claimed: ClaimedPoll, move: Move, lane: Row, now: float) -> Step[None]:
    throttles = lane["throttles"] if now - lane["paused_until"] < CALM_S else 0
    counts = not asked_before_the_pause(claimed, lane)
    yield ask(
        "throttle_credential",
        credential_id=claimed.credential_id,
        paused_until=now + move.throttle_pause_s(throttles if counts else 0),
        throttles=max(throttles + counts, 1),
    )


def asked_before_the_pause(claimed: ClaimedPoll, lane: Row) -> bool:
    """What was in flight when a credential was paused says nothing new of it."""
    paused_until: float = lane["paused_until"]
    return claimed.claimed_at < paused_until


def record_end(
    box: Box,
    watch_id: int,
    seen: Observation,
    *,
    now: float,
    memory_until: float,
) -> Step[list[str]]:
    """The task has ended; the first to write it is right. Keys of whom that ended."""
    assert seen.status is not None  # noqa: S101 - an end has a status
    ended = yield ask(
        "end_watch",
        watch_id=watch_id,
        now=now,
        status=seen.status.value,
        progress=seen.progress,
        http_status=seen.http_status,
        model=seen.model,
        submitted_at=seen.submitted_at,
        memory_until=memory_until,
        answer=box.seal_observation(seen),
    )
    if not ended:
        return []
    keys: list[str] = []
    for row in (yield ask("listeners", watch_id=watch_id)):
        listener = listener_of(box, row)
        keys += yield from tell_end(box, listener, seen, now=now)
    for row in (yield ask("unschedule_watch", watch_id=watch_id)):
        polls, polled_at = row["claim_no"], row["polled_at"]
        yield ask("end_poll_count", watch_id=watch_id, polls=polls, polled_at=polled_at)
    credential_id = ended[0]["credential_id"]
    yield ask("key_worked", credential_id=credential_id, now=now)
    yield ask("wipe_unused_key", credential_id=credential_id)
    return keys
