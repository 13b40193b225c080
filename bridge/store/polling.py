"""Steps of polling: record what was seen, and tell whom it concerns."""

import math
from collections.abc import Callable

from bridge.cadence import CLOSING_PAUSE_MAX_S
from bridge.model import ClaimedPoll, Observation
from bridge.portable import storable
from bridge.store import history
from bridge.store.box import Box, opened
from bridge.store.rows import listener_of
from bridge.store.steps import Row, Rows, Step, ask
from bridge.store.telling import (
    CHUNK,
    Told,
    affordable,
    close,
    rest_if_idle,
    tell_end,
    tell_update,
    wipe_unused_key,
)
from bridge.transition import Move

CALM_S = 60.0  # without a 429 since the last pause: the next one is a first one again


def record_poll(
    box: Box, claimed: ClaimedPoll, seen: Observation, move: Move, *, now: float
) -> Step[Told]:
    """Write what an answer that is no end has changed, and tell the first of whom it
    concerns.

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
        born_at=move.born_at,
    )
    if not fenced:
        return Told()
    if move.next_at is not None:
        yield ask(
            "advance_credential",
            credential_id=claimed.credential_id,
            at=fenced[0]["next_at"],
        )
    return (yield from tell_poll(box, claimed, seen, move, 0, now=now))


def tell_poll(
    box: Box, claimed: ClaimedPoll, seen: Observation, move: Move, after: int, *, now: float
) -> Step[Told]:
    """End a chunk of those whom this answer ends, and tell the others what is new.

    With the last chunk it is no longer new: who is forgotten here, because the process
    dies, hears of it after the next poll.
    """
    ended: list[str] = []
    rows: Rows = ()
    if move.updated or move.closes:
        rows = yield ask("listeners", watch_id=claimed.watch_id, after=after, limit=CHUNK)
    some = affordable(rows)
    for row in some:
        listener = listener_of(box, row)
        waits = listener.closing_at is not None  # for this last look at its task
        deadline_at = listener.deadline_at if waits else math.inf
        if move.closes and move.closes.covers(listener.created_at, deadline_at):
            ended += yield from close(box, listener, move.closes.outcome, seen, now=now)
        elif move.updated and "task.updated" in listener.events:
            yield from tell_update(box, listener, seen, now=now)
    if ended:
        yield from rest_if_idle(claimed.watch_id, claimed.credential_id)
    if len(rows) == CHUNK or len(some) < len(rows):
        return Told(ended, some[-1]["id"])
    yield from record_observation(claimed, seen, now)
    return Told(ended)


def tell_more(
    box: Box, claimed: ClaimedPoll, seen: Observation, move: Move, after: int, *, now: float
) -> Step[Told]:
    """The next chunk, in a transaction of its own, which waits for who just subscribes."""
    yield ask("lock_watch", watch_id=claimed.watch_id)
    return (yield from tell_poll(box, claimed, seen, move, after, now=now))


def hint(key: str, least_s: Callable[[str], float], *, now: float) -> Step[bool]:
    """Ask about a subscription's task now; whether that is any sooner.

    Not within `least_s` of its provider since the last poll or hint, but then; and not
    while its polls fail: what those wait for is no news.
    """
    for row in (yield ask("hinted_watch", key=key)):
        if row["failures"]:
            return False
        last = max(row["hinted_at"] or 0.0, row["polled_at"] or 0.0)
        at = max(now, last + least_s(row["provider"]))
        yield ask("hint_poll", watch_id=row["watch_id"], at=at, now=now)
        yield ask("advance_credential", credential_id=row["credential_id"], at=at)
        return True
    return False


def record_observation(claimed: ClaimedPoll, seen: Observation, now: float) -> Step[None]:
    yield ask(
        "record_observation",
        watch_id=claimed.watch_id,
        status=seen.status and seen.status.value,
        progress=seen.progress,
        outcome=seen.outcome.value,
        http_status=seen.http_status,
        detail=storable(seen.detail),
        now=now,
        claim_no=claimed.claim_no,
        model=storable(seen.model),
        submitted_at=seen.submitted_at,
        line=history.line(seen, now),
        most=history.MOST,
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
        now=now,
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
) -> Step[Told]:
    """The task has ended; the first to write it is right. Tells the first chunk of those
    who wait: `tell_rest` is for the others.
    """
    assert seen.status is not None  # noqa: S101 - an end has a status
    ended = yield ask(
        "end_watch",
        watch_id=watch_id,
        now=now,
        status=seen.status.value,
        progress=seen.progress,
        http_status=seen.http_status,
        model=storable(seen.model),
        submitted_at=seen.submitted_at,
        memory_until=memory_until,
        answer=box.seal_observation(seen),
    )
    if not ended:
        return Told()
    told = yield from tell_some(box, watch_id, seen, now)
    if told.after is not None:
        yield ask("set_untold", watch_id=watch_id, untold=1)
    for row in (yield ask("unschedule_watch", watch_id=watch_id)):
        polls, polled_at = row["claim_no"], row["polled_at"]
        yield ask("end_poll_count", watch_id=watch_id, polls=polls, polled_at=polled_at)
    credential_id = ended[0]["credential_id"]
    yield ask("key_worked", credential_id=credential_id, now=now)
    yield from wipe_unused_key(credential_id)
    return told


def tell_rest(box: Box, watch_id: int, *, now: float) -> Step[Told]:
    """Tell a chunk of those who have not heard of an end that is on record."""
    [watch] = yield ask("lock_watch", watch_id=watch_id)
    seen = opened(box.open_observation, watch["answer"])
    if seen is None:  # reopened since, or damaged: then the sweep has it polled anew
        yield ask("set_untold", watch_id=watch_id, untold=0)
        return Told()
    told = yield from tell_some(box, watch_id, seen, now)
    if told.after is None:
        yield ask("set_untold", watch_id=watch_id, untold=0)
    return told


def tell_forgotten(box: Box, watch_id: int, *, now: float) -> Step[Told]:
    """As `tell_rest`, of an end that somebody may be telling just now."""
    if not (yield ask("free_watch", watch_id=watch_id)):
        return Told()
    return (yield from tell_rest(box, watch_id, now=now))


def tell_some(box: Box, watch_id: int, seen: Observation, now: float) -> Step[Told]:
    rows = yield ask("listeners", watch_id=watch_id, after=0, limit=CHUNK)
    some = affordable(rows)
    keys: list[str] = []
    for row in some:
        keys += yield from tell_end(box, listener_of(box, row), seen, now=now)
    more = len(rows) == CHUNK or len(some) < len(rows)
    return Told(keys, some[-1]["id"] if more else None)
