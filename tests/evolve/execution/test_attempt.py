"""An attempt is trained once, then read from its file; and its exceptions are classified."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.execution import attempt
from evolve.execution.executor import Lease
from evolve.trial import Measurement, Progress, Report, TrialDiverged, TrialSpec, TunedPost
from evolve.trial_config import TrialConfig


class Counting:
    """Yields two measurements; counts its calls."""

    def __init__(self, last: int = 10) -> None:
        self.calls = 0
        self.ended = 0
        self.last = last

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        self.calls += 1
        yield Measurement(5, {"total": 2.0}, {}, {"train": 0.5}, 1)
        yield Measurement(self.last, {"total": 1.0}, {"val/map50_95": 1 / 3}, {"train": 0.25})
        self.ended += 1


@pytest.fixture
def spec(tmp_path: Path) -> TrialSpec:
    config = {"train.steps": 10, "train.sizes": (64, 96), "loss.box_weight": 0.1}
    return TrialSpec("g000-000", config, seed=7, stop_step=10, state_dir=tmp_path / "trials" / "g000-000")


def run(objective: Counting, spec: TrialSpec) -> list[Report]:
    return list(attempt.run_attempt(objective, Lease(spec, 1)))


def test_signs_of_life_are_passed_on_and_not_kept(spec: TrialSpec) -> None:
    def lively(spec: TrialSpec) -> Iterator[Report]:
        yield Progress(3)
        yield Measurement(5, {"total": 2.0})
        yield Progress(10)
        yield Measurement(10, {"total": 1.0}, {"val/map50_95": 0.5})

    reports = list(attempt.run_attempt(lively, Lease(spec, 1)))
    assert [type(report) for report in reports] == [Progress, Measurement, Progress, Measurement]
    assert attempt.read_result(spec) == [report for report in reports if isinstance(report, Measurement)]


def test_a_finished_piece_is_read_and_not_trained_again(spec: TrialSpec) -> None:
    objective = Counting()
    first = run(objective, spec)
    assert run(objective, spec) == first
    assert objective.calls == 1


def test_a_piece_of_an_earlier_version_is_read_unless_a_later_setting_changes_its_training(spec: TrialSpec) -> None:
    run(Counting(), spec)
    later = {"loss.reduction": "picture", "loss.box_gradient": "exact", "loss.max_delta": 0.0}
    later["optimizer.spike_factor"] = 0.0
    defaults = TrialConfig().settings()
    assert later == {address: defaults[address] for address in later}
    same = replace(spec, config={**spec.config, **later})
    assert attempt.read_result(same) == attempt.read_result(spec) is not None
    other = replace(spec, config={**spec.config, **later, "loss.reduction": "positive"})
    assert attempt.read_result(other) is None


def test_tuned_nms_is_kept_with_the_result_and_asked_for_apart(spec: TrialSpec) -> None:
    post = TunedPost(
        settings={"nms": "diou", "nms_iou": 0.5, "nms_beta": 0.8}, fixed={"fitness": 1 / 3}, tuned={"fitness": 0.5}
    )
    measured = [Measurement(10, {"total": 1.0}, {"val/map50_95": 1 / 3}, post=post)]
    tuning = replace(spec, tune_post={"val/map50_95": 1.0})
    attempt.write_result(tuning, measured)
    assert attempt.read_result(tuning) == measured
    assert attempt.read_result(spec) is None  # it was stored for a spec that tunes NMS, unlike this one
    assert "post" not in attempt.measurement_to_plain(replace(measured[0], post=None))


def test_the_result_is_on_the_disk_before_the_last_measurement_is_seen(spec: TrialSpec) -> None:
    objective = Counting()
    for measurement in attempt.run_attempt(objective, Lease(spec, 1)):
        assert (attempt.read_result(spec) is not None) == (measurement.step == 10)
        assert objective.ended == (measurement.step == 10)  # everything that the objective stores at its end is stored


def test_an_attempt_that_was_cut_off_leaves_no_result(spec: TrialSpec) -> None:
    objective = Counting()
    next(attempt.run_attempt(objective, Lease(spec, 1)))
    run(objective, spec)
    assert objective.calls == 2


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"config": {"train.steps": 10, "train.sizes": (64,), "loss.box_weight": 0.1}},
        {"evaluate_splits": ("val", "test")},
        {"start_step": 3},
        {"basis": "other pictures"},
    ],
)
def test_another_specs_result_is_not_taken(spec: TrialSpec, change: dict[str, object]) -> None:
    objective = Counting()
    run(objective, spec)
    run(objective, replace(spec, **change))  # type: ignore[arg-type]
    assert objective.calls == 2


def test_a_damaged_result_is_trained_again(spec: TrialSpec) -> None:
    objective = Counting()
    run(objective, spec)
    path = attempt.result_path(spec)
    assert path is not None
    path.write_text(path.read_text()[:40])
    run(objective, spec)
    assert objective.calls == 2


def test_without_a_folder_nothing_is_kept(spec: TrialSpec) -> None:
    objective = Counting()
    run(objective, replace(spec, state_dir=None))
    run(objective, replace(spec, state_dir=None))
    assert objective.calls == 2


def test_a_result_without_its_checkpoint_is_trained_again(spec: TrialSpec, tmp_path: Path) -> None:
    objective = Counting()
    wants = replace(spec, checkpoint=tmp_path / "detector.keras")
    run(objective, wants)
    run(objective, wants)
    assert objective.calls == 2


def test_an_objective_that_stops_short_is_an_error(spec: TrialSpec) -> None:
    with pytest.raises(RuntimeError, match="g000-000: expected a measurement at step 10, the objective ended at 9"):
        run(Counting(last=9), spec)


def test_what_exceptions_mean() -> None:
    diverged = attempt.failure_of(TrialDiverged("the box loss is nan at step 3"))
    assert (diverged.kind, diverged.reason) == ("diverged", "the box loss is nan at step 3")
    try:
        raise KeyError("a\nb")
    except KeyError as error:
        crashed = attempt.failure_of(error)
    assert crashed.kind == "crashed"
    assert crashed.reason == "KeyError: 'a\\nb'"
    assert "test_attempt.py" in crashed.traceback
    assert attempt.failure_of(ValueError("first\nsecond")).reason == "ValueError: first"
    assert attempt.failure_of(ValueError()).reason == "ValueError"
