"""Detects trials that hang, as opposed to slow ones, and ends them.

A trial's signs of life are its reports: steps, batches of an evaluation, measurements. The time that it may be silent
is learned from the silences that ended, of all trials in this session, tracing and compiling included: a trial hangs
when it is silent for a multiple of the longest of them. Until one has ended, the bound is a generous constant. Only
time that this process watched counts: a machine that slept, or a process that was suspended, ends no trial.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolve.execution.executor import Ended, Executor, Lease, LeaseEvent, Measured, Progressed, Started
from evolve.process.terminal import duration
from evolve.trial import Failure

LONGEST_LOOK_SECONDS = 10.0  # if more passes between two polls, the rest was not spent watching


@dataclass(frozen=True)
class Patience:
    """How long a running trial may be silent."""

    factor: float = 10.0  # times the longest silence that ended
    least_seconds: float = 600.0  # lower bound of the result
    unknown_seconds: float = 2 * 3600.0  # until the first silence has ended

    def __post_init__(self) -> None:
        if self.factor <= 1 or self.least_seconds <= 0 or self.unknown_seconds <= 0:
            raise ValueError(
                "expected factor > 1, least_seconds > 0 and unknown_seconds > 0, "
                f"got {self.factor:g}, {self.least_seconds:g} and {self.unknown_seconds:g}"
            )

    def bound(self, longest: float | None) -> float:
        """Seconds of silence after which a trial hangs. longest: the longest silence that ended; None if none has."""
        return self.unknown_seconds if longest is None else max(self.least_seconds, self.factor * longest)


@dataclass
class _WatchedLease:
    lease: Lease
    step: int
    silent: float = 0.0  # seconds since its last report
    warned: bool = False  # whether a note on this silence was given


class WatchedExecutor:
    """Wraps an executor and ends leases that hang. `note` gets a sentence when one has been silent for long."""

    def __init__(
        self,
        inner: Executor,
        patience: Patience | None = None,
        note: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._patience, self._note, self._clock = inner, patience or Patience(), note, clock
        self._running: list[_WatchedLease] = []
        self._longest: float | None = None  # the longest silence that ended, in seconds
        self._polled_at = clock()
        self._draining = self._idle = False

    @property
    def slots(self) -> int:
        """The number of leases that can run at once now; none can begin while draining."""
        return 0 if self._draining else self._inner.slots

    @property
    def steps(self) -> dict[str, int]:
        """The last step of each lease that runs, by its reports; keys are the uids of its trial or confirmation."""
        return {watched.lease.spec.uid: watched.step for watched in self._running}

    def drain(self) -> None:
        """Begin no more leases; those that run go on to their end."""
        self._draining = True

    @property
    def is_drained(self) -> bool:
        """Whether no lease can begin, none runs, and all events were returned before the last poll."""
        return self._draining and self._idle

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot; ValueError if none is free."""
        self._inner.submit(lease)
        self._running.append(_WatchedLease(lease, lease.spec.start_step))

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        """Events since the last poll, without the signs of life, which only the watch needs."""
        events = self._inner.poll(timeout_seconds)
        now = self._clock()
        passed, self._polled_at = min(now - self._polled_at, LONGEST_LOOK_SECONDS), now
        for watched in self._running:
            watched.silent += passed
        for event in events:
            self._take_in(event)
        self._end_hung()
        self._idle = not events and not self._running
        return [event for event in events if not isinstance(event, Progressed)]

    def end(self, lease: Lease, failure: Failure) -> None:
        """End a running lease."""
        self._inner.end(lease, failure)

    def close(self) -> None:
        """Stop all leases and release all resources."""
        self._inner.close()

    def __enter__(self) -> "WatchedExecutor":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _take_in(self, event: LeaseEvent) -> None:
        watched = next((watched for watched in self._running if watched.lease == event.lease), None)
        if watched is None:
            return
        if isinstance(event, Ended):
            self._running.remove(watched)
            return
        if not isinstance(event, Started):  # the wait for a worker says nothing about the trial's pace
            self._longest = max(self._longest or 0.0, watched.silent)
        watched.silent, watched.warned = 0.0, False
        if isinstance(event, Progressed):
            watched.step = event.step
        elif isinstance(event, Measured):
            watched.step = event.measurement.step

    def _end_hung(self) -> None:
        bound = self._patience.bound(self._longest)
        for watched in list(self._running):
            uid = watched.lease.spec.uid
            if watched.silent >= bound:
                self._running.remove(watched)
                self._inner.end(watched.lease, Failure("hung", self._reason(watched)))
            elif watched.silent >= bound / 2 and not watched.warned:
                watched.warned = True
                self._note(f"{uid}: {self._reason(watched)}; it is ended after {duration(bound)} of silence")

    def _reason(self, watched: _WatchedLease) -> str:
        earlier = "no trial has shown any before"
        if self._longest is not None:
            earlier = f"the longest silence before was {duration(self._longest)}"
        silence, stop_step = duration(watched.silent), watched.lease.spec.stop_step
        return f"no sign of life for {silence} after step {watched.step} of {stop_step} ({earlier})"
