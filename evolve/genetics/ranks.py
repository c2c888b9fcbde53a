"""Ranks: what is left of scores when only their order counts."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def average_ranks(values: Sequence[float] | Array) -> Array:
    """The rank of each value, 1 for the smallest; equal values share the mean of their ranks."""
    _, places, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Array = (2 * ends - counts + 1) / 2
    return means[places]


def normal_scores(values: Sequence[float] | Array) -> Array:
    """The quantile of a standard normal distribution at each value's rank (Blom 1958: (rank - 3/8) / (n + 1/4))."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((rank - 0.375) / (len(values) + 0.25)) for rank in average_ranks(values)])


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, -1 to 1; None if either has fewer than two different values."""
    if len(first) != len(second):
        raise ValueError(f"expected two lists of one length, got {len(first)} and {len(second)} values")
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(np.corrcoef(average_ranks(first), average_ranks(second))[0, 1])
