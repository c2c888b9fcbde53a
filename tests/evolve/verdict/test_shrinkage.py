"""Shrunk means against sums by hand, invariants, and a simulation whose truth is known."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.verdict.shrinkage import shrink

scores = st.floats(0.0, 1.0)


def test_two_sets_of_three_by_hand() -> None:
    # means 2 and 5, common mean 3.5; within: (2 + 2) / (6 - 2) = 1; between groups: 3 (1.5^2 + 1.5^2) / 1 = 13.5;
    # true variance (13.5 - 1) / 3 = 25/6; share (25/6) / (25/6 + 1/3) = 25/27; 3.5 -+ 1.5 x 25/27 = 2 1/9 and 4 8/9
    shrunk = shrink([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert shrunk.means == pytest.approx((19 / 9, 44 / 9))
    assert (shrunk.noise, shrunk.spread) == pytest.approx((1.0, math.sqrt(25 / 6)))


def test_fewer_runs_are_drawn_further_by_hand() -> None:
    # means 4 (of 2, 6) and 10 (of one score), common mean (2 + 6 + 10) / 3 = 6; within: (4 + 4) / (3 - 2) = 8;
    # between: 2 x 2^2 + 1 x 4^2 = 24; effective n: 3 - 5/3 = 4/3; true variance (24 - 8) / (4/3) = 12;
    # shares 12 / (12 + 4) = 3/4 and 12 / (12 + 8) = 3/5: 6 - 2 x 3/4 = 4.5 and 6 + 4 x 3/5 = 8.4
    assert shrink([[2.0, 6.0], [10.0]]).means == pytest.approx((4.5, 8.4))


def test_sets_that_differ_less_than_their_noise_are_all_alike() -> None:
    # means 3 and 4; within: (8 + 8) / 4 = 4; between: 3 (0.25 + 0.25) = 1.5, below 4
    shrunk = shrink([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert shrunk.means == (3.5, 3.5)
    assert shrunk.spread == 0.0


def test_where_the_noise_cannot_be_told_nothing_is_shrunk() -> None:
    assert shrink([[0.2], [0.4], [0.3]]).means == (0.2, 0.4, 0.3)
    alone = shrink([[0.2, 0.4]])
    assert (alone.means, alone.spread) == (pytest.approx((0.3,)), None)
    assert alone.noise == pytest.approx(statistics.stdev([0.2, 0.4]))
    for wrong in ([], [[0.1], []]):
        with pytest.raises(ValueError, match="expected at least one score in every group"):
            shrink(wrong)


@given(st.integers(1, 5).flatmap(lambda k: st.lists(st.lists(scores, min_size=k, max_size=k), min_size=1, max_size=6)))
def test_equal_numbers_of_runs_keep_their_order_and_each_mean_moves_towards_the_middle(
    groups: list[list[float]],
) -> None:
    means = [math.fsum(group) / len(group) for group in groups]
    middle = math.fsum(means) / len(means)
    shrunk_means = shrink(groups).means
    for index, (mean, shrunk) in enumerate(zip(means, shrunk_means, strict=True)):
        assert min(mean, middle) - 1e-12 <= shrunk <= max(mean, middle) + 1e-12
        for other, theirs in enumerate(shrunk_means):
            assert means[index] <= means[other] or shrunk >= theirs


@given(st.lists(st.lists(scores, min_size=1, max_size=4), min_size=2, max_size=5), st.randoms())
def test_the_order_of_sets_and_runs_changes_nothing(groups: list[list[float]], chance: object) -> None:
    places = list(range(len(groups)))
    chance.shuffle(places)  # type: ignore[attr-defined]
    mixed = [sorted(groups[index]) for index in places]
    assert shrink(mixed).means == pytest.approx([shrink(groups).means[index] for index in places], abs=1e-9)


def test_the_best_of_five_is_overestimated_less() -> None:
    """4,000 draws with the deviations of the embedded task: true means 0.008, seeds 0.011; three scores each."""
    rng = np.random.default_rng(0)
    plain, shrunk = [], []
    for _ in range(4000):
        truth = rng.normal(0.2, 0.008, 5)
        groups = truth[:, None] + rng.normal(0.0, 0.011, (5, 3))
        best = int(groups.mean(axis=1).argmax())
        plain.append(groups[best].mean() - truth[best])
        shrunk.append(shrink(groups.tolist()).means[best] - truth[best])
    assert statistics.mean(plain) > 0.004
    assert abs(statistics.mean(shrunk)) < 0.5 * statistics.mean(plain)
    assert np.square(shrunk).mean() < np.square(plain).mean()
