"""Steps of claiming polls: which credentials have watches due, and taking these."""

from collections.abc import Callable, Collection, Sequence

import orjson

from bridge.budget import Budget
from bridge.lanes import Lane, Ready, Window
from bridge.model import ClaimedPoll, PollOutcome, Status
from bridge.store.box import Box, opened
from bridge.store.claims import ELSEWHERE_S, Claims, Kind, Pick, look
from bridge.store.steps import Query, Row, Step, ask

# A budget's wait is looked at again after so long: a reload may have raised the rate.
BUDGET_LOOK_S = 60.0

# From (provider, age of the task in seconds) to the seconds until its next poll.
Gap = Callable[[str, float], float]


def poll_lane(row: Row) -> Lane:
    return Lane(
        row["id"],
        row["provider"],
        row["provider"],
        ready_at=row["ready_at"],
        probing=row["probes"] > 0,
    )


LANES = (Kind("poll_owners", "ready_credentials", poll_lane),)


def poll_lanes(*, now: float, window: Window) -> Step[Ready]:
    return (yield from look(LANES, now, window))


def claim_polls(
    box: Box,
    picks: Sequence[Pick],
    *,
    now: float,
    gap: Gap,
    in_flight: Collection[int],
) -> Step[Claims[ClaimedPoll]]:
    """Take due watches; each is moved to its next poll, so that a crash only skips one.

    A watch of `in_flight` is moved on without being asked again: its answer takes longer
    than its gap. Of a credential no more are taken than its rate allows.
    """
    items: list[ClaimedPoll] = []
    moved: dict[tuple[int, bool], float | None] = {}
    for pick in picks:
        rows = yield ask("due_credential", credential_id=pick.lane.id)
        if not rows:
            moved[pick.lane.place] = now + ELSEWHERE_S
            continue
        budget = Budget(pick.rate, rows[0]["full_at"]) if pick.rate else None
        count = min(pick.count, budget.available(now)) if budget else pick.count
        taken = yield from claim_some(
            box, pick, count, now=now, gap=gap, in_flight=in_flight
        )
        moved[pick.lane.place] = yield from leave(pick, budget, len(taken), now)
        items += taken
    return Claims(items, moved)


def leave(pick: Pick, budget: Budget | None, spent: int, now: float) -> Step[float | None]:
    """When the credential will be ready again."""
    full_at = free_at = 0.0
    if budget is not None:
        budget = budget.spend(spent, now)
        full_at, free_at = budget.full_at, min(budget.free_at(now), now + BUDGET_LOOK_S)
    left = yield ask(
        "leave_credential", credential_id=pick.lane.id, full_at=full_at, free_at=free_at
    )
    yield ask("advance_credential_to_next", credential_id=pick.lane.id)
    return left[0]["ready_at"] if left else None


def claim_some(
    box: Box,
    pick: Pick,
    count: int,
    *,
    now: float,
    gap: Gap,
    in_flight: Collection[int],
) -> Step[list[ClaimedPoll]]:
    """Up to `count` of one credential's due watches."""
    if count < 1:
        return []
    rows = yield ask(
        "due_polls", credential_id=pick.lane.id, now=now, limit=count + pick.held
    )
    fresh = [row for row in rows if row["watch_id"] not in in_flight][:count]
    busy = [row for row in rows if row["watch_id"] in in_flight]
    items = [claimed_poll(box, row, now, gap) for row in fresh]
    if items:
        yield Query(
            "claim_poll",
            [
                {"watch_id": item.watch_id, "next_at": item.next_at, "now": now}
                for item in items
            ],
        )
    if busy:
        yield Query(
            "rearm_poll",
            [
                {
                    "watch_id": row["watch_id"],
                    "next_at": now + gap(row["provider"], now - row["born_at"]),
                }
                for row in busy
            ],
        )
    return items


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
        own=bool(row["own"]),
        own_key=opened(box.open_key, row["sealed"]),
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
