"""What one answer means for a watch: ClaimedPoll and Observation in, Move out. Pure.

Only the provider's word ends a watch, and that needs no rule: an observation of an end is
recorded as it is. All else is here: what to write, when to ask again, and whether the
answer lets a subscription end by our own word.
"""

from dataclasses import dataclass
from math import sqrt

from bridge import cadence
from bridge.cadence import Pace, Plan, PollPolicy, remaining_s
from bridge.model import ClaimedPoll, Observation, Outcome, PollOutcome

STRIKES = 3  # not-found answers in a row, after the grace period, that are believed
REFUSALS = (PollOutcome.AUTH, PollOutcome.FORBIDDEN, PollOutcome.MISCONFIGURED)
UNREACHABLE = (*REFUSALS, PollOutcome.NOT_FOUND)
OLDEST_S = 30 * 86_400.0  # a provider's time of creation is believed up to here
SAME_S = 1.0  # times that differ by less are one


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Which subscriptions of the watch end now, by our own word."""

    outcome: Outcome
    created_before: float = float("-inf")
    deadline_before: float = float("-inf")

    def covers(self, created_at: float, deadline_at: float) -> bool:
        return created_at <= self.created_before or deadline_at <= self.deadline_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What to write after a poll that showed no end."""

    next_at: float | None = None  # None: as the claim has set it
    failures: int = 0
    strikes: int = 0
    changed: bool = False  # the stored status, outcome or progress is no longer true
    updated: bool = False  # … and a `task.updated` is owed to whoever asked for it
    key_worked: bool = False  # to be noted: it had not yet, or had been refused
    key_refused: bool = False
    throttled: bool = False  # the account is to rest
    closes: Closing | None = None
    retry_after_s: float | None = None
    dice: float = 0.0
    born_at: float | None = None  # to be noted: when the task began, by the provider

    @property
    def silent(self) -> bool:
        """Nothing to write: the claim has already said when to ask again."""
        return not (
            self.changed
            or self.next_at is not None
            or self.key_worked
            or self.key_refused
            or self.throttled
            or self.closes
            or self.born_at is not None
        )

    def refusal_pause_s(self, probes: int) -> float:
        return cadence.refused_pause_s(probes, self.dice)

    def throttle_pause_s(self, throttles: int) -> float:
        return cadence.throttled_pause_s(throttles, self.retry_after_s, self.dice)


def after(
    claimed: ClaimedPoll,
    seen: Observation,
    plan: Plan,
    *,
    now: float,
    dice: float,
    pace: Pace | None = None,
) -> Move:
    """The move after an observation that is not an end.

    `pace` is the last progress figure of the task that was another than this one.
    """
    policy = plan.policy
    born_at = birth(claimed, seen)
    moved = abs(born_at - claimed.born_at) > SAME_S
    strikes = strikes_after(claimed, seen, policy, now)
    failures = failures_after(claimed, seen, strikes)
    updated = is_update(claimed, seen)
    works = seen.outcome in (PollOutcome.PENDING, PollOutcome.NOT_FOUND)
    return Move(
        next_at=next_poll_at(claimed, seen, plan, failures, pace, now=now, dice=dice),
        failures=failures,
        strikes=strikes,
        changed=(
            seen.outcome != claimed.outcome
            or updated
            or (failures, strikes) != (claimed.failures, claimed.strikes)
        ),
        updated=updated,
        key_worked=works and (not claimed.key_worked or claimed.key_refused_at is not None),
        key_refused=seen.outcome is PollOutcome.AUTH,
        throttled=rests_account(seen),
        closes=closing(claimed, seen, policy, strikes, now),
        retry_after_s=account_rest_s(seen),
        dice=dice,
        born_at=born_at if moved else None,
    )


def birth(claimed: ClaimedPoll, seen: Observation) -> float:
    """When the task began: by the provider's word where it fits, else when we heard of it.

    Its clock may be ahead of ours, and it may write anything.
    """
    at = seen.submitted_at
    if at is None or at < claimed.created_at - OLDEST_S:
        return claimed.born_at
    return min(at, claimed.created_at)


def rests_account(seen: Observation) -> bool:
    """Whether the whole account is to rest: it asks too much, or the provider is down.

    A Retry-After beside a pending answer speaks of that task alone.
    """
    down = seen.outcome is PollOutcome.TRANSIENT and seen.retry_after_s is not None
    return down or seen.outcome is PollOutcome.THROTTLED


def account_rest_s(seen: Observation) -> float | None:
    """How long the provider wants the account to rest. A server that is down may say so of
    one task only, and must not rest all others for longer than a minute.
    """
    if seen.outcome is PollOutcome.TRANSIENT and seen.retry_after_s is not None:
        return min(seen.retry_after_s, cadence.THROTTLED_PAUSE_MAX_S)
    return seen.retry_after_s


def is_update(claimed: ClaimedPoll, seen: Observation) -> bool:
    if seen.status is None:
        return False
    moved = seen.progress is not None and seen.progress != claimed.progress
    return seen.status != claimed.status or (claimed.wants_updates and moved)


def strikes_after(
    claimed: ClaimedPoll, seen: Observation, policy: PollPolicy, now: float
) -> int:
    """Not-found answers in a row, counted from a grace period after the first of them.

    A gateway may hand out an id before it can find it, and a replica may be behind.
    """
    if seen.ours:
        return claimed.strikes
    if seen.outcome is not PollOutcome.NOT_FOUND:
        return 0
    since = claimed.outcome_since if claimed.outcome is PollOutcome.NOT_FOUND else now
    return claimed.strikes + 1 if now - (since or now) >= policy.grace_s else 0


def failures_after(claimed: ClaimedPoll, seen: Observation, strikes: int) -> int:
    """Polls in a row that failed. Throttling is the lane's affair, a broken
    proxy the operator's; neither is the watch's.
    """
    if seen.outcome is PollOutcome.PENDING:
        return 0
    if seen.outcome is PollOutcome.NOT_FOUND and strikes <= STRIKES:
        return 0
    if seen.ours or seen.outcome is PollOutcome.THROTTLED:
        return claimed.failures
    return claimed.failures + 1


def next_poll_at(
    claimed: ClaimedPoll,
    seen: Observation,
    plan: Plan,
    failures: int,
    pace: Pace | None,
    *,
    now: float,
    dice: float,
) -> float | None:
    """None: as the claim has set it. `Retry-After` only lengthens the wait."""
    if seen.outcome is PollOutcome.THROTTLED:
        return None  # the whole lane waits
    asked_at = 0.0
    if seen.retry_after_s:
        asked_at = now + min(seen.retry_after_s, cadence.RETRY_AFTER_MAX_S)
    if failures:
        closing_ = claimed.closing_at is not None
        pause_s = cadence.pause_s(plan.policy, failures, dice, closing=closing_)
        return max(now + pause_s, asked_at)
    planned_at = replanned_at(claimed, seen, plan, pace, now=now, dice=dice)
    if planned_at is not None:
        return max(planned_at, asked_at)
    earliest = max(asked_at, refreshed_at(claimed, seen, plan.policy, pace))
    return earliest if earliest > claimed.next_at else None


def replanned_at(
    claimed: ClaimedPoll,
    seen: Observation,
    plan: Plan,
    pace: Pace | None,
    *,
    now: float,
    dice: float,
) -> float | None:
    """A better time for the next poll than the claim could know, if this answer has one:
    by the age that the provider gives the task, or by its progress.
    """
    born_at = birth(claimed, seen)
    left_s = None
    if seen.progress is not None and pace is not None:
        left_s = remaining_s(Pace(seen.progress, now), pace, born_at)
    if left_s is not None and plan.guided:
        return now + plan.guided_gap_s(left_s, dice) * sqrt(claimed.stretch)
    if abs(born_at - claimed.born_at) > SAME_S:
        return now + plan.gap_s(now - born_at, dice, claimed.stretch)
    return None


def refreshed_at(
    claimed: ClaimedPoll, seen: Observation, policy: PollPolicy, pace: Pace | None
) -> float:
    """Before when the provider will not have looked again itself.

    Its answers are a cache: news since the last poll means that it has looked since then.
    While there are none, nobody can tell when it looks, and asking is never too early.
    """
    moved = pace is not None and seen.progress not in (None, pace.progress)
    news = claimed.status not in (None, seen.status) or moved
    if policy.refresh_s is None or not news or claimed.polled_at is None:
        return 0.0
    return claimed.polled_at + policy.refresh_s


def closing(
    claimed: ClaimedPoll, seen: Observation, policy: PollPolicy, strikes: int, now: float
) -> Closing | None:
    """Whether this answer ends subscriptions: the task is not there, or their time is up.

    A key that had worked before and is refused now ends nothing: it may be mended, and the
    task goes on meanwhile.
    """
    lost = strikes >= STRIKES
    created_before = now - policy.grace_s if lost else float("-inf")
    outcome = own_outcome(seen.outcome)
    key_lost = seen.outcome is PollOutcome.AUTH and claimed.key_worked
    due = claimed.closing_at is not None and claimed.claimed_at >= claimed.closing_at
    told = (
        seen.outcome is PollOutcome.PENDING
        or (seen.outcome in REFUSALS and not key_lost)
        or lost
    )
    if not (due and told) and not lost:
        return None
    deadline_before = claimed.claimed_at if due and told else float("-inf")
    return Closing(
        outcome=outcome, created_before=created_before, deadline_before=deadline_before
    )


def own_outcome(last: PollOutcome | None) -> Outcome:
    """Our word for an end without the provider's, by what its last answer was."""
    return Outcome.UNREACHABLE if last in UNREACHABLE else Outcome.TIMED_OUT
