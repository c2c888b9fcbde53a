"""Means, intervals and gains against sums by hand and published quantiles."""

import math
from dataclasses import asdict

import pytest

from evolve.verdict import interval

# Student's t, two-sided 95 %: 4.3027 for 2 degrees of freedom, 2.7764 for 4 (any printed table)


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
    # Equal variances of 0.01 and equal counts: Welch's freedom is exactly 2 (n - 1) = 4,
    # the error sqrt(0.01/3 + 0.01/3) = 0.0816497, the difference 0.2
    gain = interval.compare([0.6, 0.7, 0.8], [0.4, 0.5, 0.6])
    assert gain is not None
    assert gain.mean == pytest.approx(0.2)
    assert gain.interval == pytest.approx((0.2 - 2.77645 * 0.0816497, 0.2 + 2.77645 * 0.0816497), abs=1e-5)
    # t = 0.2/0.0816497 = 2.44949 = sqrt(6); for 4 degrees of freedom the distribution function is
    # 1/2 + 3/8 (x - x^3/3 ... in closed form): 1/2 + t (t^2 + 6) / (2 (t^2 + 4)^(3/2)) with t^2 = 6
    assert gain.probability == pytest.approx(0.5 + math.sqrt(6) * 12 / (2 * 10**1.5), abs=1e-9)


def test_unequal_variances_by_hand() -> None:
    # variances 1 and 0.01 over 2 values each: a = 0.5, b = 0.005;
    # freedom (0.505)^2 / (0.25 + 0.000025) = 0.255025 / 0.250025 = 1.019998
    gain = interval.compare([1 - math.sqrt(0.5), 1 + math.sqrt(0.5)], [0.1 * math.sqrt(0.5), -0.1 * math.sqrt(0.5)])
    assert gain is not None
    half = (gain.interval[1] - gain.interval[0]) / 2
    # between the quantiles of 1 (12.706) and 2 (4.303) degrees, close to the first; error sqrt(0.505) = 0.710634
    assert 12.0 * 0.710634 < half < 12.706 * 0.710634


def test_no_spread_at_all() -> None:
    same = interval.compare([0.5, 0.5], [0.5, 0.5])
    better = interval.compare([0.6, 0.6], [0.5, 0.5])
    assert same is not None
    assert better is not None
    assert (same.mean, same.interval, same.probability) == (0.0, (0.0, 0.0), 0.5)
    assert better.probability == 1.0


def test_too_few_to_compare() -> None:
    assert interval.compare([0.5], [0.4, 0.3]) is None
