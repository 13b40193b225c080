"""What the model foresees of given tasks, with a limit and without."""

from collections.abc import Iterable, Sequence
from itertools import count
from random import Random
from statistics import fmean
from typing import NamedTuple

from benchmarks.limited import Arrival, Provider, Shared
from benchmarks.schedules import Learner, planned
from bridge.budget import Budget
from bridge.cadence import Plan, PollPolicy
from bridge.rate import Rate

SELDOM = 1.0  # news that past tasks need for a new plan: plans take time to make
ROLLS = 20  # of the dice


class Cost(NamedTuple):
    """Of all the tasks: requests, and mean seconds from an end to the one that sees it."""

    requests: float
    lag_s: float


def taught(policy: PollPolicy, past: Iterable[float], dice: Random) -> Learner:
    """Tasks have taken so long, and were asked about as they would have been."""
    learner = Learner(policy, SELDOM)
    for took_s in past:
        learner.saw(planned(learner.plan)(took_s, dice))
    learner.learn()
    return learner


def foreseen(plan: Plan, tasks: Sequence[Arrival], limit: Rate | None) -> Cost:
    rolls = [
        shared_out(plan, tasks, limit, dice) if limit else as_planned(plan, tasks, dice)
        for dice in map(Random, range(ROLLS))
    ]
    return Cost(*map(fmean, zip(*rolls, strict=True)))


def as_planned(plan: Plan, tasks: Sequence[Arrival], dice: Random) -> Cost:
    seen = [planned(plan)(task.took_s, dice) for task in tasks]
    return Cost(sum(each.polls for each in seen), fmean(each.lag_s for each in seen))


def shared_out(plan: Plan, tasks: Sequence[Arrival], limit: Rate, dice: Random) -> Cost:
    """A request at each moment that a budget without a burst left allows one."""
    provider, gap_s = Provider(Shared(plan, dice), iter(tasks)), Budget(limit).gap_s
    for turn in count():
        provider.turn(turn * gap_s)
        if len(provider.ended) == len(tasks):
            break
    lags_s = [seen_at - task.ends_at for task, seen_at in provider.ended]
    return Cost(provider.requests, fmean(lags_s))
