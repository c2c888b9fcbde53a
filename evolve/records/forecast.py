"""The steps of a search that are still to be trained, and the time they take at the pace so far."""

from dataclasses import replace

from evolve.genetics.genome import DEFAULTS
from evolve.genetics.recipe import Recipe, VerdictSeeds
from evolve.records.state import SearchState


def planned_steps(recipe: Recipe, steps: int, num_known: int) -> int:
    """Optimizer steps of a whole search if no trial fails, confirmations included."""
    children = recipe.elites * recipe.children
    first = generation_steps(recipe, recipe.population, steps)
    later = recipe.generations * generation_steps(recipe, children, steps)
    return first + later + planned_confirmations(recipe, num_known, recipe.verdict_seeds[1]) * steps


def planned_confirmations(recipe: Recipe, num_known: int, verdict_seeds: int) -> int:
    """The number of confirmations: of the candidates, if there are several, then of winner, defaults and known sets."""
    for_choice = recipe.candidates * recipe.confirm_seeds if recipe.candidates > 1 else 0
    return for_choice + (2 + num_known) * verdict_seeds


def expected_confirmations(state: SearchState) -> int:
    """The number of confirmations at most; after an extension, some of the earlier ones may serve again."""
    if state.outcome is not None or state.phase == "failed":
        return len(state.confirmations)
    recipe, num_known, seeds = state.recipe, len(state.space.known), state.most_verdict_seeds
    planned = planned_confirmations(recipe, num_known, seeds)
    if recipe.generations in state.closed:
        eligible = sum(record.uid != DEFAULTS for record in state.ranking)  # may be fewer than the recipe's candidates
        if eligible:
            competing = replace(recipe, verdict=VerdictSeeds(), candidates=min(recipe.candidates, eligible))
            planned = planned_confirmations(competing, num_known, seeds)
        else:  # only the defaults finished, or nobody
            planned = (1 + num_known) * seeds if state.ranking else 0
    return max(state.confirmed_before + planned, len(state.confirmations))


def generation_steps(recipe: Recipe, population: int, steps: int) -> int:
    """Steps of one generation if no trial fails."""
    stops = recipe.rung_steps(steps)
    pieces = zip(recipe.planned_trials(population, steps), (0, *stops), stops, strict=False)
    return sum(trials * (stop - start) for trials, start, stop in pieces)


def trained_steps(state: SearchState) -> int:
    """Steps that were trained and measured, of individuals and of confirmations."""
    confirmed = state.steps * sum(confirmation.reason is None for confirmation in state.confirmations.values())
    return confirmed + sum(record.trained_steps for record in state.individuals.values())


def remaining_steps(state: SearchState) -> int:
    """Steps that are still planned; a closed generation needs none, whatever failed in it."""
    recipe = state.recipe
    left = 0
    for generation in range(recipe.generations + 1):
        if generation in state.closed:
            continue
        population = recipe.population if generation == 0 else recipe.elites * recipe.children
        done = sum(record.trained_steps for record in state.individuals.values() if record.generation == generation)
        left += max(0, generation_steps(recipe, population, state.steps) - done)
    return left + state.steps * (expected_confirmations(state) - len(state.confirmations))


def eta_seconds(state: SearchState) -> float | None:
    """Seconds left at the mean worker seconds per step so far; None before the first measurement and after the end."""
    trained = trained_steps(state)
    if trained == 0 or state.phase in ("finished", "failed"):
        return None
    spent = sum(record.seconds for record in state.individuals.values())
    spent += sum(sum(confirmation.seconds.values()) for confirmation in state.confirmations.values())
    return remaining_steps(state) * spent / trained / max(1, state.workers)
