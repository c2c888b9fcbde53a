"""How much of a search is still to be trained, and how long that takes at the pace seen so far."""

import math
from dataclasses import replace

from evolve.genetics import recipe as recipes
from evolve.genetics.genome import DEFAULTS
from evolve.genetics.recipe import Recipe
from evolve.records.state import SearchState

JUDGED = 2  # individuals that are trained for the verdict: the winner and the defaults


def planned_steps(recipe: Recipe, steps: int) -> int:
    """Optimizer steps of a whole search when no trial fails, its confirmations included."""
    children = recipe.elites * recipe.children
    generations = generation_steps(recipe, recipe.population, steps)
    return generations + recipe.generations * generation_steps(recipe, children, steps) + trainings(recipe) * steps


def trainings(recipe: Recipe) -> int:
    """Full trainings of the confirm stage: of the candidates, where there are several, then of winner and defaults."""
    return (JUDGED + (recipe.candidates if recipe.candidates > 1 else 0)) * recipe.confirm_seeds


def confirmations(state: SearchState) -> int:
    """Trainings of the confirm stage, at most: of those made before a search was extended some may serve again."""
    if state.outcome is not None or state.phase == "failed":
        return len(state.confirmations)
    recipe = recipes.parse(state.recipe)
    wanted = trainings(recipe)
    if recipe.generations in state.closed:
        found = sum(record.uid != DEFAULTS for record in state.ranking)  # it may be fewer than are wanted
        if found:
            wanted = trainings(replace(recipe, candidates=min(recipe.candidates, found)))
        else:  # the defaults alone, or nobody at all
            wanted = len(state.ranking) * recipe.confirm_seeds
    return max(state.confirmed_before + wanted, len(state.confirmations))


def generation_steps(recipe: Recipe, population: int, steps: int) -> int:
    """Steps of one generation: at each rung the best `keep` of those that entered it go on, at least the elites."""
    total, entered, start = 0, population, 0
    for stop in recipe.rung_steps(steps):
        total += entered * (stop - start)
        entered = min(entered, max(math.ceil(entered * recipe.keep), recipe.elites))
        start = stop
    return total


def trained_steps(state: SearchState) -> int:
    """Steps that were measured: of individuals and of confirmations."""
    confirmed = state.steps * sum(one.reason is None for one in state.confirmations.values())
    return confirmed + sum(record.trained_steps for record in state.individuals.values())


def remaining_steps(state: SearchState) -> int:
    """Steps that the plan still asks for; closed generations ask for nothing, whatever failed in them."""
    recipe = recipes.parse(state.recipe)
    left = 0
    for generation in range(recipe.generations + 1):
        if generation in state.closed:
            continue
        population = recipe.population if generation == 0 else recipe.elites * recipe.children
        done = sum(one.trained_steps for one in state.individuals.values() if one.generation == generation)
        left += max(0, generation_steps(recipe, population, state.steps) - done)
    return left + state.steps * (confirmations(state) - len(state.confirmations))


def eta_seconds(state: SearchState) -> float | None:
    """Seconds left at the mean worker seconds a step so far; None before the first measurement and after the end."""
    trained = trained_steps(state)
    if trained == 0 or state.phase in ("finished", "failed"):
        return None
    spent = sum(record.seconds for record in state.individuals.values())
    spent += sum(sum(one.seconds.values()) for one in state.confirmations.values())
    return remaining_steps(state) * spent / trained / max(1, state.workers)
