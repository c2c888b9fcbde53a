"""Trials that hang are distinguished from slow ones; the clock is simulated."""

import re
from collections import deque
from collections.abc import Callable, Sequence

import pytest

from evolve.execution.dispatch import Lost, dispatch
from evolve.execution.executor import Ended, Executor, Lease, LeaseEvent, Measured, Progressed, Started
from evolve.execution.watch import Patience, WatchedExecutor
from evolve.trial import Failure, Measurement, TrialSpec

PATIENCE = Patience(factor=10.0, least_seconds=60.0, unknown_seconds=1000.0)


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """Hands out the events that the test gives it, and records which leases it must end."""

    slots = 2

    def __init__(self) -> None:
        self.events: list[LeaseEvent] = []
        self.ended: list[tuple[Lease, Failure]] = []

    def submit(self, lease: Lease) -> None:
        self.events.append(Started(lease, "slot-0", "node"))

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        events, self.events = self.events, []
        return events

    def end(self, lease: Lease, failure: Failure) -> None:
        self.ended.append((lease, failure))
        self.events.append(Ended(lease, failure))

    def close(self) -> None:
        """Nothing."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing."""


def lease(uid: str, attempt: int = 1) -> Lease:
    return Lease(TrialSpec(uid, {}, seed=0, stop_step=90), attempt)


class Bench:
    """A watched executor, its clock, and its notes."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self.clock, self.inner, self.notes = Clock(), Scripted(), list[str]()
        self.watched = WatchedExecutor(self.inner, patience, self.notes.append, self.clock)

    def start(self, uid: str) -> Lease:
        one = lease(uid)
        self.watched.submit(one)
        self.watched.poll(0.0)
        return one

    def pass_time(self, seconds: float, look_every: float = 1.0) -> list[LeaseEvent]:
        events: list[LeaseEvent] = []
        for _ in range(round(seconds / look_every)):
            self.clock.now += look_every
            events.extend(self.watched.poll(look_every))
        return events

    def moves(self, one: Lease, step: int) -> None:
        self.inner.events.append(Progressed(one, step))
        self.watched.poll(0.0)


def test_a_silence_far_longer_than_the_longest_before_is_a_hang() -> None:
    bench = Bench()
    one = bench.start("g000-000")
    bench.pass_time(20)  # tracing and compiling
    bench.moves(one, 1)
    for step in range(2, 12):
        bench.pass_time(2)
        bench.moves(one, step)
    assert bench.pass_time(199) == []  # ten times 20 are 200
    [ended] = bench.pass_time(2)
    assert isinstance(ended, Ended)
    assert ended.failure == Failure(
        "hung", "no sign of life for 3 min after step 11 of 90 (the longest silence before was 20 s)"
    )
    assert bench.inner.ended == [(one, ended.failure)]
    assert bench.notes == [
        "g000-000: no sign of life for 2 min after step 11 of 90 (the longest silence before was 20 s); "
        "it is ended after 3 min of silence"
    ]


def test_fast_trials_have_a_floor_and_others_teach() -> None:
    bench = Bench()
    quick, stuck = bench.start("g000-000"), bench.start("g000-001")
    bench.pass_time(1)
    bench.moves(quick, 1)
    for _ in range(58):
        bench.pass_time(1)
        bench.moves(quick, 1)
    assert bench.inner.ended == []  # 59 s; ten times 1 s would be over long ago
    bench.pass_time(1)
    assert [one for one, _ in bench.inner.ended] == [
        stuck
    ]  # it has not reported at all: the bound comes from the other trial


def test_before_anything_moved_the_bound_is_another_and_is_said() -> None:
    bench = Bench()
    one = bench.start("g000-000")
    assert bench.pass_time(998, 2.0) == []
    assert bench.notes == [
        "g000-000: no sign of life for 8 min after step 0 of 90 (no trial has shown any before); "
        "it is ended after 17 min of silence"
    ]
    [ended] = bench.pass_time(4, 2.0)
    assert ended.lease == one


@pytest.mark.parametrize("report", [lambda one: Measured(one, Measurement(30, {})), lambda one: Progressed(one, 30)])
def test_every_report_is_a_sign_of_life(report: Callable[[Lease], LeaseEvent]) -> None:
    bench = Bench()
    one = bench.start("g000-000")
    bench.pass_time(5)
    for _ in range(5):
        bench.inner.events.append(report(one))
        bench.pass_time(50)
    assert bench.inner.ended == []


def test_time_that_was_not_watched_does_not_count() -> None:
    """The machine slept, or the search and its workers were suspended and continued."""
    bench = Bench()
    one = bench.start("g000-000")
    bench.pass_time(1)
    bench.moves(one, 1)
    bench.clock.now += 3600.0
    assert bench.pass_time(40) == []
    assert bench.inner.ended == []


def test_signs_of_life_go_no_further_and_other_events_do() -> None:
    bench = Bench()
    one = bench.start("g000-000")
    measured = Measured(one, Measurement(30, {}))
    bench.inner.events += [Progressed(one, 7), measured, Ended(one, None)]
    assert bench.watched.poll(0.0) == [measured, Ended(one, None)]
    bench.pass_time(2000)
    assert bench.inner.ended == []  # it is over


def test_what_hangs_is_tried_again_as_another_attempt() -> None:
    bench = Bench()
    waiting, ends = deque([lease("g000-000")]), []
    for event in dispatch(bench.watched, waiting):
        bench.clock.now += 5.0
        if isinstance(event, Lost | Ended):
            ends.append(event)
        if isinstance(event, Started) and event.lease.attempt == 2:
            bench.inner.events.append(Measured(event.lease, Measurement(event.lease.spec.stop_step, {})))
            bench.inner.events.append(Ended(event.lease, None))
    assert [(event.lease.attempt, event.failure and event.failure.kind) for event in ends] == [(1, "hung"), (2, None)]


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"least_seconds": 0.0}, {"unknown_seconds": -1.0}])
def test_impatience_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=re.escape("expected factor > 1, least_seconds > 0 and unknown_seconds > 0")):
        Patience(**wrong)
