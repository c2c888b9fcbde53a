"""Means with confidence intervals, and the probability of a gain: Student's t for one sample, Welch's for two.

B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
Biometrika 34 (1947). SciPy is loaded inside the functions: the controller starts without it.
"""

import math
from collections.abc import Sequence

from evolve.records.comparison import Gain, MeanWithInterval

LEVEL = 0.95  # of every interval


def summarize(values: Sequence[float]) -> MeanWithInterval | None:
    """Mean and 95 % Student interval of the values; None if there is no value."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return MeanWithInterval(mean, None, 1)
    half = _quantile(len(values) - 1) * math.sqrt(_variance(values) / len(values))
    return MeanWithInterval(mean, (mean - half, mean + half), len(values))


def compare(values: Sequence[float], baseline: Sequence[float]) -> Gain | None:
    """The gain of the values over the baseline by Welch's t; None if either has fewer than two values.

    The probability follows the t distribution around the difference: one half if the means are equal.
    """
    if min(len(values), len(baseline)) < 2:
        return None
    difference = math.fsum(values) / len(values) - math.fsum(baseline) / len(baseline)
    a, b = _variance(values) / len(values), _variance(baseline) / len(baseline)  # variances of the two means
    error = math.sqrt(a + b)
    if error == 0.0:  # all values of a side are equal: nothing is left to chance
        return Gain(difference, (difference, difference), 0.5 + 0.5 * (difference > 0) - 0.5 * (difference < 0))
    from scipy import stats

    freedom = (a + b) ** 2 / (a**2 / (len(values) - 1) + b**2 / (len(baseline) - 1))
    half = _quantile(freedom) * error
    return Gain(difference, (difference - half, difference + half), float(stats.t.cdf(difference / error, freedom)))


def _variance(values: Sequence[float]) -> float:
    """The unbiased sample variance."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _quantile(freedom: float) -> float:
    """Half the width of a two-sided interval at LEVEL, in standard errors."""
    from scipy import stats

    return float(stats.t.ppf(0.5 + LEVEL / 2, freedom))
