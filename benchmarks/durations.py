"""How long simulated tasks take: mixtures of lognormals, whose hazard is known."""

from dataclasses import dataclass
from math import erfc, exp, log, pi, sqrt
from random import Random
from typing import NamedTuple


class Part(NamedTuple):
    """Tasks of one sort: the logarithm of what they take is normal."""

    median_s: float
    sigma: float
    share: float = 1.0

    def deviation(self, age_s: float) -> float:
        return log(age_s / self.median_s) / self.sigma

    def lasting(self, age_s: float) -> float:
        return self.share * erfc(self.deviation(age_s) / sqrt(2)) / 2

    def ending(self, age_s: float) -> float:
        """Ends per second, of all that have begun."""
        height = exp(-(self.deviation(age_s) ** 2) / 2) / sqrt(2 * pi)
        return self.share * height / (self.sigma * age_s)


@dataclass(frozen=True, slots=True)
class Durations:
    parts: tuple[Part, ...]

    def drawn(self, dice: Random) -> float:
        [part] = dice.choices(self.parts, [part.share for part in self.parts])
        return part.median_s * exp(part.sigma * dice.gauss(0, 1))

    def lasting(self, age_s: float) -> float:
        """The share of tasks that take longer."""
        return sum(part.lasting(age_s) for part in self.parts)

    def hazard(self, age_s: float) -> float:
        """Ends per second of those that have come to this age.

        >>> round(Durations((Part(120, 0.4),)).hazard(120.0), 5)
        0.01662
        """
        lasting = self.lasting(age_s)
        return sum(part.ending(age_s) for part in self.parts) / lasting if lasting else 0.0


def lognormal(median_s: float, sigma: float) -> Durations:
    return Durations((Part(median_s, sigma),))


EARLY_FAILURES = Durations((Part(3.0, 0.3, 0.1), Part(150.0, 0.3, 0.9)))
TWO_MODELS = Durations((Part(40.0, 0.3, 0.5), Part(180.0, 0.3, 0.5)))
