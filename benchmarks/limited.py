"""Tasks behind one key whose rate limit is too small for them: who is asked next."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from random import Random
from statistics import fmean
from typing import NamedTuple, Protocol

from benchmarks.durations import lognormal
from benchmarks.schedules import Learner, planned
from bridge.cadence import Plan, PollPolicy, stretched

HEADINGS = ("how", "requests/s", "in flight", "polls of a task", "mean lag", "÷ first")
DURATIONS = lognormal(120.0, 0.4)
PAST = 1_000
SETTLED = 0.2  # of the time is not counted


@dataclass(frozen=True, slots=True)
class Limit:
    """What a provider allows with one key, and how many tasks there are."""

    requests_per_s: float
    arrivals_per_s: float
    policy: PollPolicy
    carried: int = 1  # tasks that one request asks about, soonest due first


# With so many arrivals the queue has a thousand tasks in flight, and Ark's key two hundred.
TIGHT = Limit(10.0, 5.6, PollPolicy(expected_s=120.0))
ARK = PollPolicy(interval_s=10.0, min_s=3.0, expected_s=60.0)
ONE_BY_ONE, LISTED = Limit(18.0, 1.52, ARK), Limit(1.0, 1.52, ARK, carried=190)


class Task(NamedTuple):
    """They sort as they are due."""

    due_at: float
    number: int
    born_at: float
    ends_at: float
    polled_at: float
    polls: int = 0


class Spacing(Protocol):
    def first_s(self) -> float: ...

    def gap_s(self, task: Task, now: float, *, short: bool) -> float: ...


class Queue:
    """Each is due again after the interval, and is asked when its turn comes."""

    def __init__(self, policy: PollPolicy) -> None:
        self._interval_s = policy.interval_s

    def first_s(self) -> float:
        return self._interval_s

    def gap_s(self, task: Task, now: float, *, short: bool) -> float:  # noqa: ARG002 (a `Spacing`)
        return self._interval_s


class Shared:
    """As `Spacing` of `bridge.store.spacing` does it."""

    def __init__(self, plan: Plan, dice: Random) -> None:
        self._plan, self._dice, self._stretch = plan, dice, 1.0

    def first_s(self) -> float:
        return self._plan.gap_s(0.0, self._dice.random(), self._stretch)

    def gap_s(self, task: Task, now: float, *, short: bool) -> float:
        age_s = now - task.born_at
        if short or self._stretch > 1:
            waited = self._plan.waited(task.polled_at - task.born_at, age_s)
            self._stretch = stretched(self._stretch, waited, short=short)
        return self._plan.gap_s(age_s, self._dice.random(), self._stretch)


class Arrival(NamedTuple):
    """A task begins, and will take so long."""

    born_at: float
    took_s: float


NO_MORE = Arrival(inf, 0.0)


class Provider:
    """At each turn some of the tasks in flight are asked about, `carried` by a request."""

    def __init__(
        self, spacing: Spacing, arrivals: Iterator[Arrival], carried: int = 1
    ) -> None:
        self._spacing, self._arrivals, self._carried = spacing, arrivals, carried
        self._in_flight: list[Task] = []
        self._next, self._arrived = next(arrivals, NO_MORE), 0
        self.ended: list[tuple[Task, float]] = []
        self.counts: list[int] = []  # of tasks in flight, at each turn
        self.requests = 0

    def turn(self, now: float) -> None:
        self._arrive(now)
        self.counts.append(len(self._in_flight))
        if not self._due(now) and self._carried == 1:
            return  # a list is sent all the same: many share its cost
        self.requests += 1
        asked = [
            heappop(self._in_flight)
            for _ in range(min(self._carried, len(self._in_flight)))
        ]
        for task in asked:
            self._ask(task, now, short=self._due(now))

    def _due(self, now: float) -> bool:
        return bool(self._in_flight) and self._in_flight[0].due_at <= now

    def _arrive(self, now: float) -> None:
        while self._next.born_at <= now:
            born_at, took_s = self._next
            first_at = born_at + self._spacing.first_s()
            task = Task(first_at, self._arrived, born_at, born_at + took_s, born_at)
            heappush(self._in_flight, task)
            self._arrived += 1
            self._next = next(self._arrivals, NO_MORE)

    def _ask(self, task: Task, now: float, *, short: bool) -> None:
        due_at = now + self._spacing.gap_s(task, now, short=short)
        task = task._replace(due_at=due_at, polled_at=now, polls=task.polls + 1)
        if task.ends_at <= now:
            self.ended.append((task, now))
        else:
            heappush(self._in_flight, task)


def at_random(per_s: float, dice: Random) -> Iterator[Arrival]:
    born_at = 0.0
    while True:
        yield Arrival(born_at, DURATIONS.drawn(dice))
        born_at += dice.expovariate(per_s)


def shared(policy: PollPolicy, dice: Random) -> Shared:
    learner = Learner(policy, news=0.5)
    for _ in range(PAST):
        learner.saw(planned(learner.plan)(DURATIONS.drawn(dice), dice))
    learner.learn()
    return Shared(learner.plan, dice)


class Outcome(NamedTuple):
    requests_per_s: float
    in_flight: float
    polls: float
    lag_s: float


def after(seconds: float, limit: Limit, spacing: Spacing, seed: int) -> Outcome:
    arrivals = at_random(limit.arrivals_per_s, Random(seed))
    provider = Provider(spacing, arrivals, limit.carried)
    turns = int(seconds * limit.requests_per_s)
    for turn in range(turns):
        provider.turn(turn / limit.requests_per_s)
    since_s = SETTLED * seconds
    counted = [(task, seen_at) for task, seen_at in provider.ended if seen_at > since_s]
    return Outcome(
        provider.requests / seconds,
        fmean(provider.counts[int(SETTLED * turns) :]),
        fmean(task.polls for task, _ in counted),
        fmean(seen_at - task.ends_at for task, seen_at in counted),
    )


def rows(seconds: float) -> Iterator[list[str]]:
    """A queue and what the bridge does; then Ark's tasks one by one, and by lists."""
    queue = after(seconds, TIGHT, Queue(TIGHT.policy), 1)
    ours = after(seconds, TIGHT, shared(TIGHT.policy, Random(2)), 1)
    yield cells("10 requests/s, first come first served", queue, queue)
    yield cells("10 requests/s, shared out", ours, queue)
    one, listed = (
        after(seconds / 2, limit, shared(ARK, Random(2)), 1)
        for limit in (ONE_BY_ONE, LISTED)
    )
    yield cells("Ark, 18 requests/s, one by one", one, one)
    yield cells("Ark, a list of 190 each second", listed, one)


def cells(name: str, outcome: Outcome, first: Outcome) -> list[str]:
    ratio = outcome.lag_s / first.lag_s
    return [name, *(f"{each:,.2f}" for each in outcome), f"{ratio:.2f}"]
