"""Keeps an executor's slots full from a queue of leases; the search, the confirmations and a single training use it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from evolve.execution.executor import Ended, Event, Executor, Lease, Measured
from evolve.trial import Failure

POLL_SECONDS = 0.5  # how often a waiting loop comes back, for Ctrl-C and the progress display
MAX_LOST = 3  # a piece whose workers died is tried again so many times, then its trial has failed


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


def may_retry(failure: Failure, lost_before: int) -> bool:
    """Whether the lease deserves another worker: only when its worker died, and not again and again."""
    return failure.kind == "worker_lost" and lost_before < MAX_LOST


def next_attempt(lease: Lease) -> Lease:
    """The same piece, tried again."""
    return replace(lease, attempt=lease.attempt + 1)
