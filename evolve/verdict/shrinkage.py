"""Shrinkage: estimates of several sets' true means that are not too high for the best of them.

A run's score is its set's true mean plus the noise of its seed; the true means vary around a common one (a one-way
random-effects model). Each mean is drawn towards the common one by the share of its variance that is noise:

    shrunk_i = m + b_i (mean_i - m),    b_i = t^2 / (t^2 + s^2 / n_i)

s^2: pooled variance of runs of one set; t^2: variance of the true means, by the method of moments, at least 0; m: the
mean of all runs. This is the best linear unbiased prediction with estimated variances (G. K. Robinson, "That BLUP is a
good thing", Statistical Science 6, 1991), empirical Bayes as in B. Efron and C. Morris, "Data analysis using Stein's
estimator", JASA 70 (1975). With equal numbers of runs it leaves the order as it is; it corrects the numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shrunk:
    """Shrunk means in the order of the sets, and the two standard deviations that they follow from."""

    means: tuple[float, ...]
    noise: float | None  # between runs of one set; None where no set has two runs
    spread: float | None  # between the sets' true means; None where there is one set, or no noise is known


def shrink(groups: Sequence[Sequence[float]]) -> Shrunk:
    """Shrink the mean of each set's runs; every set needs a run. Nothing is shrunk where the noise cannot be told."""
    if not groups or not all(groups):
        raise ValueError(f"expected sets with a run each, got {[len(group) for group in groups]} runs")
    counts = [len(group) for group in groups]
    means = [math.fsum(group) / len(group) for group in groups]
    freedom = sum(counts) - len(groups)
    if freedom == 0:
        return Shrunk(tuple(means), None, None)
    within = math.fsum((one - mean) ** 2 for group, mean in zip(groups, means, strict=True) for one in group) / freedom
    if len(groups) == 1:
        return Shrunk(tuple(means), math.sqrt(within), None)
    total = sum(counts)
    middle = math.fsum(one for group in groups for one in group) / total
    between = math.fsum(n * (mean - middle) ** 2 for n, mean in zip(counts, means, strict=True)) / (len(groups) - 1)
    runs = (total - sum(n * n for n in counts) / total) / (len(groups) - 1)  # of a set; where all have n, it is n
    true = max(0.0, (between - within) / runs)
    shares = [true / (true + within / n) if true > 0 else 0.0 for n in counts]
    shrunk = tuple(middle + share * (mean - middle) for share, mean in zip(shares, means, strict=True))
    return Shrunk(shrunk, math.sqrt(within), math.sqrt(true))
