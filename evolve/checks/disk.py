"""Disk that a search needs: the states of trials that wait at a rung. Known before it starts, and said.

Where it does not fit, the first rung of the first generation would end in a full disk, hours after the start.
"""

import math
import shutil
from pathlib import Path

from evolve.genetics.recipe import Recipe
from evolve.task import InputError

CLOSE = 1.25  # free disk below so many times the need is said: other files grow too


def states_at_once(recipe: Recipe, steps: int, schedule: int, workers: int) -> int:
    """The largest number of states that lie on the disk at one time.

    steps: the full budget; schedule: train.steps, at whose end nothing is stored. Everyone who entered a rung keeps a
    state of each rung up to it until all of them have reached it. Trials at the last rung, and confirmations, leave a
    state only where the budget ends before the schedule does, and it goes with the result: one a worker.
    """
    last = workers if steps < schedule else 0
    most = last
    for population in (recipe.population, recipe.elites * recipe.children if recipe.generations else 0):
        entered = population
        rungs = recipe.rung_steps(steps)
        for number in range(1, len(rungs)):
            most = max(most, entered * number)
            entered = min(entered, max(math.ceil(entered * recipe.keep), recipe.elites))
        most = max(most, entered * (len(rungs) - 1) + last)
    return most


def check(directory: Path, states: int, state_bytes: int) -> tuple[str, ...]:
    """Sentences on the disk that the states need and that there is; InputError if they do not fit."""
    need, free = states * state_bytes, shutil.disk_usage(nearest(directory)).free
    if need == 0:
        return ()
    states_in_words = f"at most {states} states of trials at once, {shown(state_bytes)} each"
    if need > free:
        raise InputError(
            f"{directory}: expected {shown(need)} of free disk for {states_in_words}, got {shown(free)}; expected a "
            "smaller --population, or --recipe seed (it has no rungs at which trials wait), or --out on another disk"
        )
    sentence = f"disk: {shown(need)} for {states_in_words}; {shown(free)} are free"
    return (sentence, *((f"note: little disk is left beside that in {directory}",) if free < CLOSE * need else ()))


def check_file(path: Path, size_bytes: int) -> None:
    """InputError unless a file of that size has room."""
    free = shutil.disk_usage(nearest(path)).free
    if size_bytes > free:
        raise InputError(f"{path}: expected {shown(size_bytes)} of free disk for it, got {shown(free)}")


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    resolved = path.resolve()
    return next(folder for folder in (resolved, *resolved.parents) if folder.exists())


def shown(size_bytes: float) -> str:
    """Bytes as people say them: 51 GB, 0.53 GB, 8.4 MB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if size_bytes >= size / 10:
            number = size_bytes / size
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
    return f"{size_bytes / 1e6:.1f} MB"
