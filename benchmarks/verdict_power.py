"""Does the verdict's interval cover the truth, and what does it see? `python benchmarks/verdict_power.py --json`.

Nothing is trained. A score is the true value of its set, plus what its seed does to all sets, plus noise of its own;
--deviation is that of a seed, and the share of its variance that all sets have in common is the correlation of a pair.
The candidates stage gives the noise that the verdict knows beforehand (evolve/verdict/pair_noise.py). For each number
of seeds, correlation, and deviation of the opponent (in deviations of the candidates and the winner):
  - coverage: the share of 95 % intervals that hold the true gain, by three methods: `pairs`, which the verdict uses
    (evolve/verdict/interval.py), the `paired_t` without that noise, and `welch`, which knows no pairs;
  - half_width: the mean half width of these intervals;
  - power: of `pairs`, the share of searches whose true gain of 0.01, 0.02 or 0.03 shows;
  - detectable: the median of the gain that the verdict says would show, and shown: how often it does.
"""

import argparse
import json
import sys

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evolve.verdict import interval
from evolve.verdict.pair_noise import PairNoise

Array = NDArray[np.float64]

SEEDS = (2, 3, 4, 5, 6, 8, 10, 12)
CORRELATIONS = (0.0, 0.4, 0.8)
OPPONENTS = (1.0, 1.5, 2.0)
GAINS = (0.01, 0.02, 0.03)


def scores(rng: np.random.Generator, searches: int, deviations: list[float], seeds: int, correlation: float) -> Array:
    """[search, set, seed] scores without any true difference; one deviation for each set."""
    common = rng.standard_normal((searches, 1, seeds))
    own = rng.standard_normal((searches, len(deviations), seeds))
    return (np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own) * np.asarray(deviations)[None, :, None]


def noise_variance(table: Array) -> Array:
    """[search] the variance of a difference by [search, candidate, seed] scores: pair_noise.estimate for many."""
    residuals = table - table.mean(1, keepdims=True) - table.mean(2, keepdims=True) + table.mean((1, 2), keepdims=True)
    variances: Array = 2 * (residuals**2).sum((1, 2)) / ((table.shape[1] - 1) * (table.shape[2] - 1))
    return variances


def pairs(differences: Array, variances: Array, candidates_freedom: int) -> tuple[Array, float]:
    """[search] errors of the mean difference, and their degrees of freedom: interval.gain for many."""
    count, own = differences.shape[1], differences.var(1, ddof=1)
    of_noise = interval.noise_freedom(PairNoise(0.0, candidates_freedom))
    freedom = count - 1 + of_noise
    pooled = (of_noise * variances + (count - 1) * own) / freedom
    return np.sqrt(np.maximum(own, pooled) / count), freedom


def welch(own: Array, theirs: Array) -> tuple[Array, Array]:
    """[search] errors of the difference of two means, and their degrees of freedom."""
    count = own.shape[1]
    a, b = own.var(1, ddof=1) / count, theirs.var(1, ddof=1) / count
    return np.sqrt(a + b), (a + b) ** 2 / ((a**2 + b**2) / (count - 1))


def study(
    rng: np.random.Generator, options: argparse.Namespace, seeds: int, correlation: float, opponent: float
) -> dict[str, object]:
    """The figures of one number of seeds, correlation and opponent."""
    candidates = [options.deviation] * options.candidates
    variances = noise_variance(scores(rng, options.searches, candidates, options.choice_seeds, correlation))
    both = scores(rng, options.searches, [options.deviation, options.deviation * opponent], seeds, correlation)
    differences = both[:, 0] - both[:, 1]
    mean = differences.mean(1)
    candidates_freedom = (options.candidates - 1) * (options.choice_seeds - 1)
    error, freedom = pairs(differences, variances, candidates_freedom)
    welch_error, welch_freedom = welch(both[:, 0], both[:, 1])
    halves = {
        "pairs": stats.t.ppf(0.975, freedom) * error,
        "paired_t": stats.t.ppf(0.975, seeds - 1) * differences.std(1, ddof=1) / np.sqrt(seeds),
        "welch": stats.t.ppf(0.975, welch_freedom) * welch_error,
    }
    detectable = interval.detectable(float(np.median(error)), freedom)
    return {
        "seeds": seeds,
        "correlation": correlation,
        "opponent": opponent,
        "coverage": {name: round(float((np.abs(mean) <= half).mean()), 4) for name, half in halves.items()},
        "half_width": {name: round(float(half.mean()), 4) for name, half in halves.items()},
        "power": {f"{gain:g}": round(float((mean + gain > halves["pairs"]).mean()), 3) for gain in GAINS},
        "detectable": round(detectable, 4),
        "shown": round(float((mean + detectable > halves["pairs"]).mean()), 3),
    }


def main() -> int:
    """Run the study and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--searches", type=int, default=20000)
    parser.add_argument("--deviation", type=float, default=0.01, help="of a score between the seeds of one set")
    parser.add_argument("--candidates", type=int, default=5)
    parser.add_argument("--choice-seeds", type=int, default=3, help="fresh seeds of each candidate")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    figures = [
        study(rng, options, seeds, correlation, opponent)
        for opponent in OPPONENTS
        for seeds in SEEDS
        for correlation in CORRELATIONS
    ]
    print(json.dumps(figures) if options.json else "\n".join(map(json.dumps, figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
