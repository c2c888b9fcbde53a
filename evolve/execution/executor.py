"""What runs trials: the Executor protocol and its events.

The search leases one piece of a trial (from start_step to stop_step) at a time to an executor
with a fixed number of slots, and reads events. An executor never decides anything.
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
    """The piece is over: done (failure is None) or failed. A worker is free again."""

    lease: Lease
    failure: Failure | None


Event = Started | Progressed | Measured | Ended


class Executor(Protocol):
    """Runs leases on a fixed number of slots."""

    @property
    def slots(self) -> int:
        """How many leases can run at once: the workers that are up now. It may change with every poll."""
        ...

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot; ValueError when all run something."""
        ...

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """Events since the last poll, in the order seen; waits up to the timeout for the first one.

        Raises what is no result of a trial: an objective that cannot be made, a full disk, a lost data set, no worker
        up for too long.
        """
        ...

    def end(self, lease: Lease, failure: Failure) -> None:
        """End a running lease, whatever it does, and let its slot start anew; ValueError when it does not run.

        The lease's last event is Ended with this failure.
        """
        ...

    def close(self) -> None:
        """Stop what runs and give everything back. Safe to call twice."""
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *exc_info: object) -> None: ...
