"""Steps of upkeep: deadlines, keys that never worked, pruning."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from bridge.cadence import PollPolicy
from bridge.model import Observation, PollOutcome
from bridge.store import hooks, noticing
from bridge.store.box import Box
from bridge.store.rows import listener, listener_of
from bridge.store.steps import Row, Rows, Step, ask
from bridge.store.telling import CHUNK, close, rest_if_idle
from bridge.transition import own_outcome

LAST_WORD_S = 300.0  # how long after its deadline a subscription waits for an answer
FIRST_IN_LANE_S = 86_400.0  # how long before now a last look is said to be due
KEY_CHANCE_S = 600.0  # for a key that has never worked
CLEARING = "clear out"
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
    more: bool  # some are left


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
    more = len(rows) == CHUNK or len(ended) < len(overdue)
    return Deadlines(ended, polled, more)


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
    """End these subscriptions as the last answer about their watch allows; none of those
    any more who would be owed more than a chunk together with the others.
    """
    owed = 0
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
                owed += 1 + found["hooks"]
                if owed > CHUNK and ended:
                    continue
                ended += yield from close(box, listener_of(box, found), word, seen, now=now)
        yield from rest_if_idle(watch_id, watch["credential_id"])
    return ended


def end_keyless(box: Box, doubt: Doubt) -> Step[list[str]]:
    """End a chunk of what waits for a key that was refused from the start and still is.

    It is looked up again with their watches locked: the key may have begun to work.
    """
    taken = {row["watch_id"] for row in (yield from keyless(doubt))}
    for watch_id in sorted(taken):
        yield ask("lock_watch", watch_id=watch_id)
    rows = (yield from keyless(doubt)) if taken else ()
    still = [row for row in rows if row["watch_id"] in taken]
    return (yield from end_by_our_word(box, still, doubt.now))


def keyless(doubt: Doubt) -> Step[Rows]:
    return (
        yield ask(
            "keyless_subscriptions",
            before=doubt.until - KEY_CHANCE_S,
            since=doubt.since,
            fresh_before=doubt.now - KEY_CHANCE_S,
            limit=CHUNK,
        )
    )


def prune(*, before: float, shared: bool) -> Step[int]:
    """Delete one chunk of what finished before `before`; how many subscriptions."""
    if shared and not (yield from alone()):
        return 0
    yield from noticing.clear_out(before=before)
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
    if rows:
        yield ask("delete_robots")
    return len(rows)


def alone() -> Step[bool]:
    """Whether no other node is clearing out: it would be at the same rows."""
    yield ask("add_job", name=CLEARING)
    return bool((yield ask("free_job", name=CLEARING)))


def forget(*, now: float, idempotency_before: float, shared: bool) -> Step[int]:
    """Drop a chunk of the answers and keys that are remembered no longer; how many."""
    if shared and not (yield from alone()):
        return 0
    answers = yield ask("forget_answers", now=now, limit=CHUNK)
    keys = yield ask("forget_keys", before=idempotency_before, limit=CHUNK)
    yield from hooks.clear_out(now=now)
    return len(answers) + len(keys)
