"""The process that trains: makes its objective once and runs lease after lease on it. Does not depend on Ray.

For each lease it yields a stream: LeaseBegun, reports (signs of life only every few seconds), LeaseOver. It never
raises: a trial's exception is the failure in LeaseOver, and the executor decides whether to keep this process.
A stream that ends with CannotTrain is not a result of the trial: the machine failed, not the genome.
"""

import os
import platform
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evolve.execution.attempt import failure_of, run_attempt
from evolve.execution.executor import Lease
from evolve.trial import Failure, GpuNotUsable, Objective, ObjectiveFactory, Progress, Report

PROGRESS_SECONDS = 5.0  # the shortest time between two signs of life; others are dropped


@dataclass(frozen=True)
class LeaseBegun:
    """The worker has begun the lease."""

    node: str  # host name and process id


@dataclass(frozen=True)
class LeaseOver:
    """The last item of a lease's stream."""

    failure: Failure | None


@dataclass(frozen=True)
class CannotTrain:
    """Why no trial can run here; a plain value, since not every exception can be sent to another process."""

    what: str  # what failed: "make module:function", "run g001-042"
    kind: str  # the exception's class
    reason: str
    traceback: str
    gpu: bool  # whether the exception is GpuNotUsable


def environment(threads: int, gpus_per_trial: float) -> dict[str, str]:
    """Environment variables for a worker's process: TensorFlow and OpenMP read them when they are loaded."""
    variables = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # else the first worker takes the whole GPU, whatever its share
    }
    if gpus_per_trial <= 0:
        variables["CUDA_VISIBLE_DEVICES"] = ""  # a search on the CPU uses no GPU, even if one is visible
    return variables


class TrialWorker:
    """One warm training process."""

    def __init__(self, factory: ObjectiveFactory, clock: Callable[[], float] = time.monotonic) -> None:
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C reaches all processes of the terminal; only the controller decides what it stops.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._factory = factory
        self._clock = clock
        self._objective: Objective | None = None

    def ready(self) -> CannotTrain | None:
        """Make the objective ahead of the first lease; returns the reason if that fails, else None."""
        try:
            self._make()
        except Exception as error:  # reported to the controller, which raises it there
            return _cannot_train(f"make {self._factory.target}", error)
        return None

    def run(self, lease: Lease) -> Iterator[LeaseBegun | Report | LeaseOver | CannotTrain]:
        """The stream of one lease."""
        problem = self.ready()
        if problem is not None:
            yield problem
            return
        yield LeaseBegun(f"{platform.node()}/{os.getpid()}")
        failure: Failure | None = None
        reported_at = self._clock()
        try:
            # Not `yield from`: Ray sends values into its generators, and run_attempt may delegate to a plain iterator.
            for report in run_attempt(self._make(), lease):
                if isinstance(report, Progress) and self._clock() - reported_at < PROGRESS_SECONDS:
                    continue
                reported_at = self._clock()
                yield report
        except OSError as error:  # a full disk, a lost mount: not the genome's fault
            yield _cannot_train(f"run {lease.spec.uid}", error)
            return
        except Exception as error:  # any other error ends the trial, not the search
            failure = failure_of(error)
        yield LeaseOver(failure)

    def _make(self) -> Objective:
        if self._objective is None:
            self._objective = self._factory.make()
        return self._objective


def _cannot_train(what: str, error: Exception) -> CannotTrain:
    return CannotTrain(
        what,
        type(error).__name__,
        str(error),
        "".join(traceback.format_exception(error)),
        isinstance(error, GpuNotUsable),
    )
