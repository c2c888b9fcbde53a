"""The scores of confirmations in a metric, which is a weighting of validation scores as a space's fitness is."""

import math
from collections.abc import Iterable, Mapping

from evolve import fitness
from evolve.records.events import Confirmation
from evolve.records.state import SearchState
from evolve.verdict import interval


def of(confirmation: Confirmation, split: str, weights: Mapping[str, float]) -> float | None:
    """The confirmation's weighted score on a split; None if it lacks one of the scores."""
    wanted = fitness.on_split(weights, split)
    return fitness.score(confirmation.scores, wanted) if wanted.keys() <= confirmation.scores.keys() else None


def resolution(weights: Mapping[str, float]) -> float:
    """The least deviation of a difference in this metric: a thousandth, if its weights add up to one."""
    return interval.RESOLUTION * math.fsum(abs(weight) for weight in weights.values())


def by_seed(confirmations: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> dict[int, float]:
    """The scores of the confirmations that have one, by their seed."""
    scores = {confirmation.seed: of(confirmation, split, weights) for confirmation in confirmations}
    return {seed: score for seed, score in scores.items() if score is not None}


def of_candidates(state: SearchState, weights: Mapping[str, float]) -> list[list[float]]:
    """The validation scores that chose the winner: [candidate][seed], without candidates that lack one of them."""
    if state.choice is None:
        return []
    runs = [state.confirmations_of(standing.uid, for_choice=True) for standing in state.choice.candidates]
    seeds = sorted({run.seed for of_one in runs for run in of_one})
    tables = (by_seed(of_one, "val", weights) for of_one in runs)
    return [[table[seed] for seed in seeds] for table in tables if len(table) == len(seeds)]
