"""Who competes for the win, and who wins: the choice among a search's best by runs with fresh seeds.

The best fitness of a search is the luckiest of many. So the best few, the candidates, are trained again with the
same fresh seeds, and the one with the best shrunk mean of these runs on validation is the winner. Their runs in the
search do not count again: by them the candidates were picked, so they are too high. (Shrinking those would not change
who is a candidate: one run each, with the same noise in all, keeps the order of fitness.) The defaults are no
candidate: the verdict is on the best that was found, against them.
"""

import math
from dataclasses import asdict, dataclass

from evolve import fitness
from evolve.genetics import recipe as recipes
from evolve.genetics.genome import DEFAULTS
from evolve.records.state import CANDIDATE, Choice, Confirmation, SearchState
from evolve.verdict.shrinkage import Shrunk, shrink


@dataclass(frozen=True)
class Standing:
    """A candidate and what its runs say."""

    uid: str
    fitness: float  # of its run in the search
    mean: float | None  # fitness over its runs with fresh seeds; None when none came to an end
    shrunk: float | None
    seeds: int  # that came to an end
    failed: int


def candidates(state: SearchState) -> list[str]:
    """The best individuals by fitness, as many as the recipe says; the defaults only where nothing else came so far."""
    count = recipes.parse(state.recipe).candidates
    found = [record.uid for record in state.ranking if record.uid != DEFAULTS]
    return found[:count] or [record.uid for record in state.ranking]


def choose(state: SearchState) -> Choice | None:
    """The winner and how the others stand, once all their runs are in; None where there is nothing to choose from.

    Who has fewer failed runs comes first: runs that ended are no fair sample of a set that does not always end.
    Then the shrunk mean decides; where all are alike but for noise, and so equal, the plain mean does.
    """
    among = candidates(state)
    if len(among) < 2:
        return None
    scores = {uid: [fitness_of(state, run) for run in runs_of(state, uid)] for uid in among}
    ended = {uid: [score for score in found if score is not None] for uid, found in scores.items()}
    alive = [uid for uid in among if ended[uid]]
    shrunk = shrink([ended[uid] for uid in alive]) if alive else Shrunk((), None, None)
    estimates = dict(zip(alive, shrunk.means, strict=True))
    standings = [
        Standing(
            uid=uid,
            fitness=state.individuals[uid].fitness or 0.0,
            mean=math.fsum(ended[uid]) / len(ended[uid]) if ended[uid] else None,
            shrunk=estimates.get(uid),
            seeds=len(ended[uid]),
            failed=len(scores[uid]) - len(ended[uid]),
        )
        for uid in among
    ]
    standings.sort(key=_rank)
    plain = [asdict(standing) for standing in standings]
    return Choice(standings[0].uid, plain, shrunk.noise, shrunk.spread)


def winner(state: SearchState) -> str:
    """The chosen candidate, as journalled or as its runs say; the only one where there is one."""
    choice = state.choice or choose(state)
    return candidates(state)[0] if choice is None else choice.uid


def runs_of(state: SearchState, uid: str) -> list[Confirmation]:
    """The candidate's runs that choose, by seed's place."""
    found = [one for one in state.confirmations.values() if one.individual == uid and one.role == CANDIDATE]
    return sorted(found, key=lambda one: one.uid)


def fitness_of(state: SearchState, run: Confirmation) -> float | None:
    """The run's fitness; None when it failed, or ended without a score that fitness is made of."""
    weights = state.space["fitness"]
    if run.reason is not None or not isinstance(weights, dict):
        return None
    try:
        return fitness.score(run.scores, weights)
    except ValueError:
        return None


def _rank(one: Standing) -> tuple[int, float, float, float, str]:
    lowest = float("-inf")
    shrunk, mean = (lowest if value is None else value for value in (one.shrunk, one.mean))
    return (one.failed, -shrunk, -mean, -one.fitness, one.uid)
