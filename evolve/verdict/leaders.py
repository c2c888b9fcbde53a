"""Who competes for the win, and who wins: the choice among a search's best by confirmations with fresh seeds.

The best fitness of a search is the luckiest of many. So the best few, the candidates, are trained again with the
same fresh seeds, and the winner is the one with the best shrunk mean of these confirmations on validation. Their
fitness in the search does not count again: it selected the candidates, so it is too high. (Shrinking it would not
change who is a candidate: with one trial each and the same noise in all, the order stays.) The defaults are not a
candidate: the verdict compares the best that was found with them.
"""

import math

from evolve import fitness
from evolve.genetics.genome import DEFAULTS
from evolve.records.comparison import Standing
from evolve.records.events import Confirmation, WinnerChoice
from evolve.records.state import SearchState
from evolve.verdict.shrinkage import ShrunkMeans, shrink


def candidates(state: SearchState) -> list[str]:
    """The best individuals by fitness, as many as the recipe says; the defaults only if nothing else has a fitness."""
    count = state.recipe.candidates
    ranked = [record.uid for record in state.ranking if record.uid != DEFAULTS]
    return ranked[:count] or [record.uid for record in state.ranking]


def choose_winner(state: SearchState) -> WinnerChoice | None:
    """The winner and the standings of all candidates, once their confirmations are in; None if there is no choice.

    Fewer failed confirmations rank first: what survives of a candidate that sometimes fails is a biased sample.
    Then the shrunk mean decides, or the plain mean if the shrunk ones are equal (candidates that differ only by noise).
    """
    uids = candidates(state)
    if len(uids) < 2:
        return None
    results = {
        uid: [fitness_of(state, confirmation) for confirmation in state.confirmations_of(uid, for_choice=True)]
        for uid in uids
    }
    scores = {uid: [score for score in results[uid] if score is not None] for uid in uids}
    scored = [uid for uid in uids if scores[uid]]
    shrunk = shrink([scores[uid] for uid in scored]) if scored else ShrunkMeans((), None, None)
    shrunk_means = dict(zip(scored, shrunk.means, strict=True))
    standings = [
        Standing(
            uid=uid,
            fitness=state.individuals[uid].fitness or 0.0,
            mean=math.fsum(scores[uid]) / len(scores[uid]) if scores[uid] else None,
            shrunk=shrunk_means.get(uid),
            seeds=len(scores[uid]),
            failed=len(results[uid]) - len(scores[uid]),
        )
        for uid in uids
    ]
    standings.sort(key=_rank)
    return WinnerChoice(uid=standings[0].uid, candidates=tuple(standings), noise=shrunk.noise, spread=shrunk.spread)


def winning_uid(state: SearchState) -> str:
    """The winner's uid: the journalled choice, else what the confirmations say, else the only candidate."""
    choice = state.choice or choose_winner(state)
    return candidates(state)[0] if choice is None else choice.uid


def fitness_of(state: SearchState, confirmation: Confirmation) -> float | None:
    """The confirmation's fitness; None if it failed or lacks a score that fitness is made of."""
    if confirmation.reason is not None:
        return None
    try:
        return fitness.score(confirmation.scores, state.space.fitness)
    except ValueError:
        return None


def _rank(standing: Standing) -> tuple[int, float, float, float, str]:
    """Sort key: the smallest is the winner."""
    lowest = float("-inf")
    shrunk, mean = (lowest if value is None else value for value in (standing.shrunk, standing.mean))
    return (standing.failed, -shrunk, -mean, -standing.fitness, standing.uid)
