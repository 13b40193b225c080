"""Steps of asking about several tasks in one request, where a provider has a list call."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.budget import Budget
from bridge.model import ClaimedPoll
from bridge.rate import Rate
from bridge.store.box import Box
from bridge.store.poll_claims import claimed_poll, move_on
from bridge.store.spacing import Pace, Spacing
from bridge.store.steps import Step, ask


@dataclass(frozen=True, slots=True)
class Ride:
    """What one request may carry beside the watch it is made for."""

    made_for: ClaimedPoll
    most: int
    rate: Rate  # of such requests
    least_s: float  # since a rider was asked about

    @property
    def credential_id(self) -> int:
        return self.made_for.credential_id


def claim_riders(
    box: Box, ride: Ride, *, now: float, pace: Pace, in_flight: Collection[int]
) -> Step[list[ClaimedPoll]]:
    """Watches of the same credential, those first that are due soonest; none if its lists
    are used up for now. They cost nothing, so they need not be due.

    So many share the cost of the next list that it is made as much sooner.
    """
    rows = yield ask("due_batch", credential_id=ride.credential_id)
    budget = Budget(ride.rate, rows[0]["batch_full_at"] if rows else now + 1e9)
    if not rows or not budget.available(now):
        return []
    found = yield ask(
        "due_riders",
        credential_id=ride.credential_id,
        now=now,
        before=now - ride.least_s,
        limit=ride.most + len(in_flight),
    )
    fresh = [row for row in found if row["watch_id"] not in in_flight][: ride.most]
    if not fresh:
        return []
    spacing = Spacing(pace, {}, now)
    riders = [claimed_poll(box, row, spacing) for row in fresh]
    yield from move_on(riders, (), spacing)
    budget = budget.spend(1, now)
    yield ask("spend_batch", credential_id=ride.credential_id, full_at=budget.full_at)
    shared_s = (ride.made_for.next_at - now) / (1 + len(riders))
    at = max(budget.free_at(now), now + ride.least_s, now + shared_s)
    yield ask("poll_by", watch_id=ride.made_for.watch_id, at=at)
    yield ask("advance_credential", credential_id=ride.credential_id, at=at)
    return riders


def ask_alone(polls: Sequence[ClaimedPoll], *, now: float, for_good: bool) -> Step[None]:
    """Have these asked about one by one, as a list did not speak of them."""
    for one in sorted(polls, key=lambda each: each.watch_id):
        rows = yield ask(
            "ask_alone",
            watch_id=one.watch_id,
            claim_no=one.claim_no,
            now=now,
            alone=int(for_good),
        )
        for row in rows:
            yield ask("advance_credential", credential_id=row["credential_id"], at=now)
