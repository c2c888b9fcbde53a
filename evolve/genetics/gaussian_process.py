"""A Gaussian process over genomes: predicts final scores from positions in [0, 1], and learns from earlier rungs too.

Rasmussen and Williams 2006, chapters 2, 4.2 and 5.4.1. Matern 5/2 with a length per gene, fitted by maximum a
posteriori from one fixed start, so that equal points give an equal model. Each rung has its own noise. What is good
early need not be good at the end, and that too depends smoothly on the genes: scores up to a rung share a deviation
from the final ones, a Gaussian process with the same lengths and a variance of its own (as Kennedy and O'Hagan 2000,
with a factor of 1). scikit-learn's regressor has neither priors nor such parts; both as parts of its own would be
longer than this file.
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
DEVIATION_PRIOR = NOISE_PRIOR = (np.log(0.1), 1.5)
LEAST_LOG, MOST_LOG = np.log(1e-3), np.log(1e3)  # bounds of every parameter
SQRT5 = np.sqrt(5.0)


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted model."""

    units: Array  # [points, genes]
    unordered: NDArray[np.bool_]  # [genes] whether two different values of the gene are all equally far apart
    lengths: Array  # [genes] in [0, 1] positions
    signal: float  # variance of final scores, as far as they follow from the genes
    deviations: Array  # [rungs - 1] variances of what scores up to each rung have of their own
    noises: Array  # [rungs] variances
    mean: float
    weights: Array  # [points] inverse covariance times the targets without their mean

    def predict(self, units: Array) -> Array:
        """The expected target at the last rung of each row of `units` [rows, genes]."""
        squares = np.tensordot(self.lengths**-2, _squares(units, self.units, self.unordered), axes=1)
        expected: Array = self.mean + self.signal * _matern(squares)[0] @ self.weights
        return expected


def fit(units: Array, targets: Array, rungs: Sequence[int], unordered: Sequence[bool]) -> GaussianProcess:
    """The model of these points; rungs: the rung of each target, 0 for the earliest. The last one is predicted."""
    from scipy import linalg, optimize  # here, since it takes long to import and most commands fit nothing

    genes, rung = units.shape[1], np.asarray(rungs)
    count = int(rung.max()) + 1
    at_rung = (rung[:, None] == np.arange(count)).astype(np.float64)  # [points, rungs]
    later = np.maximum.outer(rung, rung)  # two points share the deviations of all rungs from this one on
    squares = _squares(units, units, np.asarray(unordered, bool))
    flat = squares.reshape(genes, -1)
    mean = float(np.mean(targets))
    centred = targets - mean
    priors = [(LENGTH_OF_ONE_GENE + 0.5 * np.log(max(genes, 1)), LENGTH_DEVIATION)] * genes
    priors += [DEVIATION_PRIOR] * (count - 1) + [SIGNAL_PRIOR] + [NOISE_PRIOR] * count
    start, deviations = np.array(priors).T

    def covariance(parameters: Array) -> tuple[Array, Array, Array]:
        """The covariance of the targets; their similarity; what the covariance gains in a step of a gene's log length.

        The latter two are without the gene's own squares and its length.
        """
        similar, slope = _matern((np.exp(-2 * parameters[:genes]) @ flat).reshape(later.shape))
        variances, noises = np.split(np.exp(parameters[genes:]), [count])
        shared = np.cumsum(variances[::-1])[::-1][later]
        return shared * similar + np.diag(at_rung @ noises), similar, shared * slope

    def loss(parameters: Array) -> tuple[float, Array]:
        """The negative logarithm of the posterior, up to a constant, and its gradient."""
        whole, similar, slope = covariance(parameters)
        factor = linalg.cho_factor(whole, lower=True)
        weights = linalg.cho_solve(factor, centred)
        outer = np.outer(weights, weights) - linalg.cho_solve(factor, np.eye(len(centred)))
        by_rung = np.bincount(later.ravel(), (outer * similar).ravel(), minlength=count)
        rise = 0.5 * np.concatenate([flat @ (outer * slope).ravel(), np.cumsum(by_rung), np.diag(outer) @ at_rung])
        rise *= np.exp(np.concatenate([-2 * parameters[:genes], parameters[genes:]]))
        away = (parameters - start) / deviations
        likelihood = -0.5 * centred @ weights - np.sum(np.log(np.diag(factor[0])))
        return float(0.5 * away @ away - likelihood), away / deviations - rise

    bounds = [(LEAST_LOG, MOST_LOG)] * len(start)
    options = {"maxiter": ITERATIONS, "ftol": TOLERANCE}
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    lengths, variances, noises = np.split(np.exp(best), [genes, genes + count])
    return GaussianProcess(
        units=units,
        unordered=np.asarray(unordered, bool),
        lengths=lengths,
        signal=float(variances[-1]),
        deviations=variances[:-1],
        noises=noises,
        mean=mean,
        weights=linalg.cho_solve(linalg.cho_factor(covariance(best)[0], lower=True), centred),
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
