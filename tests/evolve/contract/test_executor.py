"""The contract of every executor; a new one joins by its name in EXECUTORS."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evolve.execution.executor import Ended, Executor, Lease, LeaseEvent, Measured, Progressed, Started
from evolve.execution.local_executor import LocalExecutor
from evolve.execution.watch import WatchedExecutor
from evolve.trial import Failure, ObjectiveFactory, TrialSpec

FACTORY = ObjectiveFactory("executor_objectives:scripted_objective")
PATIENCE_SECONDS = 60.0
WORKERS = 2


def _ray(request: pytest.FixtureRequest) -> Executor:
    request.getfixturevalue("local_ray")
    from evolve.execution.ray_executor import RayExecutor

    return RayExecutor(FACTORY, workers=WORKERS)


def _local(request: pytest.FixtureRequest) -> Executor:
    request.getfixturevalue("worker_modules")
    return LocalExecutor(FACTORY)


def _watched(request: pytest.FixtureRequest) -> Executor:
    return WatchedExecutor(_local(request))


EXECUTORS: dict[str, Callable[[pytest.FixtureRequest], Executor]] = {
    "local": _local,
    "watched": _watched,
    "ray": _ray,
}
# Ray takes five seconds to start
PARAMETERS = [pytest.param(name, marks=pytest.mark.medium if name == "ray" else ()) for name in EXECUTORS]


@pytest.fixture(scope="module", params=PARAMETERS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with EXECUTORS[request.param](request) as made:
        wait_for_slots(made, slots_of(made))
        yield made


def lease(uid: str, *, do: str = "", steps: int = 4, attempt: int = 1, state_dir: Path | None = None) -> Lease:
    return Lease(TrialSpec(uid, {"do": do}, seed=0, stop_step=steps, state_dir=state_dir), attempt)


def wait_for_slots(executor: Executor, count: int) -> None:
    """Wait until `count` leases can run at once: replacing the worker of a crashed trial takes a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while executor.slots < count:
        assert time.monotonic() < deadline, f"{executor.slots} of {count} slots"
        assert executor.poll(0.2) == []


def slots_of(executor: Executor) -> int:
    """The number of slots when every worker is up."""
    return WORKERS if type(executor).__name__ == "RayExecutor" else 1  # by name: its module loads Ray


def events_of(executor: Executor, *leases: Lease) -> list[LeaseEvent]:
    """All events until the leases, at most one per slot, have ended."""
    wait_for_slots(executor, len(leases))
    for lease in leases:
        executor.submit(lease)
    events: list[LeaseEvent] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(isinstance(event, Ended) for event in events) < len(leases):
        assert time.monotonic() < deadline, f"no end of {leases} in {events}"
        events.extend(executor.poll(0.2))
    return events


def warm_state(events: list[LeaseEvent]) -> tuple[float, float]:
    """Process id, and number of trials trained so far, of the worker that ended a piece."""
    [scores] = [
        event.measurement.scores for event in events if isinstance(event, Measured) and event.measurement.scores
    ]
    return scores["pid"], scores["trained"]


def test_a_lease_starts_measures_in_order_of_step_and_ends(executor: Executor) -> None:
    piece = lease("g000-000", steps=5)
    started, *measured, ended = events_of(executor, piece)
    assert isinstance(started, Started)
    assert started.lease == piece
    assert started.worker.startswith("slot-")
    assert "/" in started.node
    assert [event.measurement.step for event in measured if isinstance(event, Measured)] == [1, 2, 3, 4, 5]
    assert [bool(event.measurement.scores) for event in measured if isinstance(event, Measured)] == [False] * 4 + [True]
    assert ended == Ended(piece, None)


def test_every_slot_runs_a_lease_and_each_ends_once(executor: Executor) -> None:
    pieces = [lease(f"g000-{k:03d}") for k in range(executor.slots)]
    events = events_of(executor, *pieces)
    for piece in pieces:
        own = [event for event in events if event.lease == piece]
        assert [type(event) for event in own] == [Started, Measured, Measured, Measured, Measured, Ended]
    assert executor.poll(0.0) == []


def test_a_sign_of_life_is_an_event_of_its_own(executor: Executor) -> None:
    events = events_of(executor, lease("g000-000", do="breathe", steps=2))
    kinds = [type(event) for event in events]
    # the watch passes on no signs of life, and a worker drops those that come soon after another report
    assert [kind for kind in kinds if kind is not Progressed] == [Started, Measured, Measured, Ended]
    assert all(event.step == 2 for event in events if isinstance(event, Progressed))
    assert kinds.count(Progressed) == isinstance(executor, LocalExecutor)


def test_a_lease_can_be_ended_from_outside_and_its_slot_starts_anew(executor: Executor) -> None:
    wait_for_slots(executor, slots_of(executor))
    before, _ = warm_state(events_of(executor, lease("g000-000")))
    piece, why = lease("g000-001", do="hang"), Failure("hung", "no sign of life")
    executor.submit(piece)
    events: list[LeaseEvent] = []
    while not any(isinstance(event, Started) for event in events):
        events.extend(executor.poll(0.2))
    executor.end(piece, why)
    while not any(isinstance(event, Ended) for event in events):
        events.extend(executor.poll(0.2))
    assert events[-1] == Ended(piece, why)
    with pytest.raises(ValueError, match="g000-001: expected a lease that runs, attempt 1 does not"):
        executor.end(piece, why)
    wait_for_slots(executor, slots_of(executor))
    after, trained = warm_state(events_of(executor, lease("g000-001", attempt=2)))  # the first free slot is that one
    assert trained == 1  # its objective is new
    assert (after != before) == (slots_of(executor) == WORKERS)  # and its process is new if workers have their own


def test_more_leases_than_slots_are_refused_by_name(executor: Executor) -> None:
    wait_for_slots(executor, slots_of(executor))
    pieces = [lease(f"g000-{k:03d}") for k in range(executor.slots)]
    for piece in pieces:
        executor.submit(piece)
    with pytest.raises(ValueError, match="free slot for g009-009, but g000-000"):
        executor.submit(lease("g009-009"))
    ended: list[LeaseEvent] = []
    while len(ended) < len(pieces):
        ended.extend(event for event in executor.poll(0.2) if isinstance(event, Ended))
    assert {event.lease.spec.uid for event in ended} == {piece.spec.uid for piece in pieces}


def test_a_diverged_trial_is_a_typed_failure_and_leaves_its_worker_warm(executor: Executor) -> None:
    pid, trained = warm_state(events_of(executor, lease("g000-000")))
    *_, ended = events_of(executor, lease("g000-001", do="diverge"))
    assert isinstance(ended, Ended)
    assert ended.failure is not None
    assert (ended.failure.kind, ended.failure.reason) == ("diverged", "loss 'box' is nan at step 4")
    assert warm_state(events_of(executor, lease("g000-002"))) == (pid, trained + 2)


def test_a_crashed_trial_is_a_typed_failure_with_its_traceback_and_the_slot_works_again(executor: Executor) -> None:
    events = events_of(executor, lease("g000-000", do="crash"))
    assert [type(event) for event in events] == [Started, Measured, Measured, Measured, Ended]
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.failure is not None
    assert (ended.failure.kind, ended.failure.reason) == ("crashed", "KeyError: 'no such layer'")
    assert "executor_objectives.py" in ended.failure.traceback
    assert events_of(executor, lease("g000-000", attempt=2))[-1] == Ended(lease("g000-000", attempt=2), None)


def test_a_piece_that_was_finished_is_handed_out_again_and_not_trained_again(
    executor: Executor, tmp_path: Path
) -> None:
    piece = lease("g000-000", state_dir=tmp_path / "g000-000")
    first = [event.measurement for event in events_of(executor, piece) if isinstance(event, Measured)]
    again = [event.measurement for event in events_of(executor, piece) if isinstance(event, Measured)]
    assert again == first
    assert "trained" in first[-1].scores  # the count of trials would differ if it had been trained again


def test_an_idle_executor_has_no_events(executor: Executor) -> None:
    begun = time.monotonic()
    assert executor.poll(0.1) == []
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("name", PARAMETERS)
def test_closing_in_the_middle_of_a_lease_and_twice_is_fine(name: str, request: pytest.FixtureRequest) -> None:
    made = EXECUTORS[name](request)
    made.submit(lease("g000-000", do="slow"))
    made.poll(1.0)
    made.close()
    made.close()
