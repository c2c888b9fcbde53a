"""Means with their intervals, and how sure a gain is: Student's t for one sample, Welch's for two.

B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
Biometrika 34 (1947). SciPy is loaded inside the functions: the controller starts without it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95  # of every interval


@dataclass(frozen=True)
class Summary:
    """The mean of a few runs; the interval is None for a single one."""

    mean: float
    interval: tuple[float, float] | None
    seeds: int

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        interval = None if self.interval is None else list(self.interval)
        return {"mean": self.mean, "interval": interval, "seeds": self.seeds}


@dataclass(frozen=True)
class Gain:
    """The difference of two means, its interval, and the probability that it is above zero."""

    mean: float
    interval: tuple[float, float]
    probability: float

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        return {"mean": self.mean, "interval": list(self.interval), "probability": self.probability}


def summarize(values: Sequence[float]) -> Summary | None:
    """Mean and 95 % Student interval of the values; None for no value."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Summary(mean, None, 1)
    half = _quantile(len(values) - 1) * math.sqrt(_variance(values) / len(values))
    return Summary(mean, (mean - half, mean + half), len(values))


def compare(ours: Sequence[float], others: Sequence[float]) -> Gain | None:
    """The gain of ours over the others by Welch; None when a side has fewer than two values.

    The probability is that of the t distribution around the difference: one half where nothing differs.
    """
    if min(len(ours), len(others)) < 2:
        return None
    difference = math.fsum(ours) / len(ours) - math.fsum(others) / len(others)
    a, b = _variance(ours) / len(ours), _variance(others) / len(others)
    error = math.sqrt(a + b)
    if error == 0.0:  # every run gave the same number: nothing is left to chance
        return Gain(difference, (difference, difference), 0.5 + 0.5 * (difference > 0) - 0.5 * (difference < 0))
    from scipy import stats

    freedom = (a + b) ** 2 / (a**2 / (len(ours) - 1) + b**2 / (len(others) - 1))
    half = _quantile(freedom) * error
    return Gain(difference, (difference - half, difference + half), float(stats.t.cdf(difference / error, freedom)))


def _variance(values: Sequence[float]) -> float:
    """Unbiased."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _quantile(freedom: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.5 + LEVEL / 2, freedom))
