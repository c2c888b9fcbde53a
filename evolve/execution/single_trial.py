"""Runs one trial outside a search, whole or in pieces, with the same executor, watch and retries."""

from collections import deque
from collections.abc import Callable, Sequence

from evolve.execution.dispatch import dispatch
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.execution.watch import WatchedExecutor
from evolve.process.terminal import complain
from evolve.trial import Failure, Measurement, TrialSpec


def run_one(executor: Executor, spec: TrialSpec) -> tuple[list[Measurement], Failure | None]:
    """Run one spec to its end; returns its measurements in order of step, and the failure or None."""
    measured: list[Measurement] = []
    failure = run_pieces(executor, [spec], lambda _piece, of_piece: measured.extend(of_piece))
    return measured, failure


def run_pieces(
    executor: Executor, pieces: Sequence[TrialSpec], done: Callable[[TrialSpec, Sequence[Measurement]], None]
) -> Failure | None:
    """Run pieces of one trial, one after the other, up to the first that fails; returns its failure or None.

    done: called at the end of each piece with its measurements in order of step, before the next one begins.
    """
    coming = deque(pieces)
    waiting: deque[Lease] = deque()
    if coming:
        waiting.append(Lease(coming.popleft(), attempt=1))
    measured: dict[int, Measurement] = {}  # of the piece that runs; a step is measured again if an attempt was lost
    for event in dispatch(WatchedExecutor(executor, note=complain), waiting):
        if isinstance(event, Measured):
            measured[event.measurement.step] = event.measurement
        elif isinstance(event, Ended):
            if event.failure is not None:
                return event.failure
            done(event.lease.spec, [measured[step] for step in sorted(measured)])
            measured.clear()
            if coming:
                waiting.append(Lease(coming.popleft(), attempt=1))
    return None
