"""Leases wait for free slots, and a reader may add to them."""

from collections import deque
from collections.abc import Sequence

from evolve.execution import dispatch
from evolve.execution.executor import Ended, Event, Lease, Started
from evolve.trial import Failure, TrialSpec


class TwoSlots:
    """Starts what it is given at one poll and ends it at the next."""

    slots = 2

    def __init__(self) -> None:
        self.running: list[Lease] = []
        self.most = 0
        self.events: list[Event] = []

    def submit(self, lease: Lease) -> None:
        if len(self.running) == self.slots:
            raise ValueError("no free slot")
        self.running.append(lease)
        self.most = max(self.most, len(self.running))
        self.events.append(Started(lease, "slot", "node"))

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
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


def test_only_a_lost_worker_is_worth_another_try_and_only_three() -> None:
    assert [dispatch.may_retry(Failure("worker_lost", ""), lost) for lost in range(5)] == [True] * 3 + [False] * 2
    assert not dispatch.may_retry(Failure("crashed", ""), 0)
    assert not dispatch.may_retry(Failure("diverged", ""), 0)
    assert dispatch.next_attempt(lease("a")).attempt == 2
