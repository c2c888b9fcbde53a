"""The Gaussian process: ranks a known function, tells noisy rungs, agrees with the textbook."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.gaussian_process.kernels import Matern

from evolve.genetics import gaussian_process
from evolve.genetics.gaussian_process import Array


def smooth(units: Array) -> Array:
    """A bowl with an interaction; genes after the third do nothing."""
    values: Array = -((units[:, 0] - 0.3) ** 2) - 0.5 * (units[:, 1] - 0.6) ** 2 - 0.3 * units[:, 0] * units[:, 2]
    return (values - values.mean()) / values.std()


@pytest.mark.parametrize(("points", "genes"), [(40, 3), (100, 7), (150, 26)])
def test_held_out_points_of_a_smooth_function_are_ranked(points: int, genes: int) -> None:
    rng = np.random.default_rng(points)
    units, held_out = rng.random((points, genes)), rng.random((500, genes))
    targets = smooth(units) + 0.3 * rng.standard_normal(points)
    model = gaussian_process.fit(units, targets, [0] * points, [False] * genes)
    assert stats.spearmanr(model.predict(held_out), smooth(held_out)).statistic > 0.8


def test_a_noisy_rung_gets_a_larger_noise_than_the_final_one() -> None:
    """120 points with an error of deviation 0.7 (variance 0.49), 40 with one of 0.1 (0.01)."""
    rng = np.random.default_rng(1)
    units, rungs = rng.random((160, 5)), np.repeat([0, 1], [120, 40])
    targets = smooth(units) + np.where(rungs == 0, 0.7, 0.1) * rng.standard_normal(160)
    model = gaussian_process.fit(units, targets, rungs.tolist(), [False] * 5)
    assert model.noises[0] == pytest.approx(0.49, rel=0.5)
    assert model.noises[1] < 0.05


def test_a_gene_that_does_nothing_gets_a_long_length() -> None:
    rng = np.random.default_rng(2)
    units = rng.random((150, 6))
    lengths = gaussian_process.fit(units, smooth(units), [0] * 150, [False] * 6).lengths
    assert min(lengths[3:]) > 2 * max(lengths[:2])


def covariance(units: Array, others: Array, logs: Array, genes: int) -> Array:
    """scikit-learn's Matern 5/2 without variances."""
    kernel: Array = Matern(np.exp(logs[:genes]), nu=2.5)(units, others)
    return kernel


def three_rungs() -> tuple[Array, Array, Array]:
    """Units [60, 3], targets and rungs of points with a smooth deviation at the first rung."""
    rng = np.random.default_rng(3)
    units, rungs = rng.random((60, 3)), np.repeat([0, 1, 2], 20)
    targets = smooth(units) + np.where(rungs == 0, units[:, 1], 0.0) + 0.2 * rng.standard_normal(60)
    return units, targets, rungs


def whole_covariance(units: Array, rungs: Array, logs: Array) -> Array:
    """Of 60 targets, written out rung by rung; logs: 3 lengths, 2 deviations, the signal, 3 noises."""
    first, second, signal, *noises = np.exp(logs[3:])
    early, middle = rungs == 0, rungs <= 1
    shared = signal + first * np.outer(early, early) + second * np.outer(middle, middle)
    whole: Array = shared * covariance(units, units, logs, 3) + np.diag(np.array(noises)[rungs])
    return whole


def logs_of(model: gaussian_process.GaussianProcess) -> Array:
    return np.log(np.concatenate([model.lengths, model.deviations, [model.signal], model.noises]))


def test_predictions_are_those_of_the_textbook() -> None:
    """Mean of a Gaussian given others, with scikit-learn 1.9's kernel: only the signal is shared with a final score."""
    units, targets, rungs = three_rungs()
    held_out = np.random.default_rng(4).random((30, 3))
    model = gaussian_process.fit(units, targets, rungs.tolist(), [False] * 3)
    shared = model.signal * covariance(held_out, units, logs_of(model), 3)
    centred = targets - targets.mean()
    expected = targets.mean() + shared @ np.linalg.solve(whole_covariance(units, rungs, logs_of(model)), centred)
    assert model.predict(held_out) == pytest.approx(expected, abs=1e-8)


def test_the_fit_is_a_maximum_of_the_posterior() -> None:
    """No step of one parameter in either direction has a better posterior; likelihood and priors by SciPy."""
    units, targets, rungs = three_rungs()
    model = gaussian_process.fit(units, targets, rungs.tolist(), [False] * 3)

    def posterior(logs: Array) -> float:
        normal = stats.multivariate_normal(np.zeros(60), whole_covariance(units, rungs, logs))
        prior = stats.norm(np.log(0.5) + 0.5 * np.log(3), 1.0).logpdf(logs[:3]).sum()
        prior += stats.norm(np.log(0.1), 1.5).logpdf(logs[[3, 4, 6, 7, 8]]).sum() + stats.norm(0.0, 0.5).logpdf(logs[5])
        return float(normal.logpdf(targets - targets.mean()) + prior)

    best = logs_of(model)
    for index in range(len(best)):
        for step in (-0.1, 0.1):
            assert posterior(best + step * (np.arange(len(best)) == index)) < posterior(best)


def test_what_is_good_early_is_told_from_what_is_good_at_the_end() -> None:
    """120 early scores prefer large values of the first gene, 10 final ones prefer 0.3; the final ones count."""
    rng = np.random.default_rng(6)
    units, held_out, rungs = rng.random((130, 4)), rng.random((500, 4)), np.repeat([0, 1], [120, 10])
    targets = smooth(units) + np.where(rungs == 0, 2.5 * units[:, 0], 0.0) + 0.05 * rng.standard_normal(130)
    model = gaussian_process.fit(units, targets, rungs.tolist(), [False] * 4)
    alone = gaussian_process.fit(units[120:], targets[120:], [0] * 10, [False] * 4)
    agreement, without = (stats.spearmanr(one.predict(held_out), smooth(held_out)).statistic for one in (model, alone))
    assert agreement > 0.9
    assert agreement > without + 0.02  # the early scores help all the same


def test_values_without_an_order_are_equally_far_apart() -> None:
    """Of three values only the middle one is good; as positions on a line the outer two would be the farthest apart."""
    rng = np.random.default_rng(5)
    units = np.column_stack([rng.choice([1 / 6, 3 / 6, 5 / 6], 60), rng.random(60)])
    targets = np.where(units[:, 0] == 0.5, 1.0, -0.5) + 0.1 * rng.standard_normal(60)
    model = gaussian_process.fit(units, targets, [0] * 60, [True, False])
    low, middle, high = model.predict(np.array([[1 / 6, 0.5], [3 / 6, 0.5], [5 / 6, 0.5]]))
    assert middle > 0.8
    assert max(low, high) < -0.3


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 3), st.sampled_from(["constant", "duplicates"]))
def test_a_constant_target_and_duplicate_points_are_fitted(points: int, genes: int, rungs: int, kind: str) -> None:
    rng = np.random.default_rng(points)
    units = np.repeat(rng.random((1, genes)), points, axis=0) if kind == "duplicates" else rng.random((points, genes))
    targets = np.zeros(points) if kind == "constant" else rng.standard_normal(points)
    model = gaussian_process.fit(units, targets, [index % rungs for index in range(points)], [False] * genes)
    predicted = model.predict(rng.random((10, genes)))
    assert np.isfinite(predicted).all()
    if kind == "constant":
        assert predicted == pytest.approx(np.zeros(10))
