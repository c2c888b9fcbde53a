"""COCO AP against sums by hand, an independent 101-point computation and pycocotools' own numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.detection.average_precision import Detection, Truth, average_precision

NAMES = ("a", "b", "c")
BOX = [10.0, 10.0, 50.0, 50.0]  # 40 x 40


def truth(*rows: tuple[list[float], int]) -> Truth:
    return (
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        np.array([number for _, number in rows], np.int32),
    )


def found(*rows: tuple[list[float], int, float]) -> Detection:
    boxes, classes = truth(*((box, number) for box, number, _ in rows))
    return boxes, classes, np.array([score for _, _, score in rows], np.float32)


def test_perfect_detections() -> None:
    ap = average_precision([truth((BOX, 0)), truth((BOX, 1))], [found((BOX, 0, 0.9)), found((BOX, 1, 0.3))], NAMES)
    assert (ap.map50_95, ap.map50, ap.map75, ap.images) == (1.0, 1.0, 1.0, 2)
    assert ap.per_class == {"a": 1.0, "b": 1.0}  # class c has no truth


def test_nothing_found_is_zero_and_not_an_error() -> None:
    ap = average_precision([truth((BOX, 0))], [found()], NAMES)
    assert (ap.map50_95, ap.map50, ap.per_class) == (0.0, 0.0, {"a": 0.0})


def test_iou_decides_how_many_thresholds_are_met() -> None:
    # 40 x 40 against 40 x 32 of it: IoU .8 meets .50 to .75 (and .80: rounding decides), so take 33/40 = .825
    shorter = [10.0, 10.0, 50.0, 43.0]
    ap = average_precision([truth((BOX, 0))], [found((shorter, 0, 0.5))], NAMES)
    assert ap.map50_95 == pytest.approx(7 / 10)  # .50 .55 .60 .65 .70 .75 .80
    assert (ap.map50, ap.map75) == (1.0, 1.0)


def test_false_positive_above_the_hit_halves_precision() -> None:
    elsewhere = [60.0, 60.0, 90.0, 90.0]
    ap = average_precision([truth((BOX, 0))], [found((elsewhere, 0, 0.9), (BOX, 0, 0.5))], NAMES)
    assert ap.map50_95 == pytest.approx(0.5)
    below = average_precision([truth((BOX, 0))], [found((elsewhere, 0, 0.4), (BOX, 0, 0.5))], NAMES)
    assert below.map50_95 == pytest.approx(1.0)


def test_second_hit_on_one_truth_is_false_and_missed_recall_counts_as_zero() -> None:
    # two truths, one found twice: recall .5 at precision 1: the points 0, .01 ... .50 are 51 of 101
    other = [60.0, 60.0, 90.0, 90.0]
    ap = average_precision([truth((BOX, 0), (other, 0))], [found((BOX, 0, 0.9), (BOX, 0, 0.8))], NAMES)
    assert ap.map50 == pytest.approx(51 / 101)


def test_class_without_truth_is_left_out_even_when_it_is_shown() -> None:
    ap = average_precision([truth((BOX, 0))], [found((BOX, 0, 0.9), (BOX, 2, 0.95))], NAMES)
    assert ap.map50_95 == 1.0
    assert list(ap.per_class) == ["a"]


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="at least one truth, got none in 1 pictures"):
        average_precision([truth()], [found()], NAMES)
    with pytest.raises(ValueError, match="each of 1 pictures, got 2"):
        average_precision([truth((BOX, 0))], [found(), found()], NAMES)
    with pytest.raises(ValueError, match="classes 0 to 2, got 0 to 7"):
        average_precision([truth((BOX, 0), (BOX, 7))], [found()], NAMES)


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    inter = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return float(inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter))


def slow_ap(truths: list[Truth], detections: list[Detection], number: int, threshold: float) -> float:
    """One class at one IoU threshold by the definition: rank over all pictures, match greedily, 101 points."""
    total = sum(int((classes == number).sum()) for _, classes in truths)
    hits: list[tuple[float, bool]] = []
    for (boxes, classes), (shown, shown_classes, scores) in zip(truths, detections, strict=True):
        free = [box.astype(float) for box, c in zip(boxes, classes, strict=True) if c == number]
        mine = [k for k in range(len(scores)) if shown_classes[k] == number]
        for k in sorted(mine, key=lambda k: -scores[k]):
            overlaps = [iou(shown[k].astype(float), box) for box in free]
            hit = bool(overlaps) and max(overlaps) >= threshold
            if hit:
                free.pop(int(np.argmax(overlaps)))
            hits.append((float(scores[k]), hit))
    hits.sort(key=lambda pair: -pair[0])
    right = np.cumsum([hit for _, hit in hits])
    precision, recall = right / np.arange(1, len(hits) + 1), right / total
    points = [max(precision[recall >= r], default=0.0) for r in np.linspace(0, 1, 101)]
    return float(np.mean(points))


def test_agrees_with_an_independent_computation() -> None:
    rng = np.random.default_rng(5)
    truths: list[Truth] = []
    detections: list[Detection] = []
    for _ in range(30):
        low = rng.uniform(0, 200, (rng.integers(0, 6), 2))
        boxes = np.concatenate([low, low + rng.uniform(30, 80, low.shape)], axis=1)
        classes = rng.integers(0, 3, len(boxes))
        truths.append((boxes.astype(np.float32), classes.astype(np.int32)))
        near = np.repeat(boxes, 3, axis=0) + rng.normal(0, 4, (3 * len(boxes), 4))
        shown = np.where(rng.random(len(near)) < 0.8, np.repeat(classes, 3), rng.integers(0, 3, len(near)))
        scores = rng.random(len(near))
        detections.append((near.astype(np.float32), shown.astype(np.int32), scores.astype(np.float32)))
    ap = average_precision(truths, detections, NAMES)
    thresholds = np.linspace(0.5, 0.95, 10)
    table = np.array([[slow_ap(truths, detections, c, t) for c in range(3)] for t in thresholds])
    assert 0.05 < table.mean() < 0.95
    assert ap.map50_95 == pytest.approx(table.mean(), abs=1e-9)
    assert ap.map50 == pytest.approx(table[0].mean(), abs=1e-9)
    assert ap.map75 == pytest.approx(table[5].mean(), abs=1e-9)
    assert list(ap.per_class.values()) == pytest.approx(table.mean(axis=0), abs=1e-9)


GOLDEN = Path(__file__).parents[2] / "golden" / "coco_precision.json"  # made by the script beside it


def test_pycocotools_says_the_same() -> None:
    golden = json.loads(GOLDEN.read_text())
    rows = [[np.array(part, np.float32).reshape(-1, 5 + k) for k, part in enumerate(p)] for p in golden["pictures"]]
    ap = average_precision(
        [(boxes[:, :4], boxes[:, 4].astype(np.int32)) for boxes, _ in rows],
        [(boxes[:, :4], boxes[:, 4].astype(np.int32), boxes[:, 5]) for _, boxes in rows],
        ("a", "b", "c", "d"),
    )
    # COCO's cut at a hundred a picture and class is among what is compared.
    assert max(np.bincount(boxes[:, 4].astype(int)).max() for _, boxes in rows if len(boxes)) > 100
    assert ap.map50_95 == pytest.approx(golden["map50_95"], abs=1e-6)
    assert ap.map50 == pytest.approx(golden["map50"], abs=1e-6)
    assert ap.map75 == pytest.approx(golden["map75"], abs=1e-6)
    assert golden["per_class"][3] == -1  # class d has no truth
    assert list(ap.per_class.values()) == pytest.approx(golden["per_class"][:3], abs=1e-6)


def test_rows_count_truths_and_detections_of_each_class() -> None:
    shown = found((BOX, 0, 0.9), (BOX, 0, 0.8), (BOX, 2, 0.7))
    ap = average_precision([truth((BOX, 0)), truth((BOX, 1))], [shown, found()], NAMES)
    assert [(row.name, row.ap50, row.truths, row.detections) for row in ap.rows] == [("a", 1, 1, 2), ("b", 0, 1, 0)]
