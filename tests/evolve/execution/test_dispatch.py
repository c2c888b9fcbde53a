"""Leases wait for free slots, and a reader may add to them."""

from collections import deque
from collections.abc import Sequence

import pytest

from evolve.execution import dispatch
from evolve.execution.executor import Ended, Lease, LeaseEvent, Started
from evolve.trial import Failure, TrialSpec


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


@pytest.mark.parametrize(("kind", "times"), [("worker_lost", 3), ("node_lost", 10), ("hung", 1)])
def test_what_is_no_fault_of_the_trial_is_tried_again_so_often(kind: str, times: int) -> None:
    retries = [dispatch.may_retry(Failure(kind, ""), lost) for lost in range(12)]
    assert retries == [True] * times + [False] * (12 - times)


def test_a_result_and_a_crash_are_final() -> None:
    assert not dispatch.may_retry(Failure("crashed", ""), 0)
    assert not dispatch.may_retry(Failure("diverged", ""), 0)
    assert dispatch.next_attempt(lease("a")).attempt == 2
