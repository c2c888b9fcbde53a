"""The Executor protocol and its events: what runs trials.

The search leases pieces of trials (from start_step to stop_step) to an executor with a fixed number of slots,
one piece of a trial at a time, and reads events. An executor decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evolve.trial import Failure, Measurement, TrialSpec


@dataclass(frozen=True)
class Lease:
    """One attempt at one piece of a trial."""

    spec: TrialSpec
    attempt: int  # 1, 2, ... per uid


@dataclass(frozen=True)
class Started:
    """A worker took the lease."""

    lease: Lease
    worker: str  # "slot-0"
    node: str  # host name and process id


@dataclass(frozen=True)
class Measured:
    """A measurement arrived; the one at spec.stop_step carries the scores."""

    lease: Lease
    measurement: Measurement


@dataclass(frozen=True)
class Progressed:
    """A sign of life: the trial has come to this step."""

    lease: Lease
    step: int


@dataclass(frozen=True)
class Ended:
    """The piece is over: finished (failure is None) or failed. Its slot is free again."""

    lease: Lease
    failure: Failure | None


LeaseEvent = Started | Progressed | Measured | Ended


class Executor(Protocol):
    """Runs leases on a fixed number of slots."""

    @property
    def slots(self) -> int:
        """The number of leases that can run at once: the workers that are up now. It may change with every poll."""
        ...

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot; ValueError if none is free."""
        ...

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        """Events since the last poll, in the order seen; waits up to the timeout for the first one.

        Raises errors that are not a trial's result: an objective that cannot be made, a full disk, a lost data set, no
        worker up for too long.
        """
        ...

    def end(self, lease: Lease, failure: Failure) -> None:
        """End a running lease, whatever it does, and restart its slot; ValueError if the lease is not running.

        The lease's last event is Ended with this failure.
        """
        ...

    def close(self) -> None:
        """Stop all leases and release all resources. Safe to call twice."""
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *exc_info: object) -> None: ...
