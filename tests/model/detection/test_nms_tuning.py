"""NMS tuned on candidates: made-up boxes for which the AP of each setting is a sum by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from data.boxes import NONE_IGNORED, IgnoredBoxes
from data.letterbox import Transform
from model.config import PostConfig
from model.detection import evaluate, nms_tuning
from model.detection.average_precision import AveragePrecision
from model.detection.evaluate import CandidateBatch
from model.detection.predict import Candidates

FIXED = PostConfig()


@dataclass(frozen=True)
class Picture:
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    width: int = 300
    height: int = 100
    ignored: IgnoredBoxes = NONE_IGNORED


def box(x: float) -> list[float]:
    """100 x 100 pixels, x from the left."""
    return [x, 0, x + 100, 100]


def case(truths: list[list[float]], found: list[list[float]]) -> tuple[list[CandidateBatch], list[Picture]]:
    """One picture of one class; candidates from the best score down, in a network of the picture's size."""
    scores = np.linspace(0.9, 0.5, len(found), dtype=np.float32)
    candidates = Candidates(np.array([found], np.float32), scores[None], np.zeros((1, len(found)), np.int32))
    picture = Picture(np.array(truths, np.float32), np.zeros(len(truths), np.int32))
    return [CandidateBatch(candidates, np.array([0]), (Transform(1, 1),))], [picture]


# Two objects side by side, 35 pixels apart: IoU 65 / 135 = 0.481.
NEAR = [box(0), box(35)]
# A box 30 beside another: IoU 70 / 130 = 0.538; distance term d = 30^2 / (130^2 + 100^2) = 0.0335, and with the powers
# 0.4, 0.6, 0.8, 1 of it taken away 0.282, 0.408, 0.472, 0.505. So the fixed settings (0.45, beta 0.6) keep both.
BESIDE = [box(0), box(30)]


def map50_95(found: AveragePrecision) -> float:
    return found.map50_95


def tune(
    truths: list[list[float]],
    found: list[list[float]],
    score: Callable[[AveragePrecision], float] = map50_95,
    fixed: PostConfig = FIXED,
) -> nms_tuning.TuningResult:
    looked, pictures = case(truths, found)
    steps = nms_tuning.tune(looked, pictures, ["thing"], score, fixed)
    tried = []
    while True:
        try:
            tried.append(next(steps))
        except StopIteration as end:
            assert tried == nms_tuning.grid(fixed)
            return end.value


def test_a_second_object_that_the_fixed_nms_drops_is_won_back() -> None:
    # Plain NMS at 0.45 drops the second: recall 1/2, precision 1 at the 51 recalls 0 to 0.5. At 0.5 it stays.
    found = tune(NEAR, NEAR, fixed=PostConfig(nms="plain"))
    assert found.fixed_score == found.fixed.map50_95 == pytest.approx(51 / 101)
    assert found.tuned_score == found.tuned.map50_95 == 1.0
    assert (found.post.nms, found.post.nms_iou) == ("plain", 0.5)  # of those that keep it the nearest


def test_a_copy_that_the_fixed_nms_lets_through_goes() -> None:
    # Found, best score first: an object, a copy of it 30 beside it, another object. With the copy: precision 1 up to
    # recall 1/2 (51 points), then 2/3 (50 points); without it 1.
    found = tune([box(0), box(200)], [*BESIDE, box(200)])
    assert found.fixed_score == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert found.tuned_score == 1.0
    # It goes where the number above exceeds the threshold: at 0.45 with beta 0.8 and 1.
    assert (found.post.nms, found.post.nms_iou, found.post.nms_beta) == ("diou", 0.45, 0.8)


def test_it_is_the_metric_that_chooses() -> None:
    # One object; the best score has the box beside it: a hit at IoU .50 alone. With both boxes AP is 1 there and 1/2
    # (first wrong, then right) at the nine thresholds above: 0.55. With the first alone it is 1 and 0: 0.1.
    found = tune(BESIDE[:1], BESIDE[::-1])
    assert found.fixed_score == pytest.approx(0.55)
    assert found.post == FIXED
    assert tune(BESIDE[:1], BESIDE[::-1], lambda precision: precision.map50).post == FIXED  # 1 with every setting
    fewest = tune(BESIDE[:1], BESIDE[::-1], lambda precision: -precision.rows[0].detections)
    assert (fewest.fixed_score, fewest.tuned_score) == (-2, -1)
    assert fewest.tuned.map50_95 == pytest.approx(0.1)


def test_ties_keep_the_default_and_the_scores_are_equal() -> None:
    found = tune([box(0), box(200)], [box(0), box(200)])
    assert found.post == FIXED
    assert (found.fixed_score, found.tuned_score) == (1.0, 1.0)
    assert found.fixed == found.tuned


def test_the_grid_has_every_setting_once_and_the_fixed_one_first() -> None:
    tried = nms_tuning.grid(FIXED)
    assert tried[0] == FIXED
    assert len(tried) == len({*tried}) == 9 + 9 * 4
    assert {post.nms_iou for post in tried} == {0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7}
    assert {post.nms_beta for post in tried if post.nms == "diou"} == {0.4, 0.6, 0.8, 1.0}
    assert {(post.score, post.max_candidates, post.max_detections) for post in tried} == {(0.005, 400, 100)}
    other = PostConfig(nms_iou=0.47)
    assert nms_tuning.grid(other)[0] == other
    assert len(nms_tuning.grid(other)) == 46


def test_a_forward_pass_looked_at_twice_gives_what_evaluation_gives() -> None:
    looked, pictures = case(NEAR, NEAR)
    first = evaluate.score_candidates(iter(looked), pictures, ["thing"])
    assert first == evaluate.score_candidates(looked, pictures, ["thing"], FIXED)
    with pytest.raises(ValueError, match="expected batches of all 1 pictures, got 0"):
        evaluate.score_candidates([], pictures, ["thing"])
