"""The training process, without Ray: its streams, its objective, its environment."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evolve.execution.executor import Lease
from evolve.execution.worker import CannotTrain, LeaseBegun, LeaseOver, TrialWorker, environment
from evolve.trial import GpuNotUsable, Measurement, Objective, ObjectiveFactory, Progress, Report, TrialSpec


def lease(stop_step: int = 2) -> Lease:
    return Lease(TrialSpec("g000-000", {}, seed=0, stop_step=stop_step), attempt=1)


def worker_of(make: object) -> TrialWorker:
    return TrialWorker(SimpleNamespace(target="test:made", make=make))  # type: ignore[arg-type]


def two_steps(spec: TrialSpec) -> Iterator[Measurement]:
    yield Measurement(1, {"total": 1.0})
    yield Measurement(spec.stop_step, {"total": 0.5}, {"val/map50_95": 0.2})


def test_a_stream_begins_measures_and_is_over() -> None:
    begun, first, last, over = worker_of(lambda: two_steps).run(lease())
    assert isinstance(begun, LeaseBegun)
    assert isinstance(first, Measurement)
    assert isinstance(last, Measurement)
    assert (first.step, last.step) == (1, 2)
    assert over == LeaseOver(None)


def test_the_stream_of_a_piece_that_was_finished_before_can_be_driven_by_send(tmp_path: Path) -> None:
    # Ray sends values into a generator instead of calling next on it; the measurements come from a list here.
    piece = Lease(TrialSpec("g000-000", {}, seed=0, stop_step=2, state_dir=tmp_path), attempt=1)
    trained = list(worker_of(lambda: two_steps).run(piece))
    stream: Any = worker_of(lambda: two_steps).run(piece)
    assert [next(stream), *(stream.send(1.0) for _ in trained[1:])] == trained


def test_signs_of_life_are_handed_out_at_most_every_five_seconds_and_measurements_at_once() -> None:
    now = [0.0]

    def lively(spec: TrialSpec) -> Iterator[Report]:
        for step in range(1, 12):  # one a second; a measurement at step 7
            now[0] += 1.0
            yield Measurement(step, {"total": 1.0}) if step == 7 else Progress(step)
        yield Measurement(spec.stop_step, {"total": 0.5}, {"val/map50_95": 0.2})

    factory: Any = SimpleNamespace(target="test:made", make=lambda: lively)
    begun, *reports, over = TrialWorker(factory, lambda: now[0]).run(lease(12))
    assert isinstance(begun, LeaseBegun)
    assert [
        (type(report), report.step)
        for report in reports
        if not isinstance(report, LeaseOver | LeaseBegun | CannotTrain)
    ] == [
        (Progress, 5),
        (Measurement, 7),
        (Measurement, 12),
    ]
    assert over == LeaseOver(None)


def test_the_objective_is_made_once_and_at_the_first_lease_unless_asked_before() -> None:
    made: list[int] = []

    def make() -> Objective:
        made.append(1)
        return two_steps

    worker = worker_of(make)
    assert made == []
    assert worker.ready() is None
    for _ in range(2):
        assert list(worker.run(lease()))[-1] == LeaseOver(None)
    assert made == [1]


def test_an_objective_that_cannot_be_made_is_no_result_of_the_lease() -> None:
    def make() -> Objective:
        raise FileNotFoundError("data/train is gone")

    worker = worker_of(make)
    [said] = worker.run(lease())  # not even begun
    assert isinstance(said, CannotTrain)
    ready = worker.ready()
    assert ready is not None
    assert replace(ready, traceback=said.traceback) == said
    assert (said.what, said.kind, said.reason, said.gpu) == (
        "make test:made",
        "FileNotFoundError",
        "data/train is gone",
        False,
    )
    assert "FileNotFoundError" in said.traceback


def test_a_result_that_cannot_be_written_is_no_result_of_the_trial(tmp_path: Path) -> None:
    (tmp_path / "trials").touch()  # a file where the trial's folder should be made
    spec = TrialSpec("g000-000", {}, seed=0, stop_step=2, state_dir=tmp_path / "trials" / "g000-000")
    *_, last = worker_of(lambda: two_steps).run(Lease(spec, attempt=1))
    assert isinstance(last, CannotTrain)
    assert (last.what, last.kind) == ("run g000-000", "NotADirectoryError")


def test_a_gpu_that_cannot_be_used_is_told_as_such() -> None:
    def make() -> Objective:
        raise GpuNotUsable("no GPU; --cpu")

    not_ready = worker_of(make).ready()
    assert not_ready is not None
    assert not_ready.gpu


@pytest.mark.parametrize(("gpus_per_trial", "hidden"), [(0, True), (0.5, False), (1, False)])
def test_the_environment_holds_the_threads_and_hides_gpus_from_a_search_on_the_cpu(
    gpus_per_trial: float, hidden: bool
) -> None:
    variables = environment(3, gpus_per_trial)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        assert variables[name] == "3"
    assert (variables.get("CUDA_VISIBLE_DEVICES") == "") == hidden


def test_a_factory_crosses_by_name() -> None:
    assert TrialWorker(ObjectiveFactory("evolve.simulated:simulated_objective")).ready() is None
