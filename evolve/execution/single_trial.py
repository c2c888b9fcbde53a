"""Runs one trial outside a search, with the same executor, watch and retries."""

from collections import deque
from collections.abc import Callable

from evolve.execution.dispatch import dispatch
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.execution.watch import WatchedExecutor
from evolve.process.terminal import complain
from evolve.trial import Failure, Measurement, TrialSpec


def run_one(
    executor: Executor, spec: TrialSpec, show: Callable[[Measurement], None] = lambda _measurement: None
) -> tuple[list[Measurement], Failure | None]:
    """Run one spec to its end; returns its measurements in order of step, and the failure or None."""
    measured: dict[int, Measurement] = {}
    failure: Failure | None = None
    for event in dispatch(WatchedExecutor(executor, note=complain), deque([Lease(spec, attempt=1)])):
        if isinstance(event, Measured):
            measured[event.measurement.step] = event.measurement
            show(event.measurement)
        elif isinstance(event, Ended):
            failure = event.failure
    return list(measured.values()), failure
