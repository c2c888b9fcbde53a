"""Is the embedded task's fitness worth selecting on? `python benchmarks/embedded_fitness.py --json`.

Trains the first random individuals of a search and the defaults at full budget, on Ray workers, and reports
  - the untrained start's, and the default's, validation AP50;
  - the standard deviation of fitness over random sets, over that over seeds of the default;
  - Spearman's correlation between two seeds on the best sets;
  - Spearman's correlation of each rung of the recipe `fast` with the end, over the random sets of the spread, all
    trained through: free of the bias that a search has, which trains only what it promoted;
  - the best random set of a budget equal to that of the recipe `fast`: scored on the test split with fresh seeds.
The random sets are those of generation 0 of `evolve search --seed S`, so they can be compared with a search.
"""

import argparse
import json
import math
import sys
from collections import deque
from pathlib import Path

import numpy as np
from scipy import stats

from evolve import fitness, task
from evolve.execution import resources
from evolve.execution.dispatch import dispatch, is_result
from evolve.execution.executor import Ended, Lease
from evolve.execution.ray_executor import RayExecutor
from evolve.genetics import recipe as recipes
from evolve.genetics import seeding
from evolve.genetics.genome import Genome
from evolve.records import forecast
from evolve.trial import TrialSpec
from evolve.trial_config import TrialConfig
from evolve.verdict import confirm

OTHER_SEED = 1_000_000  # added to a trial's seed for its second training


def equal_budget(recipe: recipes.Recipe) -> int:
    """How many full trainings cost as many steps as a search of the recipe (rungs, all generations)."""
    steps = math.lcm(*(rung.denominator for rung in recipe.rungs))
    children = recipe.elites * recipe.children
    first, later = (forecast.generation_steps(recipe, count, steps) for count in (recipe.population, children))
    return round((first + recipe.generations * later) / steps)


def main() -> int:
    """Run the study and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seed", type=int, default=0, help="of the search whose first generation is trained")
    parser.add_argument("--best", type=int, default=30, help="sets trained with a second seed")
    parser.add_argument("--default-seeds", type=int, default=8)
    parser.add_argument("--spread", type=int, default=30, help="random sets of the spread")
    parser.add_argument("--space", type=Path)
    parser.add_argument("--random", type=int, help="random sets in all (those of an equal budget)")
    arguments = parser.parse_args()
    workers, threads = resources.default_workers(0, cpu_only=True)
    prepared = task.prepare(task.TaskRequest(space=arguments.space), threads=threads)
    recipe = recipes.load("fast")
    count = arguments.random or equal_budget(recipe)
    people = seeding.first_generation(prepared.space, recipes.load("fast", {"population": count + 1}), arguments.seed)
    defaults, randoms = people[0], people[1:]

    def spec(uid: str, genome: Genome, seed: int, splits: tuple[str, ...] = ("val",), stop: int = 0) -> TrialSpec:
        return TrialSpec(uid, prepared.config_of(genome), seed, stop or prepared.steps, evaluate_splits=splits)

    scores: dict[str, dict[str, float]] = {}

    def run(specs: list[TrialSpec]) -> None:
        for event in dispatch(executor, deque(Lease(one, 1) for one in specs)):
            if event is not None and is_result(event):
                scores[event.lease.spec.uid] = dict(event.measurement.scores)  # type: ignore[union-attr]
                print(f"{len(scores)}: {event.lease.spec.uid} {scores[event.lease.spec.uid]}", file=sys.stderr)
            elif isinstance(event, Ended) and event.failure:
                print(f"{event.lease.spec.uid}: {event.failure.reason}", file=sys.stderr)

    def value(uid: str) -> float:
        return fitness.score(scores[uid], prepared.space.fitness) if uid in scores else float("nan")

    with RayExecutor(prepared.factory, workers=workers, threads=threads) as executor:
        # One step that moves nothing stands for the untrained start.
        still = {"optimizer.learning_rate": 1e-12, "optimizer.norm_momentum": 0.999999}
        start = TrialConfig.from_settings({**prepared.space.trial, **dict(defaults.genome), **still})
        run([TrialSpec("start", start.settings(), 0, 1)])
        run([spec(f"default/{k}", defaults.genome, OTHER_SEED + k) for k in range(arguments.default_seeds)])
        run([spec(one.uid, one.genome, one.seed) for one in randoms])
        ranked = sorted((one for one in randoms if one.uid in scores), key=lambda one: -value(one.uid))
        best = ranked[: arguments.best]
        through = randoms[: arguments.spread]
        rungs = recipe.rung_steps(prepared.steps)[:-1]
        run([spec(f"{one.uid}@{step}", one.genome, one.seed, stop=step) for one in through for step in rungs])
        run([spec(f"{one.uid}/again", one.genome, OTHER_SEED + one.seed) for one in best])
        fresh = confirm.fresh_seeds(arguments.seed, recipe.confirm_seeds, frozenset(one.seed for one in people))
        run([spec(f"random/{s}", ranked[0].genome, s, ("val", "test")) for s in fresh])
    default = np.asarray([value(f"default/{k}") for k in range(arguments.default_seeds)])
    spread = np.asarray([value(one.uid) if one.uid in scores else 0.0 for one in randoms[: arguments.spread]])
    pairs = [(value(one.uid), value(f"{one.uid}/again")) for one in best if f"{one.uid}/again" in scores]

    def ranking(step: int) -> float:
        both = [(value(f"{one.uid}@{step}"), value(one.uid)) for one in through if one.uid in scores]
        return float(stats.spearmanr(*zip(*both, strict=True)).statistic)

    figures = {
        "steps": prepared.steps,
        "start_map50": scores["start"]["val/map50"],
        "default_map50": float(np.mean([scores[f"default/{k}"]["val/map50"] for k in range(arguments.default_seeds)])),
        "default_fitness": float(default.mean()),
        "seed_deviation": float(default.std(ddof=1)),
        "random_deviation": float(spread.std(ddof=1)),
        "deviation_ratio": float(spread.std(ddof=1) / default.std(ddof=1)),
        "spearman_best": float(stats.spearmanr(*zip(*pairs, strict=True)).statistic),
        "spearman_of_rungs": {step: ranking(step) for step in rungs},
        "best_random": {"uid": ranked[0].uid, "fitness": value(ranked[0].uid), "of": count},
        "best_random_test": [scores[f"random/{s}"]["test/map50_95"] for s in fresh],
        "failed": count - len(ranked),
    }
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
