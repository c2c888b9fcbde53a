"""Means, intervals and gains against sums by hand and published quantiles."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from evolve.verdict import interval
from evolve.verdict.pair_noise import PairNoise, estimate

# Student's t, two-sided 95 %: 4.3027 for 2 degrees of freedom, 3.1824 for 3, 2.7764 for 4 (any printed table)


def test_three_values_by_hand() -> None:
    # mean 0.5, squared deviations 0.01 + 0 + 0.01, variance 0.02/2 = 0.01, error sqrt(0.01/3) = 0.057735
    mean = interval.summarize([0.4, 0.5, 0.6])
    assert mean is not None
    assert mean.mean == pytest.approx(0.5)
    assert mean.interval == pytest.approx((0.5 - 4.30265 * 0.0577350, 0.5 + 4.30265 * 0.0577350), abs=1e-5)
    assert asdict(mean)["seeds"] == 3


def test_one_value_has_no_interval_and_none_no_summary() -> None:
    mean = interval.summarize([0.4])
    assert mean is not None
    assert asdict(mean) == {"mean": 0.4, "interval": None, "seeds": 1}
    assert interval.summarize([]) is None


def test_a_gain_by_hand() -> None:
    # Differences of mean 0.2 and variance 0.01: error sqrt(0.01 / 3) = 0.0577350, 2 degrees of freedom.
    gain = interval.gain([0.1, 0.2, 0.3])
    assert gain is not None
    assert (gain.pairs, gain.level) == (3, 0.95)
    assert gain.mean == pytest.approx(0.2)
    assert gain.interval == pytest.approx((0.2 - 4.30265 * 0.0577350, 0.2 + 4.30265 * 0.0577350), abs=1e-5)
    # t = 0.2 / 0.057735 = 3.4641 = sqrt(12); for 2 degrees of freedom the distribution function is
    # 1/2 + t / (2 sqrt(2 + t^2)) = 1/2 + sqrt(12) / (2 sqrt(14))
    assert gain.probability == pytest.approx(0.5 + math.sqrt(12) / (2 * math.sqrt(14)), abs=1e-9)


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=12), st.sampled_from([0.95, 0.975]))
def test_without_other_trainings_it_is_scipys_paired_interval(differences: list[float], level: float) -> None:
    gain = interval.gain(differences, least_deviation=0.0 + 1e-12, level=level)
    assert gain is not None
    assume(np.std(differences) > 1e-6)
    theirs = stats.ttest_1samp(differences, 0.0).confidence_interval(level)
    assert gain.interval == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-9)


def test_noise_of_other_trainings_by_hand() -> None:
    """8 degrees of freedom count as 2: (2 x 0.04 + 2 x 0.01) / 4 = 0.025 over 4 degrees of freedom."""
    gain = interval.gain([0.1, 0.2, 0.3], noise=PairNoise(0.04, 8))
    assert gain is not None
    assert gain.interval[1] - gain.mean == pytest.approx(2.77645 * math.sqrt(0.025 / 3), abs=1e-5)
    # 2 degrees of freedom count as 1: (1 x 0.04 + 2 x 0.01) / 3 = 0.02 over 3; t(3, 0.975) = 3.18245
    gain = interval.gain([0.1, 0.2, 0.3], noise=PairNoise(0.04, 2))
    assert gain is not None
    assert gain.interval[1] - gain.mean == pytest.approx(3.18245 * math.sqrt(0.02 / 3), abs=1e-5)


def test_differences_that_vary_more_than_the_noise_keep_their_own_variance() -> None:
    gain = interval.gain([0.1, 0.2, 0.3], noise=PairNoise(0.0001, 8))
    assert gain is not None
    assert gain.interval[1] - gain.mean == pytest.approx(2.77645 * math.sqrt(0.01 / 3), abs=1e-5)


def test_equal_differences_are_no_certainty() -> None:
    """A deviation of a thousandth: error 0.001 / sqrt(3), t(2, 0.975) = 4.30265."""
    half = 4.30265 * 0.001 / math.sqrt(3)
    for value, probability in ((0.0, 0.5), (0.1, 1.0)):
        gain = interval.gain([value] * 3)
        assert gain is not None
        assert gain.interval == pytest.approx((value - half, value + half), abs=1e-6)
        assert gain.probability == pytest.approx(probability, abs=1e-4)
        assert gain.probability < 1.0
    assert interval.gain([0.002] * 3).interval[0] < 0  # type: ignore[union-attr]
    wider = interval.gain([0.1] * 3, least_deviation=0.002)
    assert wider is not None
    assert wider.interval == pytest.approx((0.1 - 2 * half, 0.1 + 2 * half), abs=1e-6)


def test_too_few_to_compare() -> None:
    assert interval.gain([0.5]) is None
    assert interval.gain([]) is None


def pairs(rng: np.random.Generator, sets: int, seeds: int, correlation: float) -> np.ndarray:
    """[set, seed] scores of deviation 0.01 whose seeds do in part the same to all sets."""
    common, own = rng.standard_normal(seeds), rng.standard_normal((sets, seeds))
    return 0.01 * (math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own)


@pytest.mark.parametrize(("seeds", "correlation"), [(2, 0.0), (3, 0.5), (8, 0.8)])
def test_the_interval_covers_the_true_gain(seeds: int, correlation: float) -> None:
    """3,000 searches without any gain: the deviation of the share is 0.004, 0.94 is what must be covered."""
    rng = np.random.default_rng(seeds)
    covered = 0
    for _ in range(3000):
        noise = estimate(pairs(rng, 3, 3, correlation).tolist())
        own, theirs = pairs(rng, 2, seeds, correlation)
        low, high = interval.gain((own - theirs).tolist(), least_deviation=1e-9, noise=noise).interval  # type: ignore[union-attr]
        covered += low <= 0.0 <= high
    assert covered / 3000 >= 0.94


def test_a_detectable_gain_shows_four_times_in_five() -> None:
    """5,000 comparisons of 4 seeds with a deviation of 0.01: the deviation of the share is 0.006."""
    rng = np.random.default_rng(4)
    true = interval.detectable(0.01 / math.sqrt(4), 3)
    drawn = rng.normal(true, 0.01, (5000, 4)).tolist()
    shown = sum(interval.gain(values, least_deviation=1e-9).interval[0] > 0 for values in drawn)  # type: ignore[union-attr]
    assert shown / 5000 == pytest.approx(0.8, abs=0.02)


def test_noise_by_hand() -> None:
    """Two sets, two seeds: the difference changes from 0.1 to 0.3, which has twice the variance of one: 0.2^2 / 2."""
    noise = estimate([[0.5, 0.7], [0.4, 0.4]])
    assert noise is not None
    assert (noise.variance, noise.freedom) == (pytest.approx(0.02), 1)
    # what a seed does to all sets is no noise of a difference
    assert estimate([[0.5, 0.7, 0.1], [0.4, 0.6, 0.0]]) == PairNoise(pytest.approx(0.0), 2)
    assert estimate([[0.5, 0.7]]) is None
    assert estimate([[0.5], [0.7]]) is None
    assert estimate([]) is None
