"""COCO AP against sums by hand, an independent 101-point computation and pycocotools' own numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.boxes import IgnoredBoxes
from model.detection.average_precision import Detection, Truth, average_precision

NAMES = ("a", "b", "c")
BOX = [10.0, 10.0, 50.0, 50.0]  # 40 x 40


def truth(*rows: tuple[list[float], int]) -> Truth:
    return Truth(
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        np.array([number for _, number in rows], np.int32),
    )


def found(*rows: tuple[list[float], int, float]) -> Detection:
    boxes, classes, _ = truth(*((box, number) for box, number, _ in rows))
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


def on_ignored(box: NDArray[np.float64], ignored: IgnoredBoxes, number: int, threshold: float) -> bool:
    """Whether a detection may be matched with an ignored box: a crowd by its own share in it, else by IoU."""
    return any(
        (share_inside if crowd else iou)(box, other.astype(float)) >= threshold
        for other, label, crowd in zip(ignored.boxes, ignored.classes, ignored.crowd, strict=True)
        if label == number
    )


def share_inside(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    inter = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return float(inter / ((a[2] - a[0]) * (a[3] - a[1])))


def slow_ap(truths: list[Truth], detections: list[Detection], number: int, threshold: float) -> float:
    """One class at one IoU threshold by the definition: rank over all pictures, match greedily, 101 points."""
    total = sum(int((truth.classes == number).sum()) for truth in truths)
    hits: list[tuple[float, bool]] = []
    for (boxes, classes, ignored), (shown, shown_classes, scores) in zip(truths, detections, strict=True):
        free = [box.astype(float) for box, c in zip(boxes, classes, strict=True) if c == number]
        mine = [k for k in range(len(scores)) if shown_classes[k] == number]
        for k in sorted(mine, key=lambda k: -scores[k]):
            overlaps = [iou(shown[k].astype(float), box) for box in free]
            hit = bool(overlaps) and max(overlaps) >= threshold
            if hit:
                free.pop(int(np.argmax(overlaps)))
            if hit or not on_ignored(shown[k].astype(float), ignored, number, threshold):
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
        truths.append(Truth(boxes.astype(np.float32), classes.astype(np.int32)))
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
        [Truth(boxes[:, :4], boxes[:, 4].astype(np.int32)) for boxes, _ in rows],
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


# What does not count: crowds as in pycocotools, difficult objects as in Pascal VOC's development kit


def ignoring(labelled: Truth, *rows: tuple[list[float], int, bool]) -> Truth:
    """The truth with ignored boxes: (box, class, whether it is a crowd)."""
    boxes, classes, _ = truth(*((box, number) for box, number, _ in rows))
    return labelled._replace(ignored=IgnoredBoxes(boxes, classes, np.array([crowd for *_, crowd in rows], np.bool_)))


CROWD = [100.0, 100.0, 200.0, 200.0]
IN_CROWD = [[100.0 + 20 * k, 120.0, 115.0 + 20 * k, 180.0] for k in range(4)]


def test_any_number_of_detections_in_a_crowd_is_ignored() -> None:
    shown = [found(*((box, 0, 0.9) for box in IN_CROWD), (BOX, 0, 0.5))]
    ap = average_precision([ignoring(truth((BOX, 0)), (CROWD, 0, True))], shown, NAMES)
    assert (ap.map50_95, ap.rows[0].truths) == (1.0, 1)  # the crowd is no truth to miss either
    # four wrong ones, then the right one: precision 1/5 up to recall 1
    assert average_precision([truth((BOX, 0))], shown, NAMES).map50_95 == pytest.approx(1 / 5)
    of_another_class = [ignoring(truth((BOX, 0)), (CROWD, 1, True))]
    assert average_precision(of_another_class, shown, NAMES).map50_95 == pytest.approx(1 / 5)


def test_what_counts_for_a_crowd_is_the_detections_share_inside() -> None:
    # 13 of its 25 rows are inside: .52 meets the threshold .50 alone, at the nine others it is wrong
    over_the_edge = [110.0, 88.0, 150.0, 113.0]
    shown = [found((over_the_edge, 0, 0.9), (BOX, 0, 0.5))]
    ap = average_precision([ignoring(truth((BOX, 0)), (CROWD, 0, True))], shown, NAMES)
    assert ap.map50 == 1.0
    assert ap.map50_95 == pytest.approx((1 + 9 * 0.5) / 10)


def test_a_difficult_object_is_neither_missed_nor_wrong() -> None:
    labelled = [ignoring(truth((BOX, 0)), (CROWD, 0, False))]
    assert average_precision(labelled, [found((BOX, 0, 0.5))], NAMES).map50_95 == 1.0  # not missed
    shown = [found((CROWD, 0, 0.9), (CROWD, 0, 0.8), (CROWD, 0, 0.7), (BOX, 0, 0.5))]
    assert average_precision(labelled, shown, NAMES).map50_95 == 1.0  # VOC's kit ignores each of them
    inside = [found((CROWD, 0, 0.95), (IN_CROWD[0], 0, 0.9), (BOX, 0, 0.5))]
    assert average_precision(labelled, inside, NAMES).map50_95 == pytest.approx(0.5)  # by IoU, unlike a crowd


def test_a_truth_comes_before_what_is_ignored() -> None:
    labelled = [ignoring(truth((BOX, 0)), (BOX, 0, False), ([0.0, 0.0, 60.0, 60.0], 0, True))]
    ap = average_precision(labelled, [found((BOX, 0, 0.9), (BOX, 0, 0.8))], NAMES)
    assert (ap.map50_95, ap.rows[0].truths) == (1.0, 1)


def test_only_ignored_boxes_are_no_truth() -> None:
    labelled = ignoring(truth(), (BOX, 0, False))
    with pytest.raises(ValueError, match="at least one truth, got none in 1 pictures"):
        average_precision([labelled], [found((BOX, 0, 0.9))], NAMES)
    other = average_precision([labelled, truth((BOX, 1))], [found((BOX, 0, 0.9)), found((BOX, 1, 0.9))], NAMES)
    assert dict(other.per_class) == {"b": 1.0}  # class a has nothing to find: it is left out, as without the box


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_ignored_boxes_agree_with_an_independent_computation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths: list[Truth] = []
    detections: list[Detection] = []
    for _ in range(6):
        low = rng.uniform(0, 150, (rng.integers(1, 7), 2))
        boxes = np.concatenate([low, low + rng.uniform(20, 80, low.shape)], axis=1).astype(np.float32)
        classes = rng.integers(0, 2, len(boxes)).astype(np.int32)
        kind = rng.integers(0, 3, len(boxes))  # a truth, a difficult object, a crowd
        kept = kind == 0
        ignored = IgnoredBoxes(boxes[~kept], classes[~kept], kind[~kept] == 2)
        truths.append(Truth(boxes[kept], classes[kept], ignored))
        near = np.repeat(boxes, 4, axis=0) + rng.normal(0, 6, (4 * len(boxes), 4)).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        detections.append((near, np.repeat(classes, 4), rng.random(len(near)).astype(np.float32)))
    truths.append(truth((BOX, 0), (BOX, 1)))
    detections.append(found())
    ap = average_precision(truths, detections, NAMES)
    table = np.array([[slow_ap(truths, detections, c, t) for c in range(2)] for t in np.linspace(0.5, 0.95, 10)])
    assert list(ap.per_class.values()) == pytest.approx(table.mean(axis=0), abs=1e-9)
    assert ap.map50 == pytest.approx(table[0].mean(), abs=1e-9)


CROWDS = GOLDEN.with_name("coco_crowds.json")  # made by the same script


def test_pycocotools_says_the_same_with_crowds() -> None:
    golden = json.loads(CROWDS.read_text())
    rows = [[np.array(part, np.float32).reshape(-1, 6) for part in parts] for parts in golden["pictures"]]
    truths = []
    for labels, _ in rows:
        crowd, classes = labels[:, 5] > 0, labels[:, 4].astype(np.int32)
        ignored = IgnoredBoxes(labels[crowd, :4], classes[crowd], np.ones(int(crowd.sum()), np.bool_))
        truths.append(Truth(labels[~crowd, :4], classes[~crowd], ignored))
    shown = [(boxes[:, :4], boxes[:, 4].astype(np.int32), boxes[:, 5]) for _, boxes in rows]
    names = ("a", "b", "c", "d")
    ap = average_precision(truths, shown, names)
    for name in ("map50_95", "map50", "map75"):
        assert getattr(ap, name) == pytest.approx(golden[name], abs=1e-6)
    assert list(ap.per_class.values()) == pytest.approx(golden["per_class"][:3], abs=1e-6)
    # The crowds matter here: without them, what was detected in them is wrong.
    bare = average_precision([Truth(labelled.boxes, labelled.classes) for labelled in truths], shown, names)
    assert bare.map50_95 < golden["map50_95"] - 0.05
