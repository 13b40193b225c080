"""Steps of upkeep: deadlines, the sweep for what must not exist, pruning."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from bridge import events
from bridge.cadence import PollPolicy
from bridge.model import DeliveryState, Observation, PollOutcome
from bridge.store.box import Box, opened
from bridge.store.claims import share_of
from bridge.store.rows import listener, listener_of
from bridge.store.steps import Row, Step, ask
from bridge.store.telling import CHUNK, PATIENCE_S, close, rest_if_idle, schedule, tell_end
from bridge.transition import own_outcome

LAST_WORD_S = 300.0  # how long after its deadline a subscription waits for an answer
FIRST_IN_LANE_S = 86_400.0  # how long before now a last look is said to be due
KEY_CHANCE_S = 600.0  # for a key that has never worked
AMISS = (
    "unwatched_subscriptions",
    "unchecked_subscriptions",
    "untold_ends",
    "unscheduled_deliveries",
    "idle_schedules",
    "late_credentials",
    "late_lanes",
)
LEAST_PAUSE_S = 60.0  # by which a deadline moves while it waits for a key to be mended


class Doubt(NamedTuple):
    """What time it is for what cannot be taken back: `now` for whatever was made `since`,
    `until` for what is older.
    """

    now: float
    until: float
    since: float

    @classmethod
    def none(cls, now: float) -> "Doubt":
        return cls(now, now, now)


@dataclass(frozen=True, slots=True)
class Deadlines:
    ended: list[str]  # keys of subscriptions
    polled: bool  # a watch has become due
    more: bool  # the chunk was full


def check_deadlines(
    box: Box, policy: Callable[[str], PollPolicy], doubt: Doubt
) -> Step[Deadlines]:
    """Ask once more for whom the time is up; end whom no answer came for."""
    now = doubt.now
    rows = yield ask(
        "due_deadlines", now=now, until=doubt.until, since=doubt.since, limit=CHUNK
    )
    overdue: list[Row] = []
    polled = False
    for row in sorted(rows, key=itemgetter("watch_id")):
        yield ask("lock_watch", watch_id=row["watch_id"])
        retained_until = row["created_at"] + policy(row["provider"]).retention_s
        until = now if row["created_at"] >= doubt.since else doubt.until
        if key_is_lost(row) and until < retained_until:
            spare_s = spare_of(row)
            deadline_at = min(until + max(spare_s, LEAST_PAUSE_S), retained_until)
            yield ask(
                "move_deadline",
                subscription_id=row["id"],
                deadline_at=deadline_at,
                spare_s=spare_s,
            )
        elif row["closing_at"] is None:
            polled = True
            check_at = until + LAST_WORD_S
            yield ask(
                "check_later", subscription_id=row["id"], check_at=check_at, closing_at=now
            )
            at = now - FIRST_IN_LANE_S
            yield ask(
                "poll_now",
                watch_id=row["watch_id"],
                at=at,
                closing_at=row["deadline_at"],
            )
            yield ask("advance_credential", credential_id=row["credential_id"], at=at)
        else:
            overdue.append(row)
    ended = yield from end_by_our_word(box, overdue, now)
    return Deadlines(ended, polled, more=len(rows) == CHUNK)


def key_is_lost(row: Row) -> bool:
    """The key worked before and is refused now: the operator may still mend it."""
    refused = row["probes"] > 0 or row["outcome"] == PollOutcome.AUTH
    return refused and row["worked_at"] is not None


def spare_of(row: Row) -> float:
    """How much time was left when the key broke; as much is to be left when it works."""
    if row["spare_s"] is not None:
        return float(row["spare_s"])
    return float(row["deadline_at"] - (row["refused_at"] or row["deadline_at"]))


def end_by_our_word(box: Box, rows: Iterable[Row], now: float) -> Step[list[str]]:
    """End these subscriptions as the last answer about their watch allows."""
    watches: dict[int, list[Row]] = {}
    for row in rows:
        watches.setdefault(row["watch_id"], []).append(row)
    ended: list[str] = []
    for watch_id in sorted(watches):
        [watch] = yield ask("lock_watch", watch_id=watch_id)
        for row in watches[watch_id]:
            last = PollOutcome(row["outcome"] or PollOutcome.UNREACHABLE)
            seen, word = Observation(outcome=last), own_outcome(last)
            for found in (yield from listener(watch_id, row["id"])):
                ended += yield from close(box, listener_of(box, found), word, seen, now=now)
        yield from rest_if_idle(watch_id, watch["credential_id"])
    return ended


def end_keyless(box: Box, doubt: Doubt) -> Step[list[str]]:
    """End a chunk of what waits for a key that was refused from the start and still is."""
    rows = yield ask(
        "keyless_subscriptions",
        before=doubt.until - KEY_CHANCE_S,
        since=doubt.since,
        fresh_before=doubt.now - KEY_CHANCE_S,
        limit=CHUNK,
    )
    return (yield from end_by_our_word(box, rows, doubt.now))


def anything_amiss() -> Step[bool]:
    """Whether a sweep would find something: a look that holds up nobody who writes."""
    for query in AMISS:
        if (yield ask(query, limit=1)):
            return True
    return False


def sweep(box: Box, *, now: float, shared: bool) -> Step[int]:
    """Find and repair what must not exist; how much of it: 0 unless there is a bug.

    That a lane is late is none where several nodes share the database: one of them may
    have died between a commit and what is told of it afterwards.
    """
    repaired = yield from sweep_subscriptions(box, now)
    for row in (yield ask("untold_ends", limit=CHUNK)):
        repaired += 1
        yield from owe_end(row, now)
    for row in (yield ask("unscheduled_deliveries", limit=CHUNK)):
        repaired += 1
        retry = row["state"] == DeliveryState.RETRYING
        yield from schedule(row["id"], row["lane_id"], at=now + PATIENCE_S, retry=retry)
    for row in (yield ask("idle_schedules", limit=CHUNK)):
        repaired += 1
        [watch] = yield ask("lock_watch", watch_id=row["watch_id"])
        yield from rest_if_idle(row["watch_id"], watch["credential_id"])
    late = yield from sweep_lanes()
    return repaired if shared else repaired + late


def sweep_lanes() -> Step[int]:
    """Lanes that would be looked at later than their work is due."""
    credentials = yield ask("late_credentials", limit=CHUNK)
    for row in credentials:
        yield ask("advance_credential", credential_id=row["id"], at=row["at"])
    lanes = yield ask("late_lanes", limit=CHUNK)
    for row in lanes:
        advance = "advance_retry" if row["retry"] else "advance_first"
        yield ask(advance, lane_id=row["id"], at=row["at"])
    return len(credentials) + len(lanes)


def sweep_subscriptions(box: Box, now: float) -> Step[int]:
    repaired = 0
    for row in (yield ask("unwatched_subscriptions", limit=CHUNK)):
        repaired += 1
        yield from rewatch(box, row, now)
    for row in (yield ask("unchecked_subscriptions", limit=CHUNK)):
        repaired += 1
        check_at = row["deadline_at"]
        yield ask(
            "check_later", subscription_id=row["id"], check_at=check_at, closing_at=None
        )
    return repaired


def rewatch(box: Box, row: Row, now: float) -> Step[None]:
    """Tell an end that was missed, or poll the watch again."""
    [watch] = yield ask("lock_watch", watch_id=row["watch_id"])
    seen = opened(box.open_observation, watch["answer"])
    if seen is not None:
        for one in (yield from listener(row["watch_id"], row["id"])):
            yield from tell_end(box, listener_of(box, one), seen, now=now)
        return
    if watch["ended_at"] is not None:
        yield ask("reopen_watch", watch_id=row["watch_id"], now=now)
    yield ask(
        "schedule_watch",
        watch_id=row["watch_id"],
        credential_id=watch["credential_id"],
        share=share_of(row["client"]),
        next_at=now,
        claim_no=row["polls"],
        born_at=row["created_at"],
        updates=int(events.TASK_UPDATED in row["events"].split(" ")),
        raw=row["include_raw"],
    )
    yield ask("advance_credential", credential_id=watch["credential_id"], at=now)


def owe_end(row: Row, now: float) -> Step[None]:
    wanted = row["type"] in events.expand(row["events"].split(" "))
    state = DeliveryState.WAITING if wanted else DeliveryState.FILTERED
    state = DeliveryState.GONE if wanted and row["gone_at"] is not None else state
    [delivery] = yield ask(
        "add_delivery",
        subscription_id=row["id"],
        sequence=0,
        destination_id=row["destination_id"],
        state=state.value,
        now=now,
    )
    if state.pending:
        at = now + PATIENCE_S
        yield from schedule(delivery["id"], row["lane_id"], at=at, retry=False)


def prune(*, before: float) -> Step[int]:
    """Delete one chunk of what finished before `before`; how many subscriptions."""
    rows = yield ask("old_subscriptions", before=before, limit=CHUNK)
    for row in rows:
        yield ask("delete_attempts", subscription_id=row["id"])
        yield ask("delete_deliveries", subscription_id=row["id"])
        yield ask("delete_events", subscription_id=row["id"])
        yield ask("delete_subscription", subscription_id=row["id"])
        yield ask("delete_watch", watch_id=row["watch_id"])
        yield ask("delete_credential", credential_id=row["credential_id"])
        if row["destination_id"] is not None:
            yield ask("delete_destination", destination_id=row["destination_id"])
            yield ask("delete_lane", lane_id=row["lane_id"])
    return len(rows)


def forget(*, now: float, idempotency_before: float) -> Step[int]:
    """Drop a chunk of the answers and keys that are remembered no longer; how many."""
    answers = yield ask("forget_answers", now=now, limit=CHUNK)
    keys = yield ask("forget_keys", before=idempotency_before, limit=CHUNK)
    return len(answers) + len(keys)
