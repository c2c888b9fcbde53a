"""A Gaussian process over genomes: predicts a target from positions in [0, 1], with its own noise on each rung.

Rasmussen and Williams 2006, chapters 2, 4.2 and 5.4.1. Matern 5/2 with a length per gene, fitted by maximum a
posteriori from one fixed start, so that equal points give an equal model. scikit-learn's regressor has neither priors
nor a fitted noise per group of points; its own parts for both would be longer than this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ITERATIONS = 40  # of the fit at most; more change the order of predictions little
TOLERANCE = 1e-5  # relative; a smaller improvement of the posterior ends the fit
# Priors of the logarithms: normal, (mean, standard deviation). A length's mean grows with the square root of the
# number of genes, as distances do (Hvarfner et al. 2024, arXiv:2402.02229). Targets have a variance of about 1.
LENGTH_OF_ONE_GENE, LENGTH_DEVIATION = np.log(0.5), 1.0
SIGNAL_PRIOR = (0.0, 0.5)
NOISE_PRIOR = (np.log(0.1), 1.5)
LEAST_LOG, MOST_LOG = np.log(1e-3), np.log(1e3)  # bounds of every parameter
SQRT5 = np.sqrt(5.0)


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted model."""

    units: Array  # [points, genes]
    unordered: NDArray[np.bool_]  # [genes] whether two different values of the gene are all equally far apart
    lengths: Array  # [genes] in [0, 1] positions
    signal: float  # variance
    noises: Array  # [rungs] variances
    mean: float
    weights: Array  # [points] inverse covariance times the targets without their mean

    def predict(self, units: Array) -> Array:
        """The expected target of each row of `units` [rows, genes]."""
        squares = np.tensordot(self.lengths**-2, _squares(units, self.units, self.unordered), axes=1)
        expected: Array = self.mean + self.signal * _matern(squares)[0] @ self.weights
        return expected


def fit(units: Array, targets: Array, rungs: Sequence[int], unordered: Sequence[bool]) -> GaussianProcess:
    """The model of these points; rungs: the rung of each target, 0 to the number of rungs - 1."""
    from scipy import linalg, optimize  # here, since it takes long to import and most commands fit nothing

    genes, rung = units.shape[1], np.asarray(rungs)
    same_rung = (rung[:, None] == np.arange(rung.max() + 1)).astype(np.float64)  # [points, rungs]
    squares = _squares(units, units, np.asarray(unordered, bool))
    flat = squares.reshape(genes, -1)
    mean = float(np.mean(targets))
    centred = targets - mean
    start = np.concatenate(
        [
            np.full(genes, LENGTH_OF_ONE_GENE + 0.5 * np.log(max(genes, 1))),
            [SIGNAL_PRIOR[0]],
            np.full(same_rung.shape[1], NOISE_PRIOR[0]),
        ]
    )
    deviations = np.concatenate(
        [np.full(genes, LENGTH_DEVIATION), [SIGNAL_PRIOR[1]], np.full(same_rung.shape[1], NOISE_PRIOR[1])]
    )

    def covariance(parameters: Array) -> tuple[Array, Array, Array, Array]:
        """The covariance of the targets, its part from the genes, that part's slope, and the noises."""
        inverse_squares = np.exp(-2 * parameters[:genes])
        similar, slope = _matern((inverse_squares @ flat).reshape(squares.shape[1:]))
        signal, noises = np.exp(parameters[genes]), np.exp(parameters[genes + 1 :])
        return signal * similar + np.diag(same_rung @ noises), signal * similar, signal * slope, noises

    def loss(parameters: Array) -> tuple[float, Array]:
        """The negative logarithm of the posterior, up to a constant, and its gradient."""
        whole, from_genes, slope, noises = covariance(parameters)
        factor = linalg.cho_factor(whole, lower=True)
        weights = linalg.cho_solve(factor, centred)
        inverse = linalg.cho_solve(factor, np.eye(len(centred)))
        outer = np.outer(weights, weights) - inverse
        rise = np.concatenate(
            [
                0.5 * np.exp(-2 * parameters[:genes]) * (flat @ (outer * slope).ravel()),
                [0.5 * np.sum(outer * from_genes)],
                0.5 * noises * (np.diag(outer) @ same_rung),
            ]
        )
        away = (parameters - start) / deviations
        likelihood = -0.5 * centred @ weights - np.sum(np.log(np.diag(factor[0])))
        return float(0.5 * away @ away - likelihood), away / deviations - rise

    bounds = [(LEAST_LOG, MOST_LOG)] * len(start)
    options = {"maxiter": ITERATIONS, "ftol": TOLERANCE}
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    weights = linalg.cho_solve(linalg.cho_factor(covariance(best)[0], lower=True), centred)
    return GaussianProcess(
        units=units,
        unordered=np.asarray(unordered, bool),
        lengths=np.exp(best[:genes]),
        signal=float(np.exp(best[genes])),
        noises=np.exp(best[genes + 1 :]),
        mean=mean,
        weights=weights,
    )


def _squares(first: Array, second: Array, unordered: NDArray[np.bool_]) -> Array:
    """Squared distances by gene, [genes, rows of first, rows of second]; 1 between different unordered values."""
    differences = first.T[:, :, None] - second.T[:, None, :]
    differences[unordered] = differences[unordered] != 0
    squares: Array = differences**2
    return squares


def _matern(squares: Array) -> tuple[Array, Array]:
    """Matern 5/2 of squared scaled distances, and its slope for a gene: times its squares, by its log length."""
    distances = SQRT5 * np.sqrt(squares)
    decay = np.exp(-distances)
    return (1 + distances + distances**2 / 3) * decay, (5 / 3) * (1 + distances) * decay
