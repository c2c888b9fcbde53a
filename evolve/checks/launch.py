"""All checks before a search begins, the same for the command line and for Python.

They need nothing expensive, and nothing is written before they pass: no directory, no journal.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evolve import space_checks
from evolve.checks import disk
from evolve.genetics import recipe as recipes
from evolve.genetics import seeding
from evolve.genetics.genome import Genome, Individual
from evolve.genetics.operators import SpaceExhausted
from evolve.genetics.recipe import Recipe
from evolve.process import files
from evolve.process.terminal import command
from evolve.records.journal import JournalError, holds_search
from evolve.task import InputError, Task
from evolve.trial_config import STEPS, TrialConfig

SAMPLE = 200  # random genomes that are checked beside the first generation: children may be anywhere in the space


def check(
    task: Task,
    directory: Path,
    *,
    recipe: Recipe,
    seed: int,
    workers: int = 1,
    request: Mapping[str, object] | None = None,
    warm_starts: Sequence[Genome] = (),
) -> tuple[str, ...]:
    """Check everything; returns notes for the user. InputError or JournalError for the first thing that is wrong."""
    check_whole_number("seed", seed, least=0)
    check_whole_number("workers", workers, least=1)
    check_directory(directory)
    _check_recipe(recipe)
    _check_task(task)
    _check_plain("request", request or {})
    states = disk.states_at_once(recipe, task.steps, _schedule(task), workers)
    sentences = disk.check(directory, states, task.state_bytes)  # first: a huge population would take long to make
    _check_configurations(task, _first_generation(task, recipe, seed, warm_starts))
    return (*sentences, *_burn_in_notes(task, recipe))


def check_whole_number(name: str, value: object, *, least: int) -> None:
    """InputError unless the value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}: expected a whole number of at least {least}, got {value!r}")


def check_directory(directory: Path) -> None:
    """InputError unless a search can be written to the directory; JournalError if it holds one already."""
    try:
        if directory.exists() and not directory.is_dir():
            raise InputError(f"{directory}: expected a directory or nothing there, got a file")
        nearest = files.nearest(directory)
    except OSError as error:
        raise InputError(f"{directory}: expected a path for a directory, got: {error.strerror}") from error
    if not nearest.is_dir():
        raise InputError(f"{directory}: expected a path for a directory, but {nearest} is a file")
    check_holds_no_search(directory)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{directory}: expected a directory that can be written, but {nearest} cannot")


def check_holds_no_search(directory: Path) -> None:
    """JournalError if the directory holds a search already."""
    if holds_search(directory):
        raise JournalError(
            f"{directory}: expected no search there, got one; go on with: {command('evolve', 'resume', directory)}"
        )


def _check_recipe(recipe: object) -> None:
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe: expected a Recipe, such as recipe.load('fast'), got {recipe!r}")
    try:
        recipes.parse(recipe.to_plain())
    except ValueError as error:
        raise InputError(str(error)) from error


def _check_task(task: Task) -> None:
    """InputError unless space, objective, fitness and full budget are valid and the journal can hold the rest."""
    try:
        space_checks.check_genes(task.space)
        task.factory.check()
        space_checks.check_fitness(task.space, task.factory.scores())
    except ValueError as error:
        raise InputError(str(error)) from error
    check_whole_number("steps", task.steps, least=1)
    if task.steps > _schedule(task):
        raise InputError(
            f"steps: expected a full budget of at most {STEPS}, the length of the schedule ({_schedule(task)}), "
            f"got {task.steps}"
        )
    check_whole_number("threads", task.factory.arguments.get("threads", 1), least=1)
    _check_plain("description", task.description)
    _check_plain("objective's arguments", task.factory.arguments)


def _schedule(task: Task) -> int:
    return TrialConfig.from_settings(task.config_of(task.space.defaults())).train.steps


def _burn_in_notes(task: Task, recipe: Recipe) -> tuple[str, ...]:
    """A note if a trial may still be in its burn-in when trials are first compared; else none."""
    first, *later = recipe.rung_steps(task.steps)
    until = space_checks.latest_burn_in(task.space, _schedule(task))
    if not later or until <= first:
        return ()
    return (
        f"note: burn-in may last to {until / task.steps:.0%} of a trial (optimizer.burn_in_share, step {until}), but "
        f"trials are first compared at {first / task.steps:.0%} (step {first}), where scores then say little of the "
        "end; expected a shorter burn-in, or later rungs (key rungs of the recipe in the space file)",
    )


def _check_plain(name: str, values: Mapping[str, object]) -> None:
    """InputError unless JSON, and so the journal, can hold the values."""
    for key, value in values.items():
        try:
            json.dumps({key: value}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: {key!r}: expected plain values that JSON can hold, got: {error}") from error


def _first_generation(task: Task, recipe: Recipe, seed: int, warm_starts: Sequence[Genome]) -> list[Individual]:
    """Make the first generation; InputError if the space is too small for it, or a warm start does not fit."""
    for given in warm_starts:
        if not isinstance(given, Genome):
            raise InputError(f"warm_starts: expected genomes, such as task.space.genome({{...}}), got {given!r}")
    try:
        return seeding.first_generation(task.space, recipe, seed, warm_starts)
    except SpaceExhausted as error:
        raise InputError(f"{error}; expected a smaller --population, or --seeding {seeding.RANDOM}") from error
    except ValueError as error:
        raise InputError(str(error)) from error


def _check_configurations(task: Task, first: list[Individual]) -> None:
    """InputError if a genome that the search may breed does not give a valid configuration of a trial."""
    rng = np.random.default_rng(0)
    genomes = {individual.uid: individual.genome for individual in first}
    genomes |= {f"known set {name!r}": task.space.known_genome(name) for name in task.space.known}
    units = rng.random((SAMPLE, len(task.space.genes)))
    for index, row in enumerate(units):
        values = zip(task.space.genes.items(), row, strict=True)
        genomes[f"sample {index}"] = Genome({gene: domain.from_unit(float(unit)) for (gene, domain), unit in values})
    for name, genome in genomes.items():
        try:
            task.config_of(genome)
        except ValueError as error:
            raise InputError(
                f"{task.space.name}: expected ranges of genes of which every combination is valid, got one "
                f"({name}) that is not: {error}"
            ) from error
