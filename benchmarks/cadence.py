"""Polls of a task, and seconds from its end to the poll that sees it: a simulation.

Fixed interval, backoff, what `bridge.cadence` has learned from past tasks, and the best
that knowing the true distribution would do for as many polls as the fixed interval needs
("oracle"). Then the same under a rate limit. No network, no clock, and dice with a seed.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random
from statistics import fmean

from benchmarks import limited
from benchmarks.durations import EARLY_FAILURES, TWO_MODELS, Durations, lognormal
from benchmarks.figures import markdown, percentile, short
from benchmarks.schedules import Learner, Rule, Seen, guided, oracle, planned
from bridge.cadence import Mode, Plan, PollPolicy, fixed

PAST = 1_000
POLICY = PollPolicy(expected_s=120.0)
BACKOFF = replace(POLICY, mode=Mode.BACKOFF)
SELDOM = 2.0  # news that past tasks need for a new plan: plans take time to make
USUAL = 0.03  # … of the tasks that are measured, as in `bridge.polling.pacing`
HEADINGS = (
    "durations",
    "fixed 5 s",
    "backoff",
    "learned",
    "oracle",
    "learned ÷ fixed",
    "learned ÷ oracle",
    "÷ fixed at equal polls",
    "÷ oracle at equal polls",
)
SHORT, LONG = lognormal(120.0, 0.4), lognormal(240.0, 0.4)


@dataclass(frozen=True, slots=True)
class Case:
    """Tasks of one sort after the other, learned from `past` ones of the first sort."""

    title: str
    phases: tuple[Durations, ...]
    past: int = PAST
    ruled: Callable[[Plan], Rule] = planned
    goes_on: bool = False  # to learn, from the tasks that are measured


FIVE = (
    Case("lognormal 120 s, σ 0.4", (SHORT,)),
    Case("lognormal 40 s, σ 0.3", (lognormal(40.0, 0.3),)),
    Case("lognormal 180 s, σ 0.15", (lognormal(180.0, 0.15),)),
    Case("lognormal 90 s, σ 0.9", (lognormal(90.0, 0.9),)),
    Case("10 % fail at 3 s, rest 150 s, σ 0.3", (EARLY_FAILURES,)),
)
COLD = (0, 10, 100, PAST)
FROM_COLD = tuple(tuple(replace(case, past=past) for past in COLD) for case in FIVE)
CASES = (
    *FIVE,
    Case("120 s, then 240 s, σ 0.4, learning", (SHORT, LONG), goes_on=True),
    Case("two models: 40 s and 180 s, σ 0.3", (TWO_MODELS,)),
    Case("120 s, σ 0.4, telling their progress", (SHORT,), ruled=guided),
)


class Measured:
    """What came of the tasks under one rule."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self.polls = fmean(each.polls for each in seen)
        self.lag_s = fmean(each.lag_s for each in seen)
        self.p95_s = percentile((each.lag_s for each in seen), 95)

    @property
    def cost(self) -> float:
        """Scaling all gaps changes polls and lag, and hardly their product."""
        return self.polls * self.lag_s

    def __str__(self) -> str:
        return f"{self.polls:.1f} · {short(self.lag_s)} · {short(self.p95_s)}"


@dataclass(frozen=True, slots=True)
class Compared:
    fixed: Measured
    backoff: Measured
    learned: Measured
    oracle: Measured

    @property
    def per_fixed(self) -> float:
        return self.learned.cost / self.fixed.cost

    def cells(self) -> list[str]:
        ours, known = self.learned, self.oracle
        ratios = (
            ours.lag_s / self.fixed.lag_s,
            ours.lag_s / known.lag_s,
            self.per_fixed,
            ours.cost / known.cost,
        )
        each = (self.fixed, self.backoff, ours, known)
        return [*map(str, each), *(f"{ratio:.2f}" for ratio in ratios)]


class Sample:
    """Tasks, and how the rules that learn nothing poll them."""

    def __init__(self, phases: Sequence[Durations], tasks: int, seed: int) -> None:
        dice = Random(f"{phases} {seed}")
        each = max(tasks // len(phases), 1)
        self.tasks: list[float] = []
        self.fixed: list[Seen] = []
        self.backoff: list[Seen] = []
        self.oracle: list[Seen] = []
        for durations in phases:
            part = [durations.drawn(dice) for _ in range(each)]
            fixed_ = polled(planned(fixed(POLICY)), part, dice)
            best = oracle(durations, POLICY, part, fmean(seen.polls for seen in fixed_))
            self.tasks += part
            self.fixed += fixed_
            self.backoff += polled(planned(fixed(BACKOFF)), part, dice)
            self.oracle += polled(best, part, dice)


def polled(rule: Rule, tasks: Sequence[float], dice: Random) -> list[Seen]:
    return [rule(took_s, dice) for took_s in tasks]


def learning(case: Case, tasks: Sequence[float], dice: Random) -> Iterator[Seen]:
    learner = Learner(POLICY, SELDOM)
    for _ in range(case.past):
        learner.saw(case.ruled(learner.plan)(case.phases[0].drawn(dice), dice))
    learner.learn()
    learner.share = USUAL
    for took_s in tasks:
        seen = case.ruled(learner.plan)(took_s, dice)
        yield seen
        if case.goes_on:
            learner.saw(seen)


class Comparing:
    """Each sort of tasks is drawn once for all that is done with it."""

    def __init__(self, tasks: int, pasts: int) -> None:
        self._each, self._pasts = tasks // pasts, pasts
        self._samples: dict[tuple[Durations, ...], list[Sample]] = {}

    def compared(self, case: Case) -> Compared:
        """A part of the tasks after another past each: what was learned is luck as well."""
        samples = self._drawn(case.phases)
        ours = [
            seen
            for seed, sample in enumerate(samples)
            for seen in learning(case, sample.tasks, Random(seed))
        ]
        return Compared(
            Measured([seen for sample in samples for seen in sample.fixed]),
            Measured([seen for sample in samples for seen in sample.backoff]),
            Measured(ours),
            Measured([seen for sample in samples for seen in sample.oracle]),
        )

    def _drawn(self, phases: tuple[Durations, ...]) -> list[Sample]:
        if phases not in self._samples:
            self._samples[phases] = [
                Sample(phases, self._each, seed) for seed in range(self._pasts)
            ]
        return self._samples[phases]


def rows(found: Mapping[Case, Compared]) -> list[list[str]]:
    """All sorts after a thousand past tasks, and the first after fewer."""
    few = [
        [f"{case.title}, {case.past} past tasks", *found[case].cells()]
        for case in FROM_COLD[0][:-1]
    ]
    return [*([case.title, *found[case].cells()] for case in CASES), *few]


def cold_rows(found: Mapping[Case, Compared]) -> list[list[str]]:
    return [
        [cases[0].title, *(f"{found[case].per_fixed:.2f}" for case in cases)]
        for cases in FROM_COLD
    ]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=3_000, help="of each sort")
    parser.add_argument("--pasts", type=int, default=2, help="that were learned from")
    parser.add_argument("--hours", type=float, default=0.8, help="under a limit")
    return parser


def printed(given: Sequence[str] | None = None) -> None:
    options = arguments().parse_args(given)
    comparing = Comparing(options.tasks, options.pasts)
    cases = dict.fromkeys((*CASES, *chain.from_iterable(FROM_COLD)))
    found = {case: comparing.compared(case) for case in cases}
    print("Polls of a task · mean lag · 95th percentile of it, in seconds\n")
    print(markdown(HEADINGS, rows(found)))
    print("\nLearned ÷ fixed at equal polls, after so many past tasks\n")
    print(markdown(("durations", *map(str, COLD)), cold_rows(found)), flush=True)
    print("\nUnder a limit; lag in seconds\n")
    print(markdown(limited.HEADINGS, limited.rows(options.hours * 3_600)))


if __name__ == "__main__":
    printed()
