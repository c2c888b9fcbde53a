"""Means with confidence intervals, and the gain of one set over another that was trained with the same seeds.

The gain is judged by its differences, seed by seed (docs/decisions/0019-verdict-pairs.md). Student, "The probable error
of a mean", Biometrika 6 (1908), compares pairs so. SciPy is loaded inside the functions: the controller starts without
it.
"""

import math
from collections.abc import Sequence
from functools import cache

from evolve.records.comparison import LEVEL, Gain, MeanWithInterval
from evolve.verdict.pair_noise import PairNoise

POWER = 0.8  # probability with which a detectable gain shows
NOISE_FREEDOM = 2.0  # degrees of freedom that the noise of other sets counts at most (docs/decisions/0019)
RESOLUTION = 0.001  # the last digit that a verdict prints: differences are never taken to deviate less


def summarize(values: Sequence[float]) -> MeanWithInterval | None:
    """Mean and 95 % Student interval of the values; None if there is no value."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return MeanWithInterval(mean, None, 1)
    half = _quantile(0.5 + LEVEL / 2, len(values) - 1) * math.sqrt(_variance(values) / len(values))
    return MeanWithInterval(mean, (mean - half, mean + half), len(values))


def gain(
    differences: Sequence[float],
    *,
    least_deviation: float = RESOLUTION,
    noise: PairNoise | None = None,
    level: float = LEVEL,
) -> Gain | None:
    """The gain of one set over another, from the difference of their scores with each seed; None for fewer than two.

    noise: what other trainings say of the noise of a difference. It counts as NOISE_FREEDOM observations at most and
    makes the interval narrower than the few differences alone would, by more degrees of freedom; where these vary more
    than it says, their own variance stands. least_deviation: of a difference, in the unit of the scores; differences
    that are all equal are no certainty. The probability follows the t distribution around the mean difference.
    """
    count = len(differences)
    if count < 2:
        return None
    from scipy import stats

    mean, own = math.fsum(differences) / count, _variance(differences)
    of_noise = 0.0 if noise is None else noise_freedom(noise)
    freedom = count - 1 + of_noise
    pooled = own if noise is None else (of_noise * noise.variance + (count - 1) * own) / freedom
    error = math.sqrt(max(own, pooled, least_deviation**2) / count)
    half = _quantile(0.5 + level / 2, freedom) * error
    return Gain(
        mean=mean,
        interval=(mean - half, mean + half),
        probability=float(stats.t.cdf(mean / error, freedom)),
        level=level,
        pairs=count,
        detectable=detectable(error, freedom, level),
    )


def level_of_look(looks: int) -> float:
    """The level of the interval when the same search is judged on the same pictures for this time (Bonferroni)."""
    return 1.0 - (1.0 - LEVEL) / looks


def expected_detectable(
    noise: PairNoise, count: int, *, least_deviation: float = RESOLUTION, level: float = LEVEL
) -> float:
    """The true gain that so many seeds will show, by the noise that is known beforehand."""
    error = math.sqrt(max(noise.variance, least_deviation**2) / count)
    return detectable(error, count - 1 + noise_freedom(noise), level)


def noise_freedom(noise: PairNoise) -> float:
    """The degrees of freedom that the noise of other sets adds: half of its own, as these sets may vary less."""
    return min(NOISE_FREEDOM, noise.freedom / 2)


def detectable(error: float, freedom: float, level: float = LEVEL) -> float:
    """The true gain whose interval lies above zero with a probability of POWER (noncentral t).

    error: standard deviation of the mean difference. freedom: degrees of freedom of its estimate.
    """
    return error * _detectable_in_errors(freedom, level)


@cache
def _detectable_in_errors(freedom: float, level: float) -> float:
    from scipy import optimize, stats

    bound = _quantile(0.5 + level / 2, freedom)
    upper = 10.0 * bound  # where the power is far above POWER, whatever the degrees of freedom
    return float(optimize.brentq(lambda shift: float(stats.nct.sf(bound, freedom, shift)) - POWER, 0.0, upper))


def _variance(values: Sequence[float]) -> float:
    """The unbiased sample variance."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


@cache
def _quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's t."""
    from scipy import stats

    return float(stats.t.ppf(probability, freedom))
