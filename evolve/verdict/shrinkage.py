"""Shrinkage: estimates of several candidates' true means that are not too high for the best of them.

The score of one training is its candidate's true mean plus the noise of its seed; the true means vary around a common
mean (a one-way random-effects model). Each mean is drawn towards the common one by the share of its variance that is
noise:

    shrunk_i = m + b_i (mean_i - m),    b_i = t^2 / (t^2 + s^2 / n_i)

s^2: pooled variance of the scores of one candidate; t^2: variance of the true means, by the method of moments, at least
0; m: the mean of all scores; n_i: the number of scores of candidate i. This is the best linear unbiased prediction with
estimated variances (G. K. Robinson, "That BLUP is a good thing", Statistical Science 6, 1991), empirical Bayes as in
B. Efron and C. Morris, "Data analysis using Stein's estimator", JASA 70 (1975). With equal numbers of scores it keeps
the order and corrects the values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ShrunkMeans:
    """The shrunk means in the order of the groups, and the two standard deviations that they follow from."""

    means: tuple[float, ...]
    noise: float | None  # between the scores of one group; None if no group has two
    spread: float | None  # between the groups' true means; None if there is one group or the noise is unknown


def shrink(groups: Sequence[Sequence[float]]) -> ShrunkMeans:
    """Shrink the mean of each group of scores; every group needs one. Unknown noise shrinks nothing."""
    if not groups or not all(groups):
        raise ValueError(f"expected at least one score in every group, got {[len(group) for group in groups]} scores")
    counts = [len(group) for group in groups]
    means = [math.fsum(group) / len(group) for group in groups]
    freedom = sum(counts) - len(groups)
    if freedom == 0:
        return ShrunkMeans(tuple(means), None, None)
    within = math.fsum((x - mean) ** 2 for group, mean in zip(groups, means, strict=True) for x in group) / freedom
    if len(groups) == 1:
        return ShrunkMeans(tuple(means), math.sqrt(within), None)
    total = sum(counts)
    common = math.fsum(x for group in groups for x in group) / total
    between = math.fsum(n * (mean - common) ** 2 for n, mean in zip(counts, means, strict=True)) / (len(groups) - 1)
    effective_n = (total - sum(n * n for n in counts) / total) / (len(groups) - 1)  # n if all groups have n scores
    true_variance = max(0.0, (between - within) / effective_n)
    shares = [true_variance / (true_variance + within / n) if true_variance > 0 else 0.0 for n in counts]
    shrunk = tuple(common + share * (mean - common) for share, mean in zip(shares, means, strict=True))
    return ShrunkMeans(shrunk, math.sqrt(within), math.sqrt(true_variance))
