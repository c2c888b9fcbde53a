"""A training that keeps its detector, a winner's or that of a space's defaults: the whole schedule as one trial."""

import math
from dataclasses import replace
from pathlib import Path

from evolve.task import Task
from evolve.trial import TrialSpec
from evolve.trial_config import STEPS, TrialConfig
from evolve.verdict.winner import Winner, WinnerError

DETECTOR_FILE = "detector.keras"
WINNERS_DATA = ("fingerprint", "class_names", "anchors", "weights")  # every version has written them


def final_spec(winner: Winner, task: Task, out: Path, steps: int | None = None) -> TrialSpec:
    """The winner's whole schedule (or one of another length), scored on val and, where there is one, test."""
    config = dict(winner.config) if steps is None else {**winner.config, STEPS: steps}
    return TrialSpec(
        uid=f"{winner.uid}/final",
        config=config,
        seed=winner.seed,
        stop_step=TrialConfig.from_settings(config).train.steps,
        evaluate_splits=_splits(task),
        checkpoint=out.resolve() / DETECTOR_FILE,
        post=winner.post,
    )


def defaults_spec(task: Task, out: Path, seed: int) -> TrialSpec:
    """The whole schedule of the space's defaults, scored on val and, if there is one, test."""
    return TrialSpec(
        uid="defaults",
        config=task.config_of(task.space.defaults()),
        seed=seed,
        stop_step=task.steps,
        evaluate_splits=_splits(task),
        checkpoint=out.resolve() / DETECTOR_FILE,
    )


def with_winners_data(task: Task, winner: Winner) -> Task:
    """The task with the anchors that the winner was found with: they are part of what won.

    WinnerError if the file lacks a line on its data, or has anchors that the network cannot have.
    """
    if "anchors" not in task.factory.arguments:
        return task
    for name in WINNERS_DATA:
        if name not in winner.data.plain:
            raise WinnerError(f"data: expected a line for {name}, as the file was written with, got none")
    anchors, own = winner.data.plain["anchors"], task.factory.arguments["anchors"]
    count = len(own) if isinstance(own, list) else 0
    if not _are_anchors(anchors, count):
        raise WinnerError(f"data: anchors: expected {count} pairs of numbers above 0, got {str(anchors)[:80]}")
    return replace(task, factory=replace(task.factory, arguments={**task.factory.arguments, "anchors": anchors}))


def _splits(task: Task) -> tuple[str, ...]:
    split = task.data.verdict_split
    return ("val",) if split == "val" else ("val", split)


def _are_anchors(value: object, count: int) -> bool:
    """Whether it is a list of so many widths and heights."""
    pairs = value if isinstance(value, list) and len(value) == count else [None]
    sizes = [size for pair in pairs for size in (pair if isinstance(pair, list) and len(pair) == 2 else [None])]
    return all(isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < math.inf for size in sizes)
