"""The narrow interface between the search and a training: a TrialSpec goes in, Measurements come out.

Light to import (standard library only): the controller, the tests and the simulated objective
use it without TensorFlow or Ray.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Protocol

Value = bool | int | float | str  # of a gene or a setting
Setting = Value | tuple[int, ...]

SCORES = "SCORES"  # in an objective's module: the names of the scores it reports for each split, without "val/"
HEX, NUMBER = re.compile(r"0x[0-9a-fA-F]+"), re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


class TrialStatus(StrEnum):
    """The status of a trial."""

    PROPOSED = "proposed"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped_early"
    FAILED = "failed"


@dataclass(frozen=True)
class TrialSpec:
    """Everything that a trial's result depends on, and the folder of its state.

    A trial trains from `start_step` (0, or the step of its stored state) to `stop_step`
    of a schedule whose full length is config["train.steps"]; stopping early never shortens the schedule.
    """

    uid: str  # "g001-042"; a confirmation is "g001-042/test-seed-0"
    config: Mapping[str, Setting]  # the whole effective configuration by address, genes applied
    seed: int
    stop_step: int
    start_step: int = 0
    evaluate_splits: tuple[str, ...] = ("val",)
    state_dir: Path | None = None  # the folder to read the state at start_step from and write the one at stop_step to
    checkpoint: Path | None = None  # the file to write the trained detector to; None: it is not written
    # Digest of what the result depends on beside this spec: objective, data, weights, threads, versions; "": unknown.
    basis: str = ""
    # Weights of the validation scores by which NMS is tuned after the training; empty: NMS is not tuned.
    tune_post: Mapping[str, float] = field(default_factory=dict)
    post: Mapping[str, Value] = field(default_factory=dict)  # tuned NMS settings to write into the checkpoint


@dataclass(frozen=True)
class TunedPost:
    """NMS settings tuned on validation. A trial's own scores always use the fixed settings."""

    settings: Mapping[str, Value]  # nms ("plain" or "diou"), nms_iou and, for diou, nms_beta
    fixed: Mapping[str, float]  # "fitness" and "val/..." scores with the fixed settings of all trials
    tuned: Mapping[str, float]  # the same scores with the tuned settings


@dataclass(frozen=True)
class Measurement:
    """What a trial reports: training losses at intervals, and scores at stop_step."""

    step: int
    losses: Mapping[str, float]  # box, objectness, class, total: means since the last measurement
    scores: Mapping[str, float] = field(default_factory=dict)  # "val/map50_95", "val/map50", ...; only at stop_step
    seconds: Mapping[str, float] = field(default_factory=dict)  # train, evaluate, data, compile ... since the last
    traces: int = 0  # graphs traced since the last measurement: 0 on a warm worker
    post: TunedPost | None = None  # only at stop_step, if the spec asks for it


@dataclass(frozen=True)
class Progress:
    """A sign of life between two measurements: the trial has reached this step, or does long work after it.

    It is not journalled. A trial without one for far longer than others is considered hung (execution/watch.py).
    """

    step: int


Report = Measurement | Progress  # what an objective yields


@dataclass(frozen=True)
class Failure:
    """Why a trial failed: its class, and one sentence."""

    # "diverged" (NaN or infinite loss: a result) and "crashed" are never tried again; execution/dispatch.py says how
    # often "worker_lost", "node_lost" and "hung" are
    kind: str
    reason: str
    traceback: str = ""


class TrialDiverged(Exception):
    """Raised by an objective whose loss is NaN or infinite; the message names the step and the term."""


class GpuNotUsable(Exception):
    """A GPU was requested but the framework sees none; the message says how to fix that."""


class Objective(Protocol):
    """Trains one spec. The caller stops the trial by reading no further; compiled steps and data stay for the next.

    Calling yields measurements in order of step, the last one at spec.stop_step with scores for
    every split in spec.evaluate_splits; between them as many signs of life as it likes.
    """

    def __call__(self, spec: TrialSpec) -> Iterator[Report]: ...


def measurements(reports: Iterable[Report]) -> Iterator[Measurement]:
    """The measurements among an objective's reports, without the signs of life."""
    return (report for report in reports if isinstance(report, Measurement))


@dataclass(frozen=True)
class ObjectiveFactory:
    """How a worker makes its objective: by calling `module:function` with keyword arguments.

    A plain value, so that it can be sent to another process without pickled code.
    """

    target: str  # "evolve.objective:detection_objective", "evolve.simulated:simulated_objective"
    arguments: Mapping[str, object] = field(default_factory=dict)

    def make(self) -> Objective:
        """Import the target and call it; heavy packages load here, in the worker."""
        return self._function()(**self.arguments)

    def check(self) -> None:
        """ValueError unless the target exists and takes the arguments. Imports its module, calls nothing."""
        try:
            function = self._function()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"objective {self.target!r}: expected one that can be imported, got: {error}") from error
        try:
            inspect.signature(function).bind(**self.arguments)
        except TypeError as error:
            raise ValueError(f"objective {self.target!r}: expected arguments that it takes, got: {error}") from error

    def scores(self) -> tuple[str, ...] | None:
        """The names of the scores that the objective reports for each split, such as map50_95; None if unknown."""
        names = getattr(import_module(self.target.partition(":")[0]), SCORES, None)
        return None if names is None else tuple(str(name) for name in names)

    def _function(self) -> Callable[..., Objective]:
        module, colon, name = self.target.partition(":")
        if not (module and colon and name):
            raise ValueError(f"objective: expected 'module:function', got {self.target!r}")
        function: Callable[..., Objective] = getattr(import_module(module), name)
        return function


def failure_class(kind: str | None, reason: str) -> tuple[str | None, str]:
    """What failures for the same reason have in common: the kind, and the reason without its numbers.

    A step, a loss or a memory address may differ each time; the words distinguish the reasons.
    """
    return kind, NUMBER.sub("#", HEX.sub("#", reason))
