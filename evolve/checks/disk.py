"""Disk space that a search needs for the states of trials that wait at a rung; checked before it starts.

Without the check, the first rung of the first generation could end in a full disk, hours after the start.
"""

import shutil
from pathlib import Path

from evolve.genetics.recipe import Recipe
from evolve.process.files import nearest
from evolve.task import InputError

TIGHT_FACTOR = 1.25  # a note is given if free disk is below this multiple of the need: other files grow too


def states_at_once(recipe: Recipe, steps: int, schedule: int, workers: int) -> int:
    """The largest number of states that are on the disk at the same time.

    steps: the full budget. schedule: train.steps, at whose end no state is stored. A trial that entered a rung keeps
    its states up to that rung until all trials have reached it. Trials at the last rung, and confirmations, store a
    state only if the budget ends before the schedule; it is removed with the result, so there is one per worker.
    """
    last = workers if steps < schedule else 0
    most = last
    for population in (recipe.population, recipe.elites * recipe.children if recipe.generations else 0):
        *waiting, finishing = recipe.planned_trials(population, steps)
        for rungs_reached, trials in enumerate(waiting, start=1):
            most = max(most, trials * rungs_reached)
        most = max(most, finishing * len(waiting) + last)
    return most


def check(directory: Path, states: int, state_bytes: int) -> tuple[str, ...]:
    """Sentences on the disk space that the states need and that is free; InputError if they do not fit."""
    need, free = states * state_bytes, shutil.disk_usage(nearest(directory)).free
    if need == 0:
        return ()
    needed, available = bytes_in_words(need), bytes_in_words(free)
    states_in_words = f"at most {states} states of trials at once, {bytes_in_words(state_bytes)} each"
    if need > free:
        raise InputError(
            f"{directory}: expected {needed} of free disk for {states_in_words}, got {available}; expected a "
            "smaller --population, or --recipe seed (it has no rungs at which trials wait), or --out on another disk"
        )
    sentence = f"disk: {needed} for {states_in_words}; {available} are free"
    tight = (f"note: little disk is left beside that in {directory}",) if free < TIGHT_FACTOR * need else ()
    return (sentence, *tight)


def check_file(path: Path, size_bytes: int) -> None:
    """InputError unless there is disk space for a file of this size."""
    free = shutil.disk_usage(nearest(path)).free
    if size_bytes > free:
        raise InputError(
            f"{path}: expected {bytes_in_words(size_bytes)} of free disk for it, got {bytes_in_words(free)}"
        )


def bytes_in_words(size_bytes: float) -> str:
    """Bytes with a unit: 51 GB, 0.53 GB, 8.4 MB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if size_bytes >= size / 10:
            number = size_bytes / size
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
    return f"{size_bytes / 1e6:.1f} MB"
