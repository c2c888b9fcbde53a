"""How good is what a search has found by a given time: `python benchmarks/search_quality.py --tasks developing`.

Searches on LCBench (lcbench.py beside this file) in virtual time: each training takes as long as it took there, and 10
workers share them. The time T of a task is that of 400 random whole trainings. Regret is 0 at the best known final
score and 1 at the median of random sets. With noise, each score has an error with a standard deviation of 0.25 of that
between random sets, and the best five by score are scored three times more to name the best of them, as the
candidates stage does; without noise the best by score is named. The true score counts.

Our own searches go through evolve.genetics.strategy. Two others beside them: random search, and `tuner`, the rule of
the most used YOLO tuner by its public description (ultralytics/ultralytics#25984 and #25996). That one is asynchronous
and trains everything to the end; here it works in the same [0, 1] positions as ours.

A whole search, for a task, a seed and a noise, takes about 0.5 s of a core, with screening 5 s, `tuner` 1 s.
"""

import argparse
import heapq
import itertools
import json
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lcbench
import numpy as np
from lcbench import EPOCHS, SPACE, Task

from evolve.genetics import recipe as recipes
from evolve.genetics import seeding
from evolve.genetics.genome import Genome
from evolve.genetics.operators import reflect
from evolve.genetics.recipe import Recipe
from evolve.genetics.screening import positions
from evolve.genetics.strategy import Assigned, GenerationOpened, Strategy

TRAININGS = 400  # random whole trainings that set the time T
SHARES = (0.25, 0.5, 1.0)  # of T
CANDIDATES, SEEDS = 5, 3  # of the candidates stage
RESAMPLES = 10_000


@dataclass(frozen=True)
class Finished:
    """A whole training that ended."""

    at: float  # virtual seconds
    key: str
    score: float  # with its noise
    true: float


@dataclass(frozen=True)
class Setting:
    """What a search has."""

    task: Task
    workers: int
    noise: float  # standard deviation, in those of the task
    seed: int
    whole: float  # the time T, virtual seconds
    budget: float  # share of T

    @property
    def end(self) -> float:
        """When the search ends, virtual seconds."""
        return self.budget * self.whole

    def noisy(self, true: float, *key: object) -> float:
        """The score with its error, which depends on the key alone."""
        text = " ".join(map(str, (self.task.name, self.seed, *key)))
        error = np.random.default_rng(zlib.crc32(text.encode())).standard_normal()
        return true + self.noise * self.task.deviation * float(error)


Method = Callable[[Setting], list[Finished]]


def own(recipe: Recipe, setting: Setting) -> list[Finished]:
    """A search by the project's strategy."""
    strategy = Strategy(SPACE, replace(recipe, generations=1000), setting.seed, EPOCHS)
    curves: dict[str, dict[int, tuple[float, float]]] = {}
    waiting: deque[Assigned] = deque()
    running: list[tuple[float, int, Assigned]] = []
    finished: list[Finished] = []
    now, order = 0.0, 0
    while True:
        for decision in strategy.ask():
            if isinstance(decision, GenerationOpened):
                _look_up(setting.task, recipe, decision, curves)
            elif isinstance(decision, Assigned):
                waiting.append(decision)
        while waiting and len(running) < setting.workers:
            piece = waiting.popleft()
            seconds = curves[piece.uid][piece.stop_step][0] - curves[piece.uid][piece.start_step][0]
            order += 1
            heapq.heappush(running, (now + seconds, order, piece))
        if not running:
            return finished
        now, _, piece = heapq.heappop(running)
        if now > setting.end:
            return finished
        true = curves[piece.uid][piece.stop_step][1]
        score = setting.noisy(true, piece.uid, piece.stop_step)
        if piece.last:
            finished.append(Finished(now, piece.uid, score, true))
        strategy.tell(piece.uid, piece.stop_step, score)


def _look_up(
    task: Task, recipe: Recipe, opened: GenerationOpened, curves: dict[str, dict[int, tuple[float, float]]]
) -> None:
    """Add the seconds and the score of each individual at each rung."""
    genomes = [individual.genome for individual in opened.individuals]
    for individual in opened.individuals:
        curves[individual.uid] = {0: (0.0, 0.0)}
    for step in recipe.rung_steps(EPOCHS):
        for individual, seconds, score in zip(opened.individuals, *task.at(genomes, step), strict=True):
            curves[individual.uid][step] = (float(seconds), float(score))


def asynchronous(make: Callable[[Setting], "Rule"], setting: Setting) -> list[Finished]:
    """A search that trains everything to the end, and asks for the next set whenever a worker is free."""
    rule, now, count = make(setting), 0.0, 0
    running: list[tuple[float, int, Genome, float]] = []
    finished: list[Finished] = []
    while True:
        while len(running) < setting.workers:
            genome = rule.ask()
            seconds, scores = setting.task.at([genome], EPOCHS)
            heapq.heappush(running, (now + float(seconds[0]), count, genome, float(scores[0])))
            count += 1
        now, order, genome, true = heapq.heappop(running)
        if now > setting.end:
            return finished
        finished.append(Finished(now, str(order), setting.noisy(true, order), true))
        rule.tell(genome, finished[-1].score)


class Rule:
    """Random search; the base of other rules without generations."""

    def __init__(self, setting: Setting) -> None:
        self._rng = np.random.default_rng(setting.seed)

    def ask(self) -> Genome:
        """The next set to train."""
        return self._genome(self._rng.random(len(SPACE.genes)))

    def tell(self, genome: Genome, score: float) -> None:
        """Take in a result."""

    @staticmethod
    def _genome(units: Sequence[float]) -> Genome:
        pairs = zip(SPACE.genes.items(), units, strict=True)
        return Genome({gene: domain.from_unit(float(unit)) for (gene, domain), unit in pairs})


class Tuner(Rule):
    """One parent among the best nine, drawn by fitness; half of its genes take a Gaussian step.

    The step is 0.2, and 0.16 after 25 results without a new best. From 30 results on, up to 40 % of the sets are
    drawn from the covariance of the best fifth (at most 30) around the parent instead.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._results: list[tuple[float, Genome]] = []
        self._asked: set[Genome] = set()
        self._best, self._stale = -np.inf, 0

    def tell(self, genome: Genome, score: float) -> None:
        """Take in a result."""
        self._results.append((score, genome))
        better = round(score, 5) > self._best
        self._best, self._stale = (round(score, 5), 0) if better else (self._best, self._stale + 1)

    def ask(self) -> Genome:
        """The defaults, then mutants; none twice."""
        for _ in range(100):
            genome = self._mutant() if self._results else self._around_defaults()
            if genome not in self._asked:
                break
        self._asked.add(genome)
        return genome

    def _around_defaults(self) -> Genome:
        """The defaults themselves; for the other workers, which have no result yet either, mutants of them."""
        defaults = SPACE.defaults()
        return self._stepped(positions(SPACE, [defaults])[0], 0.2) if self._asked else defaults

    def _mutant(self) -> Genome:
        ranked = sorted(self._results, key=lambda result: -result[0])
        parents = ranked[:9]
        weights = np.array([score for score, _ in parents]) - parents[-1][0] + 1e-6
        parent = parents[int(self._rng.choice(len(parents), p=weights / weights.sum()))][1]
        units = positions(SPACE, [parent])[0]
        elites = ranked[: min(max(len(ranked) // 5, 2), 30)]
        evidence = min(len(elites) / 30, 1.0)
        if len(ranked) >= 30 and self._rng.random() < 0.4 * evidence * 0.5 ** (self._stale / 100):
            covariance = np.cov(positions(SPACE, [genome for _, genome in elites]).T)
            step = self._rng.multivariate_normal(np.zeros(len(units)), covariance + 1e-6 * np.eye(len(units)))
            return self._genome([reflect(unit) for unit in units + step])
        return self._stepped(units, 0.16 if self._stale >= 25 else 0.2)

    def _stepped(self, units: Sequence[float], strength: float) -> Genome:
        moves = self._rng.random(len(units)) < 0.5
        if not moves.any():
            moves[self._rng.integers(len(units))] = True
        return self._genome(np.clip(units + moves * strength * self._rng.standard_normal(len(units)), 0, 1))


OTHERS: dict[str, Callable[[Setting], Rule]] = {"random": Rule, "tuner": Tuner}


def methods() -> dict[str, Method]:
    """The searches to compare, by name."""
    fast = recipes.load("fast", {"screening": 1, "seeding": seeding.RANDOM})
    ours = {
        "seed, random": recipes.load("seed", {"seeding": seeding.RANDOM}),
        "seed, mixed": recipes.load("seed", {"seeding": seeding.MIXED}),
        "fast, no screening, random": fast,
        "fast, no screening, mixed": replace(fast, seeding=seeding.MIXED),
        "fast, screening, random": replace(fast, screening=30),
        "fast, screening, mixed": replace(fast, screening=30, seeding=seeding.MIXED),
    }
    return {name: partial(own, recipe) for name, recipe in ours.items()} | {
        name: partial(asynchronous, rule) for name, rule in OTHERS.items()
    }


BASE = "fast, no screening, random"


def regrets(method: Method, setting: Setting) -> list[float]:
    """The regret at each share of T within the budget."""
    finished = method(setting)
    return [
        _regret([one for one in finished if one.at <= share * setting.whole], setting)
        for share in SHARES
        if share <= setting.budget
    ]


def _regret(finished: Sequence[Finished], setting: Setting) -> float:
    """The regret of the set that would be named; of the median set if nothing has ended yet."""
    if not finished:
        return 1.0
    ranked = sorted(finished, key=lambda one: -one.score)[: CANDIDATES if setting.noise else 1]
    named = max(
        ranked, key=lambda one: sum(setting.noisy(one.true, one.key, "candidate", seed) for seed in range(SEEDS))
    )
    return (setting.task.best - named.true) / (setting.task.best - setting.task.median)


def interval(values: np.ndarray) -> list[float]:
    """The 95 % bootstrap interval of the mean of values [tasks, seeds]: tasks are resampled, and seeds in each."""
    rng, (tasks, seeds) = np.random.default_rng(0), values.shape
    means = []
    for _ in range(RESAMPLES // 500):
        rows = rng.integers(tasks, size=(500, tasks, 1))
        means.append(values[rows, rng.integers(seeds, size=(500, tasks, seeds))].mean(axis=(1, 2)))
    return [round(float(bound), 4) for bound in np.quantile(np.concatenate(means), [0.025, 0.975])]


def main() -> int:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tasks", choices=tuple(lcbench.PARTS), default="developing", help="reporting: only for a report"
    )
    parser.add_argument("--first", type=int, metavar="N", help="the first N of these tasks (all)")
    parser.add_argument("--seeds", type=int, default=20, metavar="N")
    parser.add_argument("--workers", type=int, default=10, metavar="N")
    parser.add_argument("--budget", type=float, default=1.0, metavar="SHARE", help="of T; shorter searches, for a look")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.25], metavar="DEVIATIONS")
    parser.add_argument("--methods", nargs="+", choices=tuple(methods()), default=list(methods()), metavar="NAME")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="add each search's figures to this file, and run no search that is in it",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    try:
        tasks = lcbench.load(arguments.tasks, arguments.first)
    except lcbench.MissingDataError as error:
        print(f"search_quality: {error}", file=sys.stderr)
        return 2
    measured = _measure(tasks, arguments)
    report: dict[str, Any] = {
        "tasks": [task.name for task in tasks],
        "seeds": arguments.seeds,
        "workers": arguments.workers,
        "methods": {},  # without noise
        "noisy": {},  # noise -> the same with noise
    }
    for noise in arguments.noise:
        figures = {
            name: {"ours": name not in OTHERS, **_figures(measured[noise, name], measured.get((noise, BASE)))}
            for name in arguments.methods
        }
        if noise:
            report["noisy"][str(noise)] = figures
        else:
            report["methods"] = figures
    print(json.dumps(report) if arguments.json else _table(report))
    return 0


def _measure(tasks: Sequence[Task], arguments: argparse.Namespace) -> dict[tuple[float, str], np.ndarray]:
    """The regret of each method at each noise, [tasks, seeds, shares]; one seed of all tasks after the other."""
    kept = _kept(arguments.keep)
    shares = sum(share <= arguments.budget for share in SHARES)
    names = [(noise, name) for noise in arguments.noise for name in arguments.methods]
    measured = {key: np.empty((len(tasks), arguments.seeds, shares)) for key in names}
    began, searches = time.perf_counter(), 0
    for seed, (row, task), (noise, name) in itertools.product(range(arguments.seeds), enumerate(tasks), names):
        search = f"{task.name} {seed} {noise} {arguments.workers} {arguments.budget} {name}"
        if search not in kept:
            whole = TRAININGS * task.mean_seconds / arguments.workers
            setting = Setting(task, arguments.workers, noise, seed, whole, arguments.budget)
            kept[search] = regrets(methods()[name], setting)
            searches += 1
            if arguments.keep is not None:
                with arguments.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"search": search, "regrets": kept[search]}) + "\n")
        measured[noise, name][row, seed] = kept[search]
    seconds = time.perf_counter() - began
    print(
        f"{searches} searches in {seconds:.0f} s, {len(tasks) * arguments.seeds * len(names)} compared", file=sys.stderr
    )
    return measured


def _kept(path: Path | None) -> dict[str, list[float]]:
    """The regrets of the searches in the file, if there is one."""
    if path is None or not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["search"]: line["regrets"] for line in lines}


def _figures(values: np.ndarray, base: np.ndarray | None) -> dict[str, object]:
    shares = {str(share): values[:, :, index] for index, share in enumerate(SHARES[: values.shape[2]])}
    figures: dict[str, object] = {
        "regret": {share: round(float(at.mean()), 4) for share, at in shares.items()},
        "interval": {share: interval(at) for share, at in shares.items()},
    }
    if base is not None and base is not values:
        away = {share: at - base[:, :, index] for index, (share, at) in enumerate(shares.items())}
        figures["difference"] = {share: round(float(at.mean()), 4) for share, at in away.items()}
        figures["difference_interval"] = {share: interval(at) for share, at in away.items()}
    return figures


def _table(report: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"tasks: {', '.join(report['tasks'])}; seeds: {report['seeds']}; workers: {report['workers']}"]
    for noise, figures in {"0": report["methods"], **report["noisy"]}.items():
        if not figures:
            continue
        shares = next(iter(figures.values()))["regret"]
        lines += ["", f"noise {noise}; difference from: {BASE}"]
        lines.append("| method | " + " | ".join(f"{float(share):.0%} of T" for share in shares) + " |")
        lines.append("|---" * (len(shares) + 1) + "|")
        lines += [
            f"| {name} | " + " | ".join(_cell(figure, share) for share in shares) + " |"
            for name, figure in figures.items()
        ]
    return "\n".join(lines)


def _cell(figure: dict[str, dict[str, object]], share: str) -> str:
    low, high = figure["interval"][share]
    cell = f"{figure['regret'][share]:.3f} ({low:.3f} to {high:.3f})"
    if "difference" in figure:
        low, high = figure["difference_interval"][share]
        cell += f"; {figure['difference'][share]:+.3f} ({low:+.3f} to {high:+.3f})"
    return cell


if __name__ == "__main__":
    sys.exit(main())
