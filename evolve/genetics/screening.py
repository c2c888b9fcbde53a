"""Screened offspring: of many mutants of an elite, the one that a model of all trials so far predicts as the best.

The model is a Gaussian process on the genes (gaussian_process.py). It learns from every score of every trial, those of
stopped ones included: a score at a rung is brought to the scale of final ones by the line fitted to the trials that
have both. It only ranks, so targets are normal scores of ranks, and no scale of a fitness matters.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evolve.genetics import gaussian_process, ranks
from evolve.genetics.domains import Choice
from evolve.genetics.gaussian_process import Array, GaussianProcess
from evolve.genetics.genome import Genome
from evolve.genetics.plain import rounded
from evolve.genetics.space import SearchSpace

FEWEST_TRIALS = 10  # with a score; fewer than this say too little
MOST_TRIALS = 200  # in a model; with the scores at their rungs some 300 points, and a fit costs their third power
FEWEST_CHILDREN = 10  # fewer predictions than this do not show whether a model ranks better than chance
DIGITS = 6  # of a prediction when mutants are compared: the last bits differ between machines and numbers of threads


@dataclass(frozen=True)
class Trial:
    """An individual's genome, its scores so far (step -> score), and what was predicted before it trained."""

    generation: int
    genome: Genome
    scores: Mapping[int, float]
    predicted: float | None = None


@dataclass(frozen=True)
class Screen:
    """A fitted model that ranks genomes."""

    space: SearchSpace
    model: GaussianProcess
    targets: Array  # sorted, and the values that they stand for: brings predictions back to the scale of fitness
    values: Array

    def best(self, genomes: Sequence[Genome]) -> tuple[Genome, float]:
        """The genome predicted as the best, the first of equals, and the fitness predicted for it."""
        targets = np.round(self.model.predict(positions(self.space, genomes)), DIGITS)
        index = int(np.argmax(targets))
        return genomes[index], rounded(float(np.interp(targets[index], self.targets, self.values)))


def screen_from(space: SearchSpace, trials: Sequence[Trial], steps: Sequence[int]) -> Screen | None:
    """The screen made of all trials so far, in the order of their birth; None if there are too few with a score.

    steps: the rungs, rising; the last is the full budget.
    """
    scored = [trial for trial in trials if trial.scores]
    if len(scored) < FEWEST_TRIALS or not space.genes:
        return None
    lines = _lines([trial.scores for trial in scored], steps)
    points = [(index, step) for index, trial in enumerate(scored) for step in steps if step in trial.scores]
    values = np.array([_along(lines[step], scored[index].scores[step]) for index, step in points])
    targets = ranks.normal_scores(values)
    kept = _best_and_latest(final_scores([trial.scores for trial in scored], steps))
    chosen = [number for number, (index, _) in enumerate(points) if index in kept]
    model = gaussian_process.fit(
        positions(space, [scored[points[number][0]].genome for number in chosen]),
        targets[chosen],
        [list(steps).index(points[number][1]) for number in chosen],
        [isinstance(domain, Choice) for domain in space.genes.values()],
    )
    order = np.argsort(targets, kind="stable")
    return Screen(space, model, targets[order], values[order])


def final_scores(scores: Sequence[Mapping[int, float]], steps: Sequence[int]) -> list[float]:
    """The last score of each trial, brought to the scale of final scores.

    A score at a rung goes through the line fitted by least squares to the trials that have both it and a final score;
    with fewer than three of those, or a falling line, all are shifted alike. Each trial needs at least one score.
    """
    lines = _lines(scores, steps)
    return [_along(lines[max(trial)], trial[max(trial)]) for trial in scores]


def correlation(trials: Iterable[Trial], steps: Sequence[int], generation: int) -> tuple[float | None, int]:
    """The rank correlation of predicted and measured fitness in a generation, and the number of its screened children.

    None if they are fewer than two or do not differ. A stopped child is measured by its last score (final_scores).
    """
    scored = [trial for trial in trials if trial.scores]
    measured = final_scores([trial.scores for trial in scored], steps)
    pairs = [
        (trial.predicted, score)
        for trial, score in zip(scored, measured, strict=True)
        if trial.generation == generation and trial.predicted is not None
    ]
    return ranks.rank_correlation([pair[0] for pair in pairs], [pair[1] for pair in pairs]), len(pairs)


def is_trusted(trials: Iterable[Trial], steps: Sequence[int], generation: int) -> bool:
    """Whether the predictions of a generation, if there were enough, ranked its children better than chance."""
    agreement, children = correlation(trials, steps, generation)
    return children < FEWEST_CHILDREN or agreement is None or agreement > 0


def positions(space: SearchSpace, genomes: Collection[Genome]) -> Array:
    """Each gene's position in [0, 1], [genomes, genes]."""
    return np.array([[domain.to_unit(genome[gene]) for gene, domain in space.genes.items()] for genome in genomes])


def _lines(scores: Sequence[Mapping[int, float]], steps: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Slope and intercept that bring the scores at each step to the scale of final scores."""
    last = steps[-1]
    pairs = {
        step: [(trial[step], trial[last]) for trial in scores if step in trial and last in trial] for step in steps
    }
    return {step: (1.0, 0.0) if step == last else _line(pairs[step]) for step in steps}


def _line(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and intercept by least squares; a slope of 1 if there are too few points for one, or it would not rise."""
    if not pairs:
        return 1.0, 0.0
    early, late = np.array(pairs).T
    spread = float(np.sum((early - early.mean()) ** 2))
    slope = float(np.sum((early - early.mean()) * (late - late.mean()))) / spread if spread > 0 else 0.0
    if len(pairs) < 3 or slope <= 0:
        slope = 1.0
    return slope, float(late.mean() - slope * early.mean())


def _along(line: tuple[float, float], score: float) -> float:
    return line[0] * score + line[1]


def _best_and_latest(values: Sequence[float]) -> set[int]:
    """At most MOST_TRIALS indices: half of them the best, the rest the latest of the others."""
    best = sorted(range(len(values)), key=lambda index: (-values[index], index))
    kept = set(best[: MOST_TRIALS // 2])
    others = [index for index in range(len(values)) if index not in kept]
    return kept | set(others[max(0, len(others) - MOST_TRIALS // 2) :])
