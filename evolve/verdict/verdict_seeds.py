"""How many seeds the verdict has: as many as it takes to see the gain that is worth knowing, by the candidates' noise.

The number is decided before the verdict's first training, by runs that the verdict does not use. A number that grew
until a difference shows would find one in the end.
"""

import math
from collections.abc import Mapping

from evolve.genetics.recipe import AUTO
from evolve.records.events import VerdictPlanned
from evolve.records.state import SearchState
from evolve.verdict import interval, pair_noise, scores
from evolve.verdict.pair_noise import PairNoise


def count(state: SearchState, winner: str) -> int:
    """The number of seeds of the verdict."""
    plan = planned(state, winner)
    return state.recipe.verdict_seeds[1] if plan is None else plan.seeds


def planned(state: SearchState, winner: str) -> VerdictPlanned | None:
    """The plan in the journal, or else a new one; None if the recipe says the number."""
    if state.recipe.verdict.seeds != AUTO:
        return None
    return state.verdict_plan or _plan(state, winner)


def _plan(state: SearchState, winner: str) -> VerdictPlanned:
    """The smallest number of seeds that shows the gain, or the most if none does or the noise is not known."""
    (least, most), weights, gain = state.recipe.verdict_seeds, state.space.fitness, state.recipe.verdict.gain
    noise = pair_noise.estimate(scores.of_candidates(state, weights))
    if noise is None:
        return VerdictPlanned(uid=winner, seeds=most, gain=gain, noise=None, detectable=None)
    shown = {seeds: _detectable(noise, seeds, weights, state.verdicts + 1) for seeds in range(least, most + 1)}
    seeds = next((seeds for seeds in shown if shown[seeds] <= gain), most)
    return VerdictPlanned(uid=winner, seeds=seeds, gain=gain, noise=math.sqrt(noise.variance), detectable=shown[seeds])


def _detectable(noise: PairNoise, seeds: int, weights: Mapping[str, float], looks: int) -> float:
    floor, level = scores.resolution(weights), interval.level_of_look(looks)
    return interval.expected_detectable(noise, seeds, least_deviation=floor, level=level)
