"""Keeps an executor's slots busy from a queue of leases; used by the search, the confirmations and single trials."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from evolve.execution.executor import Ended, Executor, Lease, LeaseEvent, Measured
from evolve.trial import Failure

POLL_SECONDS = 0.5  # longest wait for an event, so that Ctrl-C and the display get their turn
# Kind of failure -> how often a piece is tried again on a new process; after that its trial has failed.
RETRIES = {
    "worker_lost": 3,  # its process died: mostly from outside (memory, an operator), but a trial can cause that too
    "node_lost": 10,  # its machine is gone, which is not the trial's fault; a cluster may take nodes back often
    "hung": 1,  # a trial that hangs twice will hang again, and each hang costs the whole patience
}


def dispatch(executor: Executor, waiting: deque[Lease]) -> Iterator[LeaseEvent | None]:
    """Yield the events of all leases until none waits or runs; None if nothing happened for POLL_SECONDS.

    The caller may append leases to `waiting` meanwhile.
    """
    running = 0
    while waiting or running:
        while waiting and running < executor.slots:
            executor.submit(waiting.popleft())
            running += 1
        events = executor.poll(POLL_SECONDS)
        for event in events:
            running -= isinstance(event, Ended)
            yield event
        if not events:
            yield None


def is_result(event: LeaseEvent | None) -> bool:
    """Whether the event is the last measurement of a piece, which has the scores."""
    return isinstance(event, Measured) and event.measurement.step == event.lease.spec.stop_step


def may_retry(failure: Failure, before: int) -> bool:
    """Whether to try the piece again on a new process, after `before` attempts that were lost for the same reason."""
    return before < RETRIES.get(failure.kind, 0)


def lost_attempt_payload(lease: Lease, failure: Failure) -> dict[str, object]:
    """The payload of attempt_lost, the event of an attempt that is made again."""
    return {
        "attempt": lease.attempt,
        "stop_step": lease.spec.stop_step,
        "cause": failure.kind,
        "reason": failure.reason,
    }


def next_attempt(lease: Lease) -> Lease:
    """The lease of the next attempt at the same piece."""
    return replace(lease, attempt=lease.attempt + 1)
