"""Keeps an executor's slots busy from a queue of leases, and tries again what was lost.

The search, the confirmations and single trials use it.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from evolve.execution.executor import Ended, Executor, Lease, LeaseEvent, Measured
from evolve.trial import Failure

POLL_SECONDS = 0.5  # longest wait for an event, so that Ctrl-C and the display get their turn
# Kind of failure -> how often a piece is tried again on a new process; after that its trial has failed.
RETRIES = {
    "worker_lost": 3,  # its process died: mostly from outside (memory, an operator), but a trial can cause that too
    "node_lost": 10,  # its machine is gone, which is not the trial's fault; a cluster may take nodes back often
    "hung": 1,  # a trial that hangs twice will hang again, and each hang costs the whole patience
}


@dataclass(frozen=True)
class Lost:
    """An attempt ended without a result, and its piece is in the queue again."""

    lease: Lease
    failure: Failure


Cause = tuple[str, int, str]  # uid, stop_step and kind of failure of lost attempts


def dispatch(
    executor: Executor, waiting: deque[Lease], lost: Mapping[Cause, int] | None = None
) -> Iterator[LeaseEvent | Lost | None]:
    """Yield the events of all leases until none waits or runs; None if nothing happened for POLL_SECONDS.

    A piece that may be tried again is put first in the queue, and Lost comes instead of its Ended. So Ended is final,
    and it has no failure if the result of the piece is in. lost: how many attempts earlier sessions have lost.
    The caller may append leases to `waiting` meanwhile.
    """
    running = 0
    counts = Counter(lost or {})
    measured: set[tuple[str, int]] = set()  # pieces whose result is in
    while waiting or running:
        while waiting and running < executor.slots:
            executor.submit(waiting.popleft())
            running += 1
        polled = executor.poll(POLL_SECONDS)
        for event in polled:
            piece = (event.lease.spec.uid, event.lease.spec.stop_step)
            if is_result(event):
                measured.add(piece)
            if not isinstance(event, Ended):
                yield event
                continue
            running -= 1
            failure = None if piece in measured else _failure_of(event)
            measured.discard(piece)
            yield _again(event.lease, failure, waiting, counts)
        if not polled:
            yield None


def _failure_of(event: Ended) -> Failure:
    """Why a piece has no result."""
    return event.failure or Failure("crashed", f"ended without a measurement at step {event.lease.spec.stop_step}")


def _again(lease: Lease, failure: Failure | None, waiting: deque[Lease], lost: Counter[Cause]) -> Ended | Lost:
    """Put the piece in the queue again if its failure is no fault of the trial and it was not lost too often."""
    if failure is None:
        return Ended(lease, None)
    cause = (lease.spec.uid, lease.spec.stop_step, failure.kind)
    if lost[cause] >= RETRIES.get(failure.kind, 0):
        return Ended(lease, failure)
    lost[cause] += 1
    waiting.appendleft(replace(lease, attempt=lease.attempt + 1))
    return Lost(lease, failure)


def is_result(event: LeaseEvent | Lost | None) -> bool:
    """Whether the event is the last measurement of a piece, which has the scores."""
    return isinstance(event, Measured) and event.measurement.step == event.lease.spec.stop_step
