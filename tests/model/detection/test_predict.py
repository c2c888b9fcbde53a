"""NMS, and decoded candidates to picture pixels; oracles: yolov4 reference 4.4 and 8.2, and a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data import letterbox
from model.config import NmsKind, PostConfig
from model.detection import predict

# The reference's pair, in pixels of a 1000 px picture: IoU .503268, rho^2/c^2 .017509, so DIoU .485759 and, with
# the power .6 on the distance term, .4150 (centre x, y, width, height: 450, 520, 200, 300 and 500, 500, 250, 220).
PAIR = np.array([[[350, 370, 550, 670], [375, 390, 625, 610]]], np.float32)


def keep(boxes: NDArray[np.float32], scores: list[float], classes: list[int], **settings: object) -> list[bool]:
    arguments = {"iou_threshold": 0.45, "max_detections": 100, **settings}
    kept = predict.nms(boxes, np.array([scores], np.float32), np.array([classes], np.int32), **arguments)  # type: ignore[arg-type]
    return [bool(k) for k in kept[0]]


@pytest.mark.parametrize(
    ("kind", "beta", "iou_threshold", "second_stays"),
    [
        ("plain", 0.6, 0.5032, False),
        ("plain", 0.6, 0.5033, True),
        ("diou", 1.0, 0.4857, False),
        ("diou", 1.0, 0.4858, True),
        ("diou", 0.6, 0.4149, False),
        ("diou", 0.6, 0.4151, True),
    ],
)
def test_threshold_lies_where_the_formula_says(
    kind: NmsKind, beta: float, iou_threshold: float, second_stays: bool
) -> None:
    assert keep(PAIR, [0.9, 0.8], [0, 0], kind=kind, beta=beta, iou_threshold=iou_threshold) == [True, second_stays]


def test_other_class_is_never_suppressed() -> None:
    boxes = PAIR[:, [0, 0]]
    assert keep(boxes, [0.9, 0.8], [0, 1]) == [True, True]
    assert keep(boxes, [0.9, 0.8], [0, 0]) == [True, False]


def test_padding_goes_and_ties_go_to_the_first() -> None:
    boxes = PAIR[:, [0, 0, 0]]
    assert keep(boxes, [0.9, 0.5, 0.5], [-1, 0, 0]) == [False, True, False]


def test_only_the_best_detections_are_kept() -> None:
    apart = np.array([[[20 * k, 0, 20 * k + 10, 10] for k in range(6)]], np.float32)
    assert keep(apart, [0.1, 0.6, 0.2, 0.5, 0.3, 0.4], [0] * 6, max_detections=2) == [
        False, True, False, True, False, False,
    ]  # fmt: skip


def test_empty_boxes_neither_crash_nor_repeat() -> None:
    assert keep(np.zeros((1, 3, 4), np.float32), [0.9, 0.8, 0.7], [0, 0, 0]) == [True, True, True]
    assert predict.nms(
        np.zeros((2, 0, 4), np.float32),
        np.zeros((2, 0), np.float32),
        np.zeros((2, 0), np.int32),
        iou_threshold=0.5,
        max_detections=10,
    ).shape == (2, 0)


def slow_nms(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int32], threshold: float, beta: float
) -> set[int]:
    """The definition of 8.2, one pair at a time in Python floats; beta 0 means plain."""
    kept: list[int] = []
    for j in sorted(range(len(scores)), key=lambda k: (-scores[k], k)):
        for i in kept:
            a, b = boxes[i].astype(float), boxes[j].astype(float)
            inter = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
            rho = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
            c = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
            if classes[i] == classes[j] and inter / union - ((rho / c) ** beta if beta else 0) > threshold:
                break
        else:
            kept.append(j)
    return set(kept)


@given(seed=st.integers(0, 10_000), threshold=st.floats(0.2, 0.8), beta=st.sampled_from([0.0, 0.4, 0.6, 1.0]))
@settings(max_examples=60, deadline=None)
def test_batched_nms_is_the_plain_loop(seed: int, threshold: float, beta: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 30, (3, 25, 2))
    boxes = np.concatenate([low, low + rng.integers(4, 30, low.shape)], axis=-1).astype(np.float32)
    scores = (rng.integers(1, 20, (3, 25)) / 20).astype(np.float32)  # with ties
    classes = rng.integers(0, 3, (3, 25)).astype(np.int32)
    kind: NmsKind = "diou" if beta else "plain"
    kept = predict.nms(boxes, scores, classes, iou_threshold=threshold, kind=kind, beta=beta or 0.6, max_detections=100)
    for k in range(3):
        assert set(np.flatnonzero(kept[k]).tolist()) == slow_nms(boxes[k], scores[k], classes[k], threshold, beta)


def test_a_box_can_stand_for_several_classes_and_the_cut_comes_after_sorting() -> None:
    boxes = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    objectness = np.array([[0.5, 0.004, 1.0]], np.float32)
    class_probs = np.array([[[0.4, 0.8, 0.001], [1, 1, 1], [0.9, 0.0, 0.3]]], np.float32)
    found = predict.candidates(boxes, objectness, class_probs, score=0.005, max_candidates=10)
    # 1.0*.9, .5*.8, 1.0*.3, .5*.4; the second box's objectness is below the cut
    assert found.scores[0] == pytest.approx([0.9, 0.4, 0.3, 0.2])
    assert found.classes[0].tolist() == [0, 1, 2, 0]
    assert found.boxes[0, :, 0].tolist() == [8, 0, 8, 0]
    best = predict.candidates(boxes, objectness, class_probs, score=0.005, max_candidates=2)
    assert best.scores[0] == pytest.approx([0.9, 0.4])


def test_nan_scores_show_nothing() -> None:
    nothing = predict.detect(
        (np.zeros((1, 2, 4), np.float32), np.full((1, 2), np.nan, np.float32), np.ones((1, 2, 3), np.float32)),
        PostConfig(),
    )
    assert len(nothing) == 1
    assert nothing[0].boxes.shape == (0, 4)


def test_detections_go_back_to_the_picture_and_are_cut_at_its_edges() -> None:
    # 200x100 in a 64x64 letterbox: scale .32, 16 grey rows above
    transform = letterbox.transform(200, 100, 64, "letterbox")
    found = predict.Detections(
        np.array([[16, 24, 32, 40], [-8, 0, 32, 60]], np.float32), np.zeros(2, np.int32), np.ones(2, np.float32)
    )
    expected = [[50, 25, 100, 75], [0, 0, 100, 100]]
    np.testing.assert_allclose(predict.to_picture(found, transform, 200, 100).boxes, expected, atol=1e-4)
