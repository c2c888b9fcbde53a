"""The in-process executor: one slot, no other process; for tests and the simulated objective.

Each poll advances the lease by one report, so that a killed process leaves a half-trained trial, as on real workers.
"""

import os
import platform
from collections.abc import Iterator, Sequence

from evolve.execution.attempt import failure_of, run_attempt
from evolve.execution.executor import Ended, Lease, LeaseEvent, Measured, Progressed, Started
from evolve.trial import Failure, Objective, ObjectiveFactory, Progress, Report


class LocalExecutor:
    """Runs one lease at a time in this process; the objective is made for the first one and stays warm."""

    slots = 1

    def __init__(self, factory: ObjectiveFactory) -> None:
        self._factory = factory
        self._objective: Objective | None = None
        self._lease: Lease | None = None
        self._reports: Iterator[Report] | None = None
        self._ended: list[LeaseEvent] = []  # events of leases that were ended by end()

    def submit(self, lease: Lease) -> None:
        """Accept the lease; it starts with the next poll."""
        if self._lease is not None:
            raise ValueError(
                f"expected a free slot for {lease.spec.uid}, but {self._lease.spec.uid} runs in the only one"
            )
        self._lease = lease

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:  # noqa: ARG002 (it works instead of waiting)
        """The next event of the lease: its start, a report, or its end."""
        if self._ended:
            ended, self._ended = self._ended, []
            return ended
        lease = self._lease
        if lease is None:
            return []
        if self._reports is None:
            self._objective = self._objective or self._factory.make()  # an error here is not a trial's result
            self._reports = run_attempt(self._objective, lease)
            return [Started(lease, "slot-0", f"{platform.node()}/{os.getpid()}")]
        try:
            report = next(self._reports, None)
        except OSError:  # a full disk, a lost mount: not the trial's result
            self._release()
            raise
        except Exception as error:  # any other error ends the trial, not the search
            self._release()
            return [Ended(lease, failure_of(error))]
        if report is None:
            self._release()
            return [Ended(lease, None)]
        return [Progressed(lease, report.step) if isinstance(report, Progress) else Measured(lease, report)]

    def end(self, lease: Lease, failure: Failure) -> None:
        """End the lease between two of its reports; the next lease gets a new objective."""
        if self._lease != lease:
            raise ValueError(f"{lease.spec.uid}: expected a lease that runs, attempt {lease.attempt} does not")
        self._release()
        self._objective = None
        self._ended.append(Ended(lease, failure))

    def close(self) -> None:
        """Stop the lease."""
        self._release()

    def _release(self) -> None:
        self._lease = None
        self._reports = None

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
