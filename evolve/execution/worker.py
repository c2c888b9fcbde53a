"""The process that trains: makes its objective once and runs lease after lease on it. Knows no Ray.

What it hands out is a stream for each lease: Begun, reports (signs of life not too often), Over. It never raises: a
trial's exception is the failure in Over, and the executor decides whether this process is still to be trusted.
A stream that ends with Unable is no result of its trial: not the genome failed but the machine.
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

PROGRESS_SECONDS = 5.0  # signs of life that come sooner after the last one handed out are kept back


@dataclass(frozen=True)
class Begun:
    """The lease is in work."""

    node: str  # host name and process id


@dataclass(frozen=True)
class Over:
    """The last item of a lease's stream."""

    failure: Failure | None


@dataclass(frozen=True)
class Unable:
    """Why no trial can run here; a plain value, since not every exception crosses to another process."""

    what: str  # what could not be done: "make module:function", "run g001-042"
    kind: str  # the exception's class
    reason: str
    traceback: str
    gpu: bool  # GpuNotUsable


def environment(threads: int, gpus_per_trial: float) -> dict[str, str]:
    """Variables a worker's process must start with: TensorFlow and OpenMP read them when they are loaded."""
    variables = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # else the first worker takes the whole GPU, whatever its share
    }
    if gpus_per_trial <= 0:
        variables["CUDA_VISIBLE_DEVICES"] = ""  # a search on the CPU leaves GPUs in sight alone
    return variables


class TrialWorker:
    """One warm training process."""

    def __init__(self, factory: ObjectiveFactory, clock: Callable[[], float] = time.monotonic) -> None:
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C reaches the whole terminal group; the controller alone decides what it stops.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._factory = factory
        self._clock = clock
        self._objective: Objective | None = None

    def ready(self) -> Unable | None:
        """Make the objective ahead of the first lease; None when that went well."""
        try:
            self._make()
        except Exception as error:  # it is told to the controller, which raises it there
            return _unable(f"make {self._factory.target}", error)
        return None

    def run(self, lease: Lease) -> Iterator[Begun | Report | Over | Unable]:
        """The stream of one lease."""
        problem = self.ready()
        if problem is not None:
            yield problem
            return
        yield Begun(f"{platform.node()}/{os.getpid()}")
        failure: Failure | None = None
        said = self._clock()
        try:
            # Not `yield from`: Ray sends into its generators, and run_attempt may delegate to a plain iterator.
            for report in run_attempt(self._make(), lease):
                if isinstance(report, Progress) and self._clock() - said < PROGRESS_SECONDS:
                    continue
                said = self._clock()
                yield report
        except OSError as error:  # a full disk, a lost mount: no genome can help it
            yield _unable(f"run {lease.spec.uid}", error)
            return
        except Exception as error:  # whatever else a trial raises ends the trial, not the search
            failure = failure_of(error)
        yield Over(failure)

    def _make(self) -> Objective:
        if self._objective is None:
            self._objective = self._factory.make()
        return self._objective


def _unable(what: str, error: Exception) -> Unable:
    return Unable(
        what,
        type(error).__name__,
        str(error),
        "".join(traceback.format_exception(error)),
        isinstance(error, GpuNotUsable),
    )
