"""From what was seen to the rate at which tasks end, smoothly, by age.

Ends in a bucket are Poisson with mean hazard x time watched. The logarithms of neighbouring
hazards lie near a line (a penalty on their second differences, Whittaker 1923); how near is
what explains the counts best for the freedom it takes (Akaike's criterion). Where nothing
was seen the line goes on.
"""

from collections.abc import Sequence
from math import exp, inf, log
from typing import NamedTuple

STIFFNESSES = (3_000.0, 500.0, 80.0)  # of the line, from stiff to loose
ROUNDS = 40  # of Newton's method; it takes six or so
ENOUGH = 1e-3  # the last step's change of a logarithm
STRIDE = 2.0  # the longest step: far from the answer, Newton's own overshoots
LEAST = 1e-12  # a rate per second that is as good as never

Diagonals = tuple[list[float], list[float], list[float]]


class Fit(NamedTuple):
    logs: list[float]
    cost: float


def hazards(ends: Sequence[float], watched_s: Sequence[float]) -> list[float]:
    """Ends per second of a task that has come to each age."""
    total_s = sum(watched_s)
    mean = max(sum(ends) / total_s, LEAST) if total_s else LEAST
    best = Fit([log(mean)] * len(ends), inf)
    logs = best.logs
    for stiffness in STIFFNESSES:
        fit = fitted(ends, watched_s, logs, stiffness)
        logs = fit.logs  # each begins where the stiffer one has ended
        if fit.cost < best.cost:
            best = fit
    return [exp(value) for value in best.logs]


def fitted(
    ends: Sequence[float], watched_s: Sequence[float], logs: list[float], stiffness: float
) -> Fit:
    """Newton's method for one stiffness."""
    penalty = bending(len(logs), stiffness)
    for _ in range(ROUNDS):
        expected = [each * exp(value) for each, value in zip(watched_s, logs, strict=True)]
        pull = [
            seen - mean - bent
            for seen, mean, bent in zip(ends, expected, times(penalty, logs), strict=True)
        ]
        factor = factored(expected, penalty)
        step = solved(factor, pull)
        longest = max(map(abs, step))
        share = min(1.0, STRIDE / longest) if longest else 1.0
        logs = [value + share * by for value, by in zip(logs, step, strict=True)]
        if longest < ENOUGH:
            break
    expected = [each * exp(value) for each, value in zip(watched_s, logs, strict=True)]
    likelihood = sum(
        seen * value - mean for seen, value, mean in zip(ends, logs, expected, strict=True)
    )
    freedom = sum(
        mean * each for mean, each in zip(expected, inverse_diagonal(factor), strict=True)
    )
    return Fit(logs, 2 * (freedom - likelihood))


def bending(count: int, stiffness: float) -> Diagonals:
    """The matrix of the penalty: three diagonals, as it is symmetric."""
    main, next_, third = [0.0] * count, [0.0] * count, [0.0] * count
    for row in range(count - 2):
        for offset, weight in enumerate((1.0, 4.0, 1.0)):
            main[row + offset] += stiffness * weight
        next_[row] -= 2 * stiffness
        next_[row + 1] -= 2 * stiffness
        third[row] += stiffness
    return main, next_, third


def times(matrix: Diagonals, vector: Sequence[float]) -> list[float]:
    main, next_, third = matrix
    result = [a * b for a, b in zip(main, vector, strict=True)]
    for row in range(len(vector) - 1):
        result[row] += next_[row] * vector[row + 1]
        result[row + 1] += next_[row] * vector[row]
    for row in range(len(vector) - 2):
        result[row] += third[row] * vector[row + 2]
        result[row + 2] += third[row] * vector[row]
    return result


def factored(weights: Sequence[float], penalty: Diagonals) -> Diagonals:
    """L D L' of the penalty with `weights` added to its diagonal: D, and two of L."""
    main, next_, third = penalty
    count = len(weights)
    pivots, first, second = [0.0] * count, [0.0] * count, [0.0] * count
    for row in range(count):
        pivot = main[row] + weights[row] + LEAST
        cross = next_[row]
        if row:
            pivot -= first[row - 1] ** 2 * pivots[row - 1]
            cross -= second[row - 1] * first[row - 1] * pivots[row - 1]
        if row > 1:
            pivot -= second[row - 2] ** 2 * pivots[row - 2]
        pivots[row] = pivot = max(pivot, LEAST)
        first[row], second[row] = cross / pivot, third[row] / pivot
    return pivots, first, second


def solved(factor: Diagonals, right: Sequence[float]) -> list[float]:
    pivots, first, second = factor
    result = list(right)
    for row in range(1, len(result)):
        result[row] -= first[row - 1] * result[row - 1]
        if row > 1:
            result[row] -= second[row - 2] * result[row - 2]
    result = [value / pivot for value, pivot in zip(result, pivots, strict=True)]
    for row in range(len(result) - 2, -1, -1):
        result[row] -= first[row] * result[row + 1]
        if row < len(result) - 2:
            result[row] -= second[row] * result[row + 2]
    return result


def inverse_diagonal(factor: Diagonals) -> list[float]:
    """The diagonal of the inverse, from the last row up (Takahashi 1973)."""
    pivots, first, second = factor
    count = len(pivots)
    main, next_, third = [0.0] * (count + 2), [0.0] * (count + 2), [0.0] * (count + 2)
    for row in range(count - 1, -1, -1):
        one, two = first[row], second[row]
        third[row] = -one * next_[row + 1] - two * main[row + 2]
        next_[row] = -one * main[row + 1] - two * next_[row + 1]
        main[row] = 1 / pivots[row] - one * next_[row] - two * third[row]
    return main[:count]
