"""How well the scores at each rung rank trials by their fitness: Spearman's correlation, without promotion's bias.

Only the best of a rung are trained on, so the trials with a fitness are no fair sample. Controls (early_stopping.py)
stand for those that were stopped: a trial is weighted by one over the probability with which it was trained to the end
(Horvitz and Thompson 1952), which is 1 for the promoted ones, and the share drawn for those below a cut. So the
correlation is that over all trials of a generation, as if all had been trained to the end.

Ranks are weighted and over all generations; from each the mean rank of its generation is subtracted, so that a
generation that is better than another does not pass for a rung that ranks. (Ranks within each generation would be
biased towards 0: a generation has four controls, and a correlation of ranks of few values is too small on average.)

The interval comes from a bootstrap, which resamples controls and promoted trials apart. Its spread, on Fisher's scale,
is multiplied by Student's quantile for the effective number of trials, (sum of weights)^2 / (sum of their squares).
How often it holds the truth is in docs/decisions/0018-control-trials.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from evolve.genetics import early_stopping
from evolve.genetics.genome import bootstrap_generator

Array = NDArray[np.float64]

FEWEST_TRIALS = 8  # with a fitness; with fewer the interval says nothing
RESAMPLES = 1000
LARGEST = 0.999  # a correlation of 1 is infinite on Fisher's scale
DIGITS = 4  # of correlation and interval: the last bits differ between machines


@dataclass(frozen=True)
class RungTrial:
    """A trial that is over: its generation, its scores (step -> score), and whether it was stopped at its last one."""

    generation: int
    scores: Mapping[int, float]
    stopped: bool


@dataclass(frozen=True)
class RungCorrelation:
    """The rank correlation of the scores at a rung with the fitness; None if it is not known."""

    step: int
    rank_correlation: float | None
    interval: tuple[float, float] | None  # 95 %
    trials: int  # with a fitness, of the generations that are used
    controls: int  # trials out of these that a rung would have stopped


@dataclass(frozen=True)
class _Sampled:
    """A trial that was trained to the end."""

    trial: RungTrial
    is_control: bool  # whether a rung would have stopped it
    weight: float  # one over the probability with which it was trained to the end


def correlations(
    generations: Sequence[Mapping[str, RungTrial]], steps: Sequence[int], keep: Fraction, elites: int, seed: int
) -> list[RungCorrelation]:
    """The correlation of each rung before the last with the fitness, from closed generations (uid -> trial).

    A generation is used only if below each of its cuts at least one trial was trained on. steps: of the rungs, rising;
    the last is the full budget. keep, elites: as in the recipe. seed: of the search; it keys the bootstrap.
    """
    sampled = [one for trials in generations for one in _sampled(trials, steps, keep, elites)]
    controls = sum(one.is_control for one in sampled)
    known = len(sampled) >= FEWEST_TRIALS
    results = []
    for rung, step in enumerate(steps[:-1]):
        rng = bootstrap_generator(seed, len(generations), rung)
        correlation, interval = _estimate(sampled, step, steps[-1], rng) if known else (None, None)
        results.append(RungCorrelation(step, correlation, interval, len(sampled), controls))
    return results


def _sampled(trials: Mapping[str, RungTrial], steps: Sequence[int], keep: Fraction, elites: int) -> list[_Sampled]:
    """The trials of a generation with a fitness, weighted; none if nothing is known of those below some cut."""
    competing, weights = list(trials), {}
    for step in steps[:-1]:
        scores = {uid: trials[uid].scores[step] for uid in competing if step in trials[uid].scores}
        promoted = early_stopping.promoted(scores, len(competing), keep, elites)
        below = [uid for uid in scores if uid not in promoted]
        drawn = [uid for uid in below if not (trials[uid].stopped and max(trials[uid].scores) == step)]
        if below and not drawn:
            return []
        weights.update({uid: (True, len(below) / len(drawn)) for uid in drawn})
        competing = list(promoted)
    weights.update(dict.fromkeys(competing, (False, 1.0)))
    finished = [uid for uid in trials if uid in weights and steps[-1] in trials[uid].scores]
    return [_Sampled(trials[uid], *weights[uid]) for uid in finished]


def _estimate(
    sampled: Sequence[_Sampled], step: int, last: int, rng: np.random.Generator
) -> tuple[float | None, tuple[float, float] | None]:
    """Correlation and interval; None if the scores do not differ."""
    early, late = (np.array([one.trial.scores[at] for one in sampled]) for at in (step, last))
    weights = np.array([one.weight for one in sampled])
    generations = np.array([one.trial.generation for one in sampled])
    [correlation] = _rank_correlations(early, late, weights[None], generations)
    if not math.isfinite(correlation):
        return None, None
    counts = _resampled(np.array([one.is_control for one in sampled]), rng)
    resampled = _rank_correlations(early, late, weights * counts, generations)
    resampled = resampled[np.isfinite(resampled)]
    middle, *others = np.arctanh(np.clip([correlation, *resampled], -LARGEST, LARGEST))
    effective = weights.sum() ** 2 / (weights**2).sum()
    half = _student_quantile(effective - 1) * float(np.std(others))
    low, high = np.tanh([middle - half, middle + half])
    interval = (min(float(low), float(correlation)), max(float(high), float(correlation)))
    return round(float(correlation), DIGITS), (round(interval[0], DIGITS), round(interval[1], DIGITS))


def _rank_correlations(early: Array, late: Array, weights: Array, generations: NDArray[np.int64]) -> Array:
    """One correlation for each row of weights, [rows, trials]; NaN where the values do not differ."""
    first, second = (_centred_ranks(values, weights, generations) for values in (early, late))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((weights * first**2).sum(1) * (weights * second**2).sum(1))
        correlations: Array = (weights * first * second).sum(1) / np.where(spread > 1e-12, spread, np.nan)
    return correlations


def _centred_ranks(values: Array, weights: Array, generations: NDArray[np.int64]) -> Array:
    """Weighted ranks in [0, 1] (equal values share the mean of theirs), less their mean in each generation."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    equal = np.add.reduceat(weights[:, np.argsort(inverse, kind="stable")], starts, axis=1)  # [rows, distinct values]
    ranks = ((np.cumsum(equal, 1) - equal / 2) / weights.sum(1, keepdims=True))[:, inverse]
    member = (generations[:, None] == np.unique(generations)).astype(np.float64)  # [trials, generations]
    totals = weights @ member
    means = (weights * ranks) @ member / np.where(totals > 0, totals, 1.0)
    centred: Array = ranks - means @ member.T
    return centred


def _resampled(is_control: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """How often each trial is in each resample, [RESAMPLES, trials]: as many controls, and others, as there are."""
    counts = np.zeros((RESAMPLES, len(is_control)))
    for members in (np.flatnonzero(is_control), np.flatnonzero(~is_control)):
        if members.size:
            counts[:, members] = rng.multinomial(members.size, np.full(members.size, 1 / members.size), RESAMPLES)
    return counts


def _student_quantile(freedom: float) -> float:
    """Half the width of a two-sided 95 % interval, in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(max(freedom, 1.0), 0.975))
