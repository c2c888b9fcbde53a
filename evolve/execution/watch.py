"""Tells a trial that hangs from one that is slow, and ends it.

What a trial shows of itself are its reports: steps, batches of an evaluation, measurements. How long it may be silent
is learned from the silences that ended, its own and those of all others in this session, tracing and compiling
included: many times the longest of them is too long. Before anything was learned the bound is a generous one. Only
time that this process watched counts: a machine that slept, or a search that was stopped and continued, ends nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolve.execution.executor import Ended, Event, Executor, Lease, Measured, Progressed, Started
from evolve.process.terminal import duration
from evolve.trial import Failure

LONGEST_LOOK_SECONDS = 10.0  # more between two polls was not spent watching


@dataclass(frozen=True)
class Patience:
    """How long a running trial may be silent."""

    factor: float = 10.0  # times the longest silence that ended
    least_seconds: float = 600.0  # whatever was learned
    unknown_seconds: float = 2 * 3600.0  # while no trial has shown anything yet

    def __post_init__(self) -> None:
        if self.factor <= 1 or self.least_seconds <= 0 or self.unknown_seconds <= 0:
            raise ValueError(
                "expected factor > 1, least_seconds > 0 and unknown_seconds > 0, "
                f"got {self.factor:g}, {self.least_seconds:g} and {self.unknown_seconds:g}"
            )

    def bound(self, longest: float | None) -> float:
        """Seconds after which a silence is a hang; `longest`: the longest that ended, None before the first."""
        return self.unknown_seconds if longest is None else max(self.least_seconds, self.factor * longest)


@dataclass
class _Running:
    lease: Lease
    step: int
    silent: float = 0.0  # seconds since its last report
    said: bool = False  # that it is silent


class Watched:
    """Another executor whose leases are ended when they hang. `note` gets a sentence when one has long been silent."""

    def __init__(
        self,
        inner: Executor,
        patience: Patience | None = None,
        note: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._patience, self._note, self._clock = inner, patience or Patience(), note, clock
        self._running: list[_Running] = []
        self._longest: float | None = None  # silence that ended
        self._looked = clock()

    @property
    def slots(self) -> int:
        """How many leases can run at once now."""
        return self._inner.slots

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot; ValueError when none is free."""
        self._inner.submit(lease)
        self._running.append(_Running(lease, lease.spec.start_step))

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """Events since the last poll but for signs of life, which are for the watch alone."""
        events = self._inner.poll(timeout_seconds)
        now = self._clock()
        passed, self._looked = min(now - self._looked, LONGEST_LOOK_SECONDS), now
        for one in self._running:
            one.silent += passed
        for event in events:
            self._take_in(event)
        self._end_hung()
        return [event for event in events if not isinstance(event, Progressed)]

    def end(self, lease: Lease, failure: Failure) -> None:
        """End a running lease."""
        self._inner.end(lease, failure)

    def close(self) -> None:
        """Stop what runs and give everything back."""
        self._inner.close()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _take_in(self, event: Event) -> None:
        one = next((one for one in self._running if one.lease == event.lease), None)
        if one is None:
            return
        if isinstance(event, Ended):
            self._running.remove(one)
            return
        if not isinstance(event, Started):  # that a worker took it says nothing of its pace
            self._longest = max(self._longest or 0.0, one.silent)
        one.silent, one.said = 0.0, False
        if isinstance(event, Progressed):
            one.step = event.step
        elif isinstance(event, Measured):
            one.step = event.measurement.step

    def _end_hung(self) -> None:
        bound = self._patience.bound(self._longest)
        for one in list(self._running):
            if one.silent >= bound:
                self._running.remove(one)
                self._inner.end(one.lease, Failure("hung", self._reason(one)))
            elif one.silent >= bound / 2 and not one.said:
                one.said = True
                self._note(f"{one.lease.spec.uid}: {self._reason(one)}; it is ended after {duration(bound)} of silence")

    def _reason(self, one: _Running) -> str:
        learned = "no trial has shown any before"
        if self._longest is not None:
            learned = f"the longest silence before was {duration(self._longest)}"
        spec = one.lease.spec
        return f"no sign of life for {duration(one.silent)} after step {one.step} of {spec.stop_step} ({learned})"
