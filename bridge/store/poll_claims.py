"""Steps of claiming polls: which credentials have watches due, and taking these."""

from collections.abc import Collection, Sequence
from math import ceil
from operator import itemgetter

import orjson

from bridge.budget import Budget
from bridge.lanes import Lane, Ready, Window
from bridge.model import ClaimedPoll, PollOutcome, Status
from bridge.store.box import Box, opened
from bridge.store.claims import ELSEWHERE_S, Claims, Kind, Pick, look
from bridge.store.spacing import Pace, Spacing
from bridge.store.steps import Query, Row, Rows, Step, ask

# A budget's wait is looked at again after so long: a reload may have raised the rate.
BUDGET_LOOK_S = 60.0
PROBE_ALONE_S = 5.0  # for which no other node tries a refused key as well
WARY_LOOK = 64  # due watches among which a probe is chosen


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
    pace: Pace,
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
        spacing = Spacing(pace, orjson.loads(rows[0]["stretches"]), now)
        bound = budget is not None and budget.available(now) <= pick.count
        taken = yield from claim_some(box, pick, count, spacing, in_flight, bound=bound)
        left = yield from leave(pick, budget, len(taken), spacing)
        moved[pick.lane.place] = left
        items += taken
    return Claims(items, moved)


def keep_polls(polls: Collection[tuple[int, int]], *, until: float) -> Step[None]:
    """These, by watch and number of the claim, are still awaited here."""
    yield Query(
        "keep_poll",
        [
            {"watch_id": watch_id, "claim_no": claim_no, "next_at": until}
            for watch_id, claim_no in sorted(polls)
        ],
    )


def leave(
    pick: Pick, budget: Budget | None, spent: int, spacing: Spacing
) -> Step[float | None]:
    """When the credential will be ready again."""
    now, full_at, free_at = spacing.now, 0.0, 0.0
    if budget is not None:
        budget = budget.spend(spent, now)
        full_at, free_at = budget.full_at, min(budget.free_at(now), now + BUDGET_LOOK_S)
    if pick.lane.probing and spent:
        free_at = max(free_at, now + PROBE_ALONE_S)
    left = yield ask(
        "leave_credential",
        credential_id=pick.lane.id,
        full_at=full_at,
        free_at=free_at,
        stretches=spacing.written(),
    )
    yield ask("advance_credential_to_next", credential_id=pick.lane.id)
    return left[0]["ready_at"] if left else None


def claim_some(
    box: Box,
    pick: Pick,
    count: int,
    spacing: Spacing,
    in_flight: Collection[int],
    *,
    bound: bool,
) -> Step[list[ClaimedPoll]]:
    """Up to `count` of one credential's due watches. `bound`: by its rate limit."""
    if count < 1:
        return []
    limit = count + pick.held
    look = max(limit, WARY_LOOK) if pick.wary else limit
    rows = yield ask(
        "due_polls", credential_id=pick.lane.id, now=spacing.now, limit=look + 1
    )
    crowded = len(rows) > limit
    if crowded:
        rows = yield from shared_out(pick, rows, look, spacing.now)
    if pick.wary:
        rows = sorted(rows, key=itemgetter("failures"))[:limit]
    short = crowded and bound
    free: list[Row] = []
    others: list[Row] = []
    for row in rows:
        waits = row["watch_id"] in in_flight or (short and spacing.early(row))
        (others if waits else free).append(row)
    for row in free[:count]:
        spacing.asked(row, short=short)
    items = [claimed_poll(box, row, spacing) for row in free[:count]]
    yield from move_on(items, others, spacing)
    return items


def shared_out(pick: Pick, rows: Rows, limit: int, now: float) -> Step[Rows]:
    """Where not all can be asked, as many of each client; what one leaves is the next's.

    So somebody's ten thousand watches stand before nobody's one.
    """
    shares = yield ask("waiting_shares", credential_id=pick.lane.id, now=now)
    if len(shares) < 2:
        return rows[:limit]
    first = int(pick.dice * len(shares))
    found: list[Row] = []
    for index, row in enumerate([*shares[first:], *shares[:first]]):
        part = ceil((limit - len(found)) / (len(shares) - index))
        found += yield ask(
            "due_polls_of_share",
            credential_id=pick.lane.id,
            share=row["share"],
            now=now,
            limit=part,
        )
    return found


def move_on(items: Sequence[ClaimedPoll], busy: Rows, spacing: Spacing) -> Step[None]:
    if items:
        yield Query(
            "claim_poll",
            [
                {"watch_id": item.watch_id, "next_at": item.next_at, "now": spacing.now}
                for item in items
            ],
        )
    if busy:
        yield Query(
            "rearm_poll",
            [
                {"watch_id": row["watch_id"], "next_at": spacing.again_at(row)}
                for row in busy
            ],
        )


def claimed_poll(box: Box, row: Row, spacing: Spacing) -> ClaimedPoll:
    return ClaimedPoll(
        watch_id=row["watch_id"],
        claim_no=row["claim_no"] + 1,
        polls_before=row["polls"],
        claimed_at=spacing.now,
        next_at=spacing.next_at(row),
        stretch=spacing.stretch(row),
        credential_id=row["credential_id"],
        provider=row["provider"],
        model=row["model"],
        task_id=row["task_id"],
        params=orjson.loads(row["params"]),
        own=bool(row["own"]),
        own_key=opened(box.open_key, row["sealed"]),
        key_worked=row["worked_at"] is not None,
        key_refused_at=row["refused_at"],
        key_refused_by=row["refused_by"],
        born_at=row["born_at"],
        created_at=row["created_at"],
        polled_at=row["polled_at"],
        status=row["status"] and Status(row["status"]),
        progress=row["progress"],
        outcome=row["outcome"] and PollOutcome(row["outcome"]),
        outcome_since=row["outcome_since"],
        failures=row["failures"],
        strikes=row["strikes"],
        closing_at=row["closing_at"],
        wants_updates=bool(row["updates"]),
        wants_raw=bool(row["raw"]),
        alone=bool(row["alone"]),
    )
