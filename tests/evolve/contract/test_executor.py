"""What every executor promises; a new one joins by its name in EXECUTORS."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evolve.execution.executor import Ended, Event, Executor, Lease, Measured, Started
from evolve.execution.local_executor import LocalExecutor
from evolve.trial import ObjectiveFactory, TrialSpec

FACTORY = ObjectiveFactory("executor_objectives:scripted_objective")
PATIENCE_SECONDS = 60.0


def _ray(request: pytest.FixtureRequest) -> Executor:
    request.getfixturevalue("local_ray")
    from evolve.execution.ray_executor import RayExecutor

    return RayExecutor(FACTORY, workers=2)


def _local(request: pytest.FixtureRequest) -> Executor:
    request.getfixturevalue("worker_modules")
    return LocalExecutor(FACTORY)


EXECUTORS: dict[str, Callable[[pytest.FixtureRequest], Executor]] = {"local": _local, "ray": _ray}
# Ray takes five seconds to start
PARAMETERS = [pytest.param(name, marks=pytest.mark.medium if name == "ray" else ()) for name in EXECUTORS]


@pytest.fixture(scope="module", params=PARAMETERS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with EXECUTORS[request.param](request) as made:
        yield made


def lease(uid: str, *, do: str = "", steps: int = 4, attempt: int = 1, state_dir: Path | None = None) -> Lease:
    return Lease(TrialSpec(uid, {"do": do}, seed=0, stop_step=steps, state_dir=state_dir), attempt)


def events_of(executor: Executor, *leases: Lease) -> list[Event]:
    """Every event until all the leases, no more than there are slots, have ended."""
    for one in leases:
        executor.submit(one)
    events: list[Event] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(isinstance(event, Ended) for event in events) < len(leases):
        assert time.monotonic() < deadline, f"no end of {leases} in {events}"
        events.extend(executor.poll(0.2))
    return events


def warm_state(events: list[Event]) -> tuple[float, float]:
    """Process id and number of trials trained so far of the worker that ended a piece."""
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


def test_more_leases_than_slots_are_refused_by_name(executor: Executor) -> None:
    pieces = [lease(f"g000-{k:03d}") for k in range(executor.slots)]
    for piece in pieces:
        executor.submit(piece)
    with pytest.raises(ValueError, match="free slot for g009-009, but g000-000"):
        executor.submit(lease("g009-009"))
    ended: list[Event] = []
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
    assert "trained" in first[-1].scores  # the count of trials would differ, had it been trained again


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
