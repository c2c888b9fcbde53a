"""The Gaussian process: ranks a known function, tells noisy rungs, agrees with scikit-learn's arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

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


def test_predictions_are_those_of_scikit_learn() -> None:
    """scikit-learn 1.9 with the fitted lengths, variance and noises as fixed numbers."""
    rng = np.random.default_rng(3)
    units, held_out, rungs = rng.random((60, 4)), rng.random((30, 4)), np.repeat([0, 1, 2], 20)
    targets = smooth(units) + 0.2 * rng.standard_normal(60)
    model = gaussian_process.fit(units, targets, rungs.tolist(), [False] * 4)
    kernel = ConstantKernel(model.signal) * Matern(model.lengths, nu=2.5)
    theirs = GaussianProcessRegressor(kernel, alpha=model.noises[rungs], optimizer=None)
    theirs.fit(units, targets - targets.mean())
    assert model.predict(held_out) == pytest.approx(theirs.predict(held_out) + targets.mean(), abs=1e-8)


def test_the_fit_is_a_maximum_of_the_posterior() -> None:
    """No step of one parameter in either direction has a better posterior, by scikit-learn's likelihood."""
    rng = np.random.default_rng(4)
    units, rungs = rng.random((50, 3)), np.repeat([0, 1], 25)
    targets = smooth(units) + 0.3 * rng.standard_normal(50)
    model = gaussian_process.fit(units, targets, rungs.tolist(), [False] * 3)

    def posterior(logs: Array) -> float:
        kernel = ConstantKernel(np.exp(logs[3])) * Matern(np.exp(logs[:3]), nu=2.5)
        theirs = GaussianProcessRegressor(kernel, alpha=np.exp(logs[4:])[rungs], optimizer=None)
        theirs.fit(units, targets - targets.mean())
        prior = stats.norm(np.log(0.5) + 0.5 * np.log(3), 1.0).logpdf(logs[:3]).sum()
        prior += stats.norm(0.0, 0.5).logpdf(logs[3]) + stats.norm(np.log(0.1), 1.5).logpdf(logs[4:]).sum()
        return float(theirs.log_marginal_likelihood_value_ + prior)

    best = np.log(np.concatenate([model.lengths, [model.signal], model.noises]))
    for index in range(len(best)):
        for step in (-0.05, 0.05):
            assert posterior(best + step * (np.arange(len(best)) == index)) < posterior(best)


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
