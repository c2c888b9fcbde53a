"""The scores of confirmations in a metric, which is a weighting of validation scores as a space's fitness is."""

from collections.abc import Iterable, Mapping

from evolve import fitness
from evolve.records.events import CANDIDATE_ROLE, Confirmation
from evolve.records.state import SearchState


def of(confirmation: Confirmation, split: str, weights: Mapping[str, float]) -> float | None:
    """The confirmation's weighted score on a split; None if it lacks one of the scores."""
    wanted = fitness.on_split(weights, split)
    return fitness.score(confirmation.scores, wanted) if wanted.keys() <= confirmation.scores.keys() else None


def by_seed(confirmations: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> dict[int, float]:
    """The scores of the confirmations that have one, by their seed."""
    scores = {confirmation.seed: of(confirmation, split, weights) for confirmation in confirmations}
    return {seed: score for seed, score in scores.items() if score is not None}


def of_candidates(state: SearchState, weights: Mapping[str, float]) -> list[list[float]]:
    """The validation scores that chose the winner: [candidate][seed], without candidates that lack one of them."""
    runs = [run for run in state.confirmations.values() if run.role == CANDIDATE_ROLE]
    seeds, uids = sorted({run.seed for run in runs}), sorted({run.individual for run in runs})
    tables = (by_seed(state.confirmations_of(uid, for_choice=True), "val", weights) for uid in uids)
    return [[table[seed] for seed in seeds] for table in tables if len(table) == len(seeds)]
