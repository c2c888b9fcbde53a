"""A training's curve, and the choice between its last and its best detector. Sums by hand."""

from pathlib import Path

import pytest

from evolve.final import choice, curve
from evolve.final.curve import Point
from evolve.trial import Measurement, TrialSpec

AP = {"val/map50_95": 1.0}


def test_losses_of_a_piece_are_means_over_its_steps() -> None:
    piece = TrialSpec("defaults", {}, seed=1, start_step=10, stop_step=20)
    measured = [
        Measurement(14, {"total": 2.0}, {}, {"train": 3.0, "data": 1.0}),
        Measurement(20, {"total": 1.0, "box": 0.5}, {"val/map50_95": 0.25}, {"train": 6.0}),
    ]
    point = curve.point(piece, measured, 100.0)
    assert point.losses == {"total": pytest.approx((4 * 2.0 + 6 * 1.0) / 10), "box": 0.5}
    assert (point.step, point.seconds, point.scores) == (20, 110.0, {"val/map50_95": 0.25})


def test_steps_that_were_trained_again_do_not_count() -> None:
    """The state of step 10 was damaged: the piece began from that of step 5."""
    piece = TrialSpec("defaults", {}, seed=1, start_step=10, stop_step=20)
    measured = [Measurement(10, {"total": 9.0}), Measurement(20, {"total": 1.0})]
    assert curve.point(piece, measured, 0.0).losses == {"total": 1.0}


def test_the_csv_has_a_row_for_each_piece_and_empty_cells_where_nothing_was_scored(tmp_path: Path) -> None:
    points = [Point(5, {"total": 2.5}, 1.26), Point(10, {"total": 1.5}, 2.0, {"val/map50": 0.75})]
    curve.write(tmp_path / "curve.csv", points)
    assert (tmp_path / "curve.csv").read_text().splitlines() == [
        "step,seconds,total,val/map50",
        "5,1.3,2.5,",
        "10,2.0,1.5,0.75",
    ]


def scored(*scores: float | None) -> list[Point]:
    """Points at steps 1, 2, ..."""
    return [
        Point(step, {}, 0.0, {} if score is None else {"val/map50_95": score, "val/map50": 1 - score})
        for step, score in enumerate(scores, start=1)
    ]


@pytest.mark.parametrize(
    ("scores", "best", "takes_best"),
    [
        ((0.5, None, 0.75), 3, False),  # the last one is the best
        ((0.5, 0.75, 0.735), 2, False),  # a lead of 0.015: the last one is taken
        ((0.5, 0.75, 0.7), 2, True),  # a lead of 0.05
        ((0.75, 0.5, 0.75), 3, False),  # the latest among equal ones
        ((None, None, None), 3, False),  # nothing was scored: the last one
        ((0.5, None), 1, True),  # the last one has no score at all
    ],
)
def test_the_best_is_taken_only_with_a_clear_lead(
    scores: tuple[float | None, ...], best: int, takes_best: bool
) -> None:
    chosen = choice.choose(scored(*scores), AP)
    assert (chosen.best.step, chosen.takes_best) == (best, takes_best)
    assert chosen.taken.step == (best if takes_best else len(scores))


def test_best_is_judged_by_the_fitness_of_the_search() -> None:
    points = scored(0.9, 0.5, 0.1)
    assert choice.choose(points, {"val/map50": 1.0}).best.step == 3
    assert choice.choose(points, {"val/map50": 1.0, "val/map50_95": 2.0}).taken.step == 1  # 1.9, 1.5, 1.1
