"""Leases wait for free slots, and a reader may add to them."""

from collections import deque
from collections.abc import Sequence

import pytest

from evolve.execution import dispatch
from evolve.execution.executor import Ended, Lease, LeaseEvent, Measured, Started
from evolve.trial import Failure, Measurement, TrialSpec


class TwoSlots:
    """Starts its leases at one poll and ends them at the next."""

    slots = 2

    def __init__(self) -> None:
        self.running: list[Lease] = []
        self.most = 0
        self.events: list[LeaseEvent] = []

    def submit(self, lease: Lease) -> None:
        if len(self.running) == self.slots:
            raise ValueError("no free slot")
        self.running.append(lease)
        self.most = max(self.most, len(self.running))
        self.events.append(Started(lease, "slot", "node"))

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        if self.events:
            found, self.events = self.events, []
            return found
        return [Ended(self.running.pop(0), None)] if self.running else []

    def close(self) -> None:
        """Nothing."""

    def __enter__(self) -> "TwoSlots":
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing."""


def lease(uid: str) -> Lease:
    return Lease(TrialSpec(uid, {}, 0, 1), 1)


def test_slots_are_filled_and_never_overfilled() -> None:
    executor = TwoSlots()
    waiting = deque([lease("a"), lease("b"), lease("c")])
    ended = []
    for event in dispatch.dispatch(executor, waiting):
        if isinstance(event, Ended):
            ended.append(event.lease.spec.uid)
            if event.lease.spec.uid == "a":
                waiting.append(lease("d"))
    assert ended == ["a", "b", "c", "d"]
    assert executor.most == 2


def test_leases_go_to_slots_that_are_there_at_the_moment() -> None:
    class Coming(TwoSlots):
        slots = 0

        def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
            assert len(self.running) <= self.slots
            events = super().poll(timeout_seconds)
            type(self).slots = min(2, self.slots + (events == []))  # a worker comes up when nothing else happens
            return events

    executor = Coming()
    ended = [
        event.lease.spec.uid
        for event in dispatch.dispatch(executor, deque([lease("a"), lease("b"), lease("c")]))
        if isinstance(event, Ended)
    ]
    assert sorted(ended) == ["a", "b", "c"]
    assert executor.most >= 1


class Losing(TwoSlots):
    """Every attempt ends with the same failure, before or after its result."""

    def __init__(self, failure: Failure, measures: bool = False) -> None:
        super().__init__()
        self.failure, self.measures = failure, measures

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        self.events = []
        ended, self.running = self.running, []
        measured = [Measured(one, Measurement(1, {})) for one in ended if self.measures]
        return [*measured, *(Ended(one, self.failure) for one in ended)]


def kinds_of(executor: Losing, lost: dict[tuple[str, int, str], int] | None = None) -> list[tuple[str, int]]:
    """The events of one lease: class and attempt."""
    events = dispatch.dispatch(executor, deque([lease("a")]), lost)
    return [(type(event).__name__, event.lease.attempt) for event in events if event is not None]


@pytest.mark.parametrize(("kind", "times"), [("worker_lost", 3), ("node_lost", 10), ("hung", 1)])
def test_what_is_no_fault_of_the_trial_is_tried_again_so_often(kind: str, times: int) -> None:
    events = kinds_of(Losing(Failure(kind, "")))
    assert events == [*(("Lost", attempt) for attempt in range(1, times + 1)), ("Ended", times + 1)]


def test_what_earlier_sessions_lost_counts_too_but_not_other_pieces_and_causes() -> None:
    lost = {("a", 1, "worker_lost"): 2, ("a", 2, "worker_lost"): 9, ("b", 1, "worker_lost"): 9, ("a", 1, "hung"): 1}
    assert kinds_of(Losing(Failure("worker_lost", "")), lost) == [("Lost", 1), ("Ended", 2)]


def test_a_result_and_a_crash_are_final() -> None:
    assert kinds_of(Losing(Failure("crashed", ""))) == [("Ended", 1)]
    assert kinds_of(Losing(Failure("diverged", ""))) == [("Ended", 1)]


def test_what_happens_to_a_worker_after_the_result_of_its_piece_changes_nothing() -> None:
    events = list(dispatch.dispatch(Losing(Failure("worker_lost", ""), measures=True), deque([lease("a")])))
    assert [type(event) for event in events] == [Measured, Ended]
    assert events[-1] == Ended(lease("a"), None)


def test_a_piece_that_ends_without_a_result_has_failed() -> None:
    executor = TwoSlots()
    [ended] = [event for event in dispatch.dispatch(executor, deque([lease("a")])) if isinstance(event, Ended)]
    assert ended.failure == Failure("crashed", "ended without a measurement at step 1")


def test_a_lost_piece_is_tried_again_before_others_that_wait() -> None:
    executor = Losing(Failure("hung", ""))
    executor.slots = 1
    events = dispatch.dispatch(executor, deque([lease("a"), lease("b")]))
    assert [event.lease.spec.uid for event in events if event is not None] == ["a", "a", "b", "b"]
