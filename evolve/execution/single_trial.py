"""Runs one trial outside a search, with the same executor, watch and retries."""

from collections import Counter, deque
from collections.abc import Callable

from evolve.execution.dispatch import dispatch, may_retry, next_attempt
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.execution.watch import WatchedExecutor
from evolve.process.terminal import complain
from evolve.trial import Failure, Measurement, TrialSpec


def run_one(
    executor: Executor, spec: TrialSpec, show: Callable[[Measurement], None] = lambda _measurement: None
) -> tuple[list[Measurement], Failure | None]:
    """Run one spec to its end; returns its measurements in order of step, and the failure or None."""
    waiting = deque([Lease(spec, attempt=1)])
    measured: dict[int, Measurement] = {}
    lost: Counter[str] = Counter()
    for event in dispatch(WatchedExecutor(executor, note=complain), waiting):
        if isinstance(event, Measured):
            measured[event.measurement.step] = event.measurement
            show(event.measurement)
        elif isinstance(event, Ended) and event.failure is not None:
            if not may_retry(event.failure, lost[event.failure.kind]):
                return list(measured.values()), event.failure
            lost[event.failure.kind] += 1
            waiting.append(next_attempt(event.lease))
    return list(measured.values()), None
