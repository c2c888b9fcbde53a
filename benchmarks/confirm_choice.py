"""What does a choice among the best by fresh seeds gain? `python benchmarks/confirm_choice.py --json`.

Nothing is trained. True values of the sets that lead a search are normal with deviation --spread, a run's score is the
true value plus a seed's noise of deviation --noise (by default the embedded task's: benchmarks/embedded_fitness.py).
The best m by one run each are run k times more; the one with the best mean wins. For each m, means over --searches:
  - true: the true value of the winner, above that of an average set;
  - regret: the best set's true value less the winner's;
  - optimism_of_the_search: the leading score less its set's true value;
  - optimism_of_the_mean and of the shrunk one: the same of the runs that chose the winner;
  - with_search: the true value of the winner, had the run of the search counted as one of k + 1.
"""

import argparse
import json
import sys

import numpy as np
from numpy.typing import NDArray

from evolve.verdict.shrinkage import shrink

COUNTS = (1, 2, 3, 5, 8)
SHRUNK = 2000  # searches of which the shrunk mean is taken: it is computed one by one


def study(
    rng: np.random.Generator, searches: int, sets: int, spread: float, noise: float, seeds: int
) -> dict[str, object]:
    """The figures of one spread."""
    truth = rng.normal(0.0, spread, (searches, sets))
    once = truth + rng.normal(0.0, noise, truth.shape)
    order = np.argsort(-once, axis=1)
    rows = np.arange(searches)
    figures: dict[str, object] = {}
    for count in COUNTS:
        true, first = (np.take_along_axis(values, order[:, :count], axis=1) for values in (truth, once))
        runs = true[:, :, None] + rng.normal(0.0, noise, (searches, count, seeds))
        means = runs.mean(axis=2)
        best = means.argmax(axis=1)
        counted = ((means * seeds + first) / (seeds + 1)).argmax(axis=1)
        figures[str(count)] = {
            "true": _mean(true[rows, best]),
            "regret": _mean(truth.max(axis=1) - true[rows, best]),
            "optimism_of_the_search": _mean(first[:, 0] - true[:, 0]),
            "optimism_of_the_mean": _mean((means - true)[rows, best]),
            "optimism_of_the_shrunk_mean": _mean(_shrunk(runs, best) - true[rows, best][:SHRUNK]),
            "with_search": _mean(true[rows, counted]),
        }
    return figures


def _shrunk(runs: NDArray[np.float64], best: NDArray[np.int64]) -> NDArray[np.float64]:
    found = [shrink(one.tolist()).means[winner] for one, winner in zip(runs[:SHRUNK], best, strict=False)]
    return np.asarray(found)


def _mean(values: NDArray[np.float64]) -> float:
    return round(float(values.mean()), 5)


def main() -> int:
    """Run the study and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--searches", type=int, default=20000)
    parser.add_argument("--sets", type=int, default=12, help="sets of a search that differ little and lead")
    parser.add_argument("--noise", type=float, default=0.011, help="deviation between seeds of one set")
    parser.add_argument("--spread", type=float, nargs="+", default=[0.006, 0.01], help="deviation of true values")
    parser.add_argument("--seeds", type=int, default=3, help="fresh seeds of each candidate, k")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    figures = {
        f"{spread:g}": study(rng, arguments.searches, arguments.sets, spread, arguments.noise, arguments.seeds)
        for spread in arguments.spread
    }
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
