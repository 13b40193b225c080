"""Rules by which a simulated task is polled: by a plan, by its progress, at given ages."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import sqrt
from random import Random
from statistics import fmean
from typing import NamedTuple

from benchmarks.durations import Durations
from bridge.cadence import History, Pace, Plan, PollPolicy, following, learned, remaining_s

PROGRESS_NOISE = 0.5  # percent, beside its being rounded
GROWTH = 1.01  # from one age of the oracle's grid to the next
OLDEST_S = 20_000.0
SEARCHES = 16


class Seen(NamedTuple):
    """One task: how often it was polled, and between which two polls it ended."""

    polls: int
    since_s: float
    until_s: float
    took_s: float

    @property
    def lag_s(self) -> float:
        return self.until_s - self.took_s


Rule = Callable[[float, Random], Seen]


def planned(plan: Plan) -> Rule:
    def rule(took_s: float, dice: Random) -> Seen:
        polls, since_s, until_s = 1, 0.0, plan.gap_s(0.0, dice.random())
        while until_s < took_s:
            polls, since_s = polls + 1, until_s
            until_s += plan.gap_s(until_s, dice.random())
        return Seen(polls, since_s, until_s, took_s)

    return rule


def guided(plan: Plan) -> Rule:
    """The task tells its progress, and the bridge does with it what `transition` does."""

    def rule(took_s: float, dice: Random) -> Seen:
        polls, since_s, until_s = 1, 0.0, plan.gap_s(0.0, dice.random())
        pace: Pace | None = None
        while until_s < took_s:
            progress = told(until_s / took_s, dice)
            gap_s = guided_gap_s(plan, progress, pace, until_s, dice)
            pace = following(pace, progress, until_s)
            polls, since_s, until_s = polls + 1, until_s, until_s + gap_s
        return Seen(polls, since_s, until_s, took_s)

    return rule


def told(share: float, dice: Random) -> int:
    return min(max(round(100 * share + dice.gauss(0, PROGRESS_NOISE)), 0), 99)


def guided_gap_s(
    plan: Plan, progress: int, pace: Pace | None, now: float, dice: Random
) -> float:
    left_s = pace and remaining_s(Pace(progress, now), pace, 0.0)
    if left_s is not None:
        return plan.guided_gap_s(left_s, dice.random())
    return plan.gap_s(now, dice.random())


def at_ages(ages: Sequence[float]) -> Rule:
    def rule(took_s: float, _dice: Random) -> Seen:
        at = bisect_left(ages, took_s)
        return Seen(at + 1, ages[at - 1] if at else 0.0, ages[at], took_s)

    return rule


def oracle(
    durations: Durations, policy: PollPolicy, tasks: Sequence[float], polls: float
) -> Rule:
    """The best if the distribution is known (Keller 1974), at so many polls of `tasks`."""
    grid = [policy.min_s / 10]
    while grid[-1] < OLDEST_S:
        grid.append(grid[-1] * GROWTH)
    roots = [sqrt(durations.hazard(age_s)) for age_s in grid]
    low, high = 0.1, 100.0
    for _ in range(SEARCHES):
        middle = sqrt(low * high)
        ages = placed(grid, [middle * root for root in roots], policy)
        spent = fmean(bisect_left(ages, took_s) + 1 for took_s in tasks)
        low, high = (low, middle) if spent > polls else (middle, high)
    return at_ages(placed(grid, [low * root for root in roots], policy))


def placed(
    grid: Sequence[float], densities: Sequence[float], policy: PollPolicy
) -> list[float]:
    """A poll each time that the density has added up to one."""
    bounded = [min(max(each, 1 / policy.max_s), 1 / policy.min_s) for each in densities]
    parts = zip(pairwise(grid), pairwise(bounded), strict=True)
    steps = [(after - before) * (a + b) / 2 for (before, after), (a, b) in parts]
    sums = list(accumulate(steps, initial=bounded[0] * grid[0]))
    ages, at = [], 0
    for due in range(1, int(sums[-1]) + 1):
        while sums[at + 1] < due:
            at += 1
        share = (due - sums[at]) / (sums[at + 1] - sums[at])
        ages.append(grid[at] + share * (grid[at + 1] - grid[at]))
    return ages


class Learner:
    """Learns of ends as the bridge does: between which two polls each of them was.

    A new plan is made when there is news of so much of what is known.
    """

    def __init__(self, policy: PollPolicy, news: float) -> None:
        self._policy, self.share = policy, news
        self.history, self._news = History(), History()
        self.plan = learned(policy, self.history)

    def saw(self, seen: Seen) -> None:
        self._news.ran(0.0, seen.since_s)
        self._news.ended(seen.since_s, seen.until_s)
        if self._news.count > self.share * self.history.tasks:
            self.learn()

    def learn(self) -> None:
        self.history.add(self._news)
        self._news = History()
        self.plan = learned(self._policy, self.history)
