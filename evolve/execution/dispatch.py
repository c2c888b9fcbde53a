"""Keeps an executor's slots full from a queue of leases; the search, the confirmations and a single training use it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from evolve.execution.executor import Ended, Event, Executor, Lease, Measured
from evolve.trial import Failure

POLL_SECONDS = 0.5  # how often a waiting loop comes back, for Ctrl-C and the progress display
# How often a piece is tried again on a new process, by what became of the one before; then its trial has failed.
RETRIES = {
    "worker_lost": 3,  # its process died: mostly by another hand (memory, an operator), but a trial can do that too
    "node_lost": 10,  # its machine went away, which says nothing of the trial: a cluster may take its nodes back often
    "hung": 1,  # what hangs twice hangs again, and each time costs the whole patience
}


def dispatch(executor: Executor, waiting: deque[Lease]) -> Iterator[Event | None]:
    """Events of all leases until none waits or runs; None when nothing happened for a while.

    The reader may append to `waiting` while it reads.
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


def is_result(event: Event | None) -> bool:
    """Whether the event is the measurement that a piece ends with."""
    return isinstance(event, Measured) and event.measurement.step == event.lease.spec.stop_step


def may_retry(failure: Failure, before: int) -> bool:
    """Whether the piece deserves another process, after `before` attempts that were lost in the same way."""
    return before < RETRIES.get(failure.kind, 0)


def lost_attempt(lease: Lease, failure: Failure) -> dict[str, object]:
    """What the journal keeps of an attempt that is made again."""
    return {
        "attempt": lease.attempt,
        "stop_step": lease.spec.stop_step,
        "cause": failure.kind,
        "reason": failure.reason,
    }


def next_attempt(lease: Lease) -> Lease:
    """The same piece, tried again."""
    return replace(lease, attempt=lease.attempt + 1)
