"""Where the polls of a task go: thick where such tasks end, thin where they do not.

With a price for each poll and one for each second that an end goes unseen, polls are best
placed at a density in proportion to the square root of the hazard (J. B. Keller, "Optimum
Checking Schedules for Systems Subject to Random Failure", Management Science 21(3), 1974).
The operator names neither price but an interval: as much is spent, on average and for each
task, as polling at that interval would spend.

What was learned counts the more, the more there is of it. So a plan without any history
polls at the interval, and one with little is close to that.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

from bridge.cadence.ages import COUNT, EDGES, WIDTHS, bucket
from bridge.cadence.hazard import hazards
from bridge.cadence.history import History, supposed
from bridge.cadence.pauses import JITTER, spread
from bridge.cadence.policy import Mode, PollPolicy

SUPPOSED_TASKS = 3.0  # what is known beforehand counts as so many
HALF_TRUSTED = 10.0  # tasks with which history has half of the say
BACKOFF_SHARE = 0.5  # of its age a task waits, with `cadence: backoff`
FAINT = 0.05  # tasks of which the supposed rate speaks beside the counted ones
PREDICTION_ERROR = 0.15  # of what remains, by a line through two figures
SEARCHES = 40  # halvings of the price


@dataclass(frozen=True, slots=True)
class Plan:
    """Polls due up to each age, on average: `planned[n]` up to `EDGES[n]`."""

    planned: Sequence[float]
    policy: PollPolicy
    trust: float = 0.0  # how much of it was learned: 0, at the interval; up to 1
    tasks: float = 0.0  # of how many it was learned, older ones counting for less
    count: float = 0.0  # … all of them counted in full

    def gap_s(self, age_s: float, dice: float, stretch: float = 1.0) -> float:
        """Seconds to the next poll of a task of that age. `dice` is from [0, 1).

        Where all have to wait, each waits until `stretch` polls would have been due: what
        is left goes where it helps most, as before.
        """
        policy = self.policy
        if policy.mode is Mode.BACKOFF:
            gap_s = spread(max(age_s, policy.interval_s) * BACKOFF_SHARE, dice)
        else:
            due = self._planned(age_s) + spread(max(stretch, 1.0), dice)
            gap_s = self._age_s(due) - max(age_s, 0.0)
        return within(policy, gap_s, dice, max(stretch, 1.0))

    def waited(self, since_s: float, until_s: float) -> float:
        """How many polls would have been due between two ages."""
        return self._planned(until_s) - self._planned(since_s)

    @property
    def guided(self) -> bool:
        """Whether a task's progress may say when it is asked next."""
        return self.policy.mode is Mode.LEARNED

    def guided_gap_s(self, remaining_s: float, dice: float) -> float:
        """Seconds to the next poll of a task that is predicted to end in so many.

        Half-way to where it may end at the earliest, and near the end as often as the same
        price allows for an end that is known so well.
        """
        policy = self.policy
        error_s = max(PREDICTION_ERROR * remaining_s, policy.min_s)
        near_s = sqrt(error_s * policy.interval_s / 2)
        gap_s = max(remaining_s - 2 * error_s, min(near_s, policy.interval_s))
        return within(policy, spread(gap_s, dice), dice)

    def density(self, age_s: float) -> float:
        """Polls per second of a task of that age, within the operator's bounds."""
        gap_s = WIDTHS[at := bucket(age_s)] / (self.planned[at + 1] - self.planned[at])
        return 1 / min(max(gap_s, self.policy.min_s), self.policy.max_s)

    def _planned(self, age_s: float) -> float:
        """Polls due up to an age, by a straight line in each bucket."""
        if age_s <= 0:
            return 0.0
        at = bucket(age_s)
        start_s = EDGES[at] if at else 0.0
        before = self.planned[at] if at else 0.0
        share = (age_s - start_s) / (EDGES[at + 1] - start_s)
        return before + share * (self.planned[at + 1] - before)

    def _age_s(self, due: float) -> float:
        """The age up to which so many polls are due."""
        at = min(max(bisect_right(self.planned, due) - 1, 0), COUNT - 1)
        before, start_s = (self.planned[at], EDGES[at]) if at else (0.0, 0.0)
        share = (due - before) / (self.planned[at + 1] - before)
        return start_s + share * (EDGES[at + 1] - start_s)


def within(policy: PollPolicy, gap_s: float, dice: float, stretch: float = 1.0) -> float:
    """The gap in its bounds, with jitter there as well: or all would ask at once."""
    longest_s = policy.max_s * stretch * (1 - JITTER * dice)
    shortest_s = min(policy.min_s * (1 + JITTER * dice), policy.max_s)
    return max(min(gap_s, longest_s), shortest_s)


def fixed(policy: PollPolicy) -> Plan:
    """A poll at each interval, whatever the age."""
    return Plan([edge / policy.interval_s for edge in EDGES], policy)


def learned(policy: PollPolicy, history: History, like: History | None = None) -> Plan:
    """The best for tasks that end as `history` has it.

    `like` are tasks of the same provider, which stand in while there is little history.
    """
    tasks = history.tasks
    trust = tasks / (tasks + HALF_TRUSTED)
    if policy.mode is not Mode.LEARNED:
        return Plan(fixed(policy).planned, policy, 0.0, tasks, history.count)
    known = History(list(history.ends), list(history.watched_s))
    for other in beforehand(policy, like):
        known.ends = [a + b for a, b in zip(known.ends, other.ends, strict=True)]
        known.watched_s = [
            a + b for a, b in zip(known.watched_s, other.watched_s, strict=True)
        ]
    rates = hazards(known.ends, known.watched_s)
    roots = [sqrt(rate) for rate in rates]
    scale = scale_of(policy, roots, lasting(history, rates))
    densities = [trust * scale * root + (1 - trust) / policy.interval_s for root in roots]
    return Plan(summed(densities), policy, trust, tasks, history.count)


def beforehand(policy: PollPolicy, like: History | None) -> list[History]:
    """What to suppose of tasks before any has been seen, weighing as much as a few."""
    supposed_ = supposed(policy.expected_s or 120.0, SUPPOSED_TASKS)
    if like is None or like.tasks < SUPPOSED_TASKS:
        return [supposed_]
    part = SUPPOSED_TASKS / like.tasks
    return [
        History([part * a for a in like.ends], [part * a for a in like.watched_s]),
    ]


def lasting(history: History, rates: Sequence[float]) -> list[float]:
    """The share of tasks that last to the middle of each bucket.

    By the plain counts (the actuarial estimate): what is merely supposed of tasks must not
    have a say in what may be spent, but where none has been seen at all (`rates`).
    """
    shares: list[float] = []
    left = 1.0
    counts = zip(history.ends, history.watched_s, WIDTHS, rates, strict=True)
    for ends, watched_s, width, rate in counts:
        came = watched_s / width + ends / 2
        ending = (ends + FAINT * (1 - exp(-rate * width))) / (came + FAINT)
        after = left * max(1 - ending, 0.0)
        shares.append((left + after) / 2)
        left = after
    return shares


def scale_of(policy: PollPolicy, roots: Sequence[float], lasting: Sequence[float]) -> float:
    """By what to multiply the roots to spend as much as polling at the interval would."""
    allowed = spent([1 / policy.interval_s] * COUNT, lasting)
    low, high = 1e-6, 1e9
    for _ in range(SEARCHES):
        middle = sqrt(low * high)
        densities = [
            min(max(middle * root, 1 / policy.max_s), 1 / policy.min_s) for root in roots
        ]
        if spent(densities, lasting) > allowed:
            high = middle
        else:
            low = middle
    return low


def spent(densities: Sequence[float], lasting: Sequence[float]) -> float:
    """Polls of one task, on average."""
    parts = zip(densities, lasting, WIDTHS, strict=True)
    return sum(density * share * width for density, share, width in parts)


def summed(densities: Sequence[float]) -> list[float]:
    """Polls due up to each edge; a little everywhere, so that each has its age."""
    total = max(densities[0], 1e-9) * EDGES[0]
    result = [total]
    for density, width in zip(densities, WIDTHS, strict=True):
        total += max(density, 1e-9) * width
        result.append(total)
    return result
