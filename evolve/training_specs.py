"""Builds the TrialSpec for `evolve train`: one full-length training whose detector is saved.

It trains the winner of a search, or a space's defaults.
"""

import math
from dataclasses import replace
from pathlib import Path

from evolve.file_names import DETECTOR_FILE
from evolve.task import Task
from evolve.trial import TrialSpec
from evolve.trial_config import STEPS, TrialConfig
from evolve.verdict.winner import Winner, WinnerError

# Keys that every version has written to a winner's `data` section: a file without one is damaged.
REQUIRED_DATA_KEYS = ("fingerprint", "class_names", "anchors", "weights")


def winner_spec(winner: Winner, out: Path, steps: int | None = None) -> TrialSpec:
    """The spec that trains the winner for `steps`, else its file's `final_steps`, else a trial's schedule."""
    length = steps or winner.final_steps
    config = dict(winner.config) if length is None else {**winner.config, STEPS: length}
    return TrialSpec(
        uid=f"{winner.uid}/final",
        config=config,
        seed=winner.seed,
        stop_step=TrialConfig.from_settings(config).train.steps,
        checkpoint=out.resolve() / DETECTOR_FILE,
        post=winner.post,
    )


def defaults_spec(task: Task, out: Path, seed: int) -> TrialSpec:
    """The spec that trains the space's defaults for its `final_steps`, else for the task's steps; scored on val."""
    length = task.space.final_steps
    config = task.config_of(task.space.defaults())
    return TrialSpec(
        uid="defaults",
        config=config if length is None else {**config, STEPS: length},
        seed=seed,
        stop_step=length or task.steps,
        checkpoint=out.resolve() / DETECTOR_FILE,
    )


def with_winners_anchors(task: Task, winner: Winner) -> Task:
    """The task with the winner's anchors: its settings were tuned with these, not with those of the new data.

    WinnerError if the file's `data` section lacks a required key, or has anchors that the network cannot have.
    """
    if "anchors" not in task.factory.arguments:
        return task  # an objective without anchors, such as the simulated one
    for name in REQUIRED_DATA_KEYS:
        if name not in winner.data.plain:
            raise WinnerError(f"data: expected a line for {name}, as the file was written with, got none")
    anchors, computed = winner.data.plain["anchors"], task.factory.arguments["anchors"]
    count = len(computed) if isinstance(computed, list) else 0
    if not _are_anchors(anchors, count):
        raise WinnerError(f"data: anchors: expected {count} pairs of numbers above 0, got {str(anchors)[:80]}")
    return replace(task, factory=replace(task.factory, arguments={**task.factory.arguments, "anchors": anchors}))


def _are_anchors(value: object, count: int) -> bool:
    """Whether it is a list of `count` pairs [width, height], all finite and above 0."""
    if not isinstance(value, list) or len(value) != count:
        return False
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return False
    sizes = [size for pair in value for size in pair]
    return all(isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < math.inf for size in sizes)
