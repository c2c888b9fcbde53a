"""Darknet's `map` protocol against sums by hand."""

import numpy as np
import pytest

from data.boxes import IgnoredBoxes
from model.detection.average_precision import Detection, Truth
from model.detection.darknet_precision import darknet_precision

A1, A2, A3 = [10.0, 10, 50, 50], [60.0, 60, 90, 90], [0.0, 0, 20, 20]
NOWHERE = [200.0, 200, 220, 220]


def truth(*rows: tuple[list[float], int]) -> Truth:
    return Truth(
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4), np.array([n for _, n in rows], np.int32)
    )


def found(*rows: tuple[list[float], int, float]) -> Detection:
    boxes, classes, _ = truth(*((box, number) for box, number, _ in rows))
    return boxes, classes, np.array([score for _, _, score in rows], np.float32)


# From the best score down: A1 found, A1 again, A3 found, nothing there, A2 found.
#   precision 1, 1/2, 2/3, 1/2, 3/5;  recall 1/3, 1/3, 2/3, 2/3, 1;  envelope 1 to 1/3, 2/3 to 2/3, 3/5 to 1
TRUTHS = [truth((A1, 0), (A2, 0)), truth((A3, 0))]
DETECTIONS = [found((A1, 0, 0.9), (A1, 0, 0.8), (A2, 0, 0.3)), found((A3, 0, 0.7), (NOWHERE, 0, 0.6))]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (0, (1 + 2 / 3 + 3 / 5) / 3),
        (11, (4 * 1 + 3 * 2 / 3 + 4 * 3 / 5) / 11),  # recalls 0 to .3, .4 to .6, .7 to 1
        (101, (34 * 1 + 33 * 2 / 3 + 34 * 3 / 5) / 101),  # 0 to .33, .34 to .66, .67 to 1
    ],
)
def test_area_by_hand(points: int, expected: float) -> None:
    one = darknet_precision(TRUTHS, DETECTIONS, ["a"], points=points)
    assert one.map50 == pytest.approx(expected, abs=1e-12)
    two = darknet_precision(TRUTHS, DETECTIONS, ["a", "never seen"], points=points)
    assert two.map50 == pytest.approx(expected / 2, abs=1e-12)  # a class without truths counts as 0
    assert [row.ap50 for row in two.rows] == pytest.approx([expected, 0])


def test_the_envelope_lifts_what_lies_before_a_better_precision() -> None:
    # Nothing there, then A1 and A2: precision 0, 1/2, 2/3; recall 0, 1/2, 1; the envelope is 2/3 all along.
    shown = [found((NOWHERE, 0, 0.9), (A1, 0, 0.8), (A2, 0, 0.7))]
    for points in (0, 11, 101):
        ap = darknet_precision([truth((A1, 0), (A2, 0))], shown, ["a"], points=points)
        assert ap.map50 == pytest.approx(2 / 3)


def test_a_recall_that_is_one_of_the_points_counts() -> None:
    # 3 of 10 truths: recalls 0, .1, .2 and .3 are reached, though .3 is no float.
    boxes = [[100.0 * k, 0, 100.0 * k + 50, 50] for k in range(10)]
    shown = [found(*((box, 0, 0.9) for box in boxes[:3]))]
    ap = darknet_precision([truth(*((box, 0) for box in boxes))], shown, ["a"], points=11)
    assert ap.map50 == pytest.approx(4 / 11)


def test_precision_recall_and_f1_are_those_above_a_quarter() -> None:
    ap = darknet_precision(TRUTHS, DETECTIONS, ["a"])
    assert (ap.precision, ap.recall, ap.f1) == pytest.approx((3 / 5, 1, 3 / 4))
    assert (ap.rows[0].truths, ap.rows[0].detections, ap.rows[0].right, ap.rows[0].wrong) == (3, 5, 3, 2)
    dimmer = [found((A1, 0, 0.9), (A2, 0, 0.25)), found()]
    below = darknet_precision(TRUTHS, dimmer, ["a"])
    assert (below.precision, below.recall, below.f1) == pytest.approx((1, 1 / 3, 1 / 2))
    assert below.map50 == pytest.approx(2 / 3)  # .25 is not above a quarter, but counts in the area


def test_overlap_must_be_more_than_half() -> None:
    half = [10.0, 10, 50, 30]  # 40 x 20 of 40 x 40: IoU .5
    assert darknet_precision([truth((A1, 0))], [found((half, 0, 0.9))], ["a"]).map50 == 0
    more = [10.0, 10, 50, 30.1]
    assert darknet_precision([truth((A1, 0))], [found((more, 0, 0.9))], ["a"]).map50 == 1


def test_a_detection_belongs_to_its_nearest_truth_even_when_that_is_taken() -> None:
    # Two truths that overlap; both detections lie nearest to the first. COCO would give the second one the other.
    first, second = [0.0, 0, 40, 40], [8.0, 0, 48, 40]
    shown = [found(([0.0, 0, 40, 40], 0, 0.9), ([3.0, 0, 43, 40], 0, 0.8))]
    ap = darknet_precision([truth((first, 0), (second, 0))], shown, ["a"])
    assert ap.map50 == pytest.approx(0.5)  # recall 1/2 at precision 1


def test_more_than_a_hundred_detections_of_a_picture_count() -> None:
    noise = [(NOWHERE, 0, 0.9)] * 150
    ap = darknet_precision([truth((A1, 0))], [found(*noise, (A1, 0, 0.5))], ["a"])
    assert ap.map50 == pytest.approx(1 / 151)


def test_empty_boxes_match_nothing() -> None:
    flat = [10.0, 10, 10, 50]
    assert darknet_precision([truth((A1, 0), (flat, 0))], [found((flat, 0, 0.9))], ["a"]).map50 == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"points": 10}, "points: expected 0, 11, 101, got 10"),
        ({"truths": [truth()], "detections": [found()]}, "expected at least one truth, got none in 1 pictures"),
        ({"detections": []}, "expected detections for each of 2 pictures, got 0"),
    ],
)
def test_wrong_input(arguments: dict[str, object], words: str) -> None:
    given = {"truths": TRUTHS, "detections": DETECTIONS, "class_names": ["a"], **arguments}
    with pytest.raises(ValueError, match=words):
        darknet_precision(**given)  # type: ignore[arg-type]


def ignoring(labelled: Truth, box: list[float], number: int, *, crowd: bool) -> Truth:
    ignored = IgnoredBoxes(np.array([box], np.float32), np.array([number], np.int32), np.array([crowd]))
    return labelled._replace(ignored=ignored)


@pytest.mark.parametrize(("points", "expected"), [(0, 1 / 2), (11, 1 / 2), (101, 1 / 2)])
def test_a_difficult_object_is_neither_missed_nor_wrong(points: int, expected: float) -> None:
    # VOC's devkit (VOCevaldet.m): A2 is difficult, so its three detections count neither way. What is left from the
    # best score down: nothing there, A1 found: precision 0, 1/2 at recall 0, 1.
    shown = [found((A2, 0, 0.9), (A2, 0, 0.8), (NOWHERE, 0, 0.7), (A2, 0, 0.6), (A1, 0, 0.5))]
    ap = darknet_precision([ignoring(truth((A1, 0)), A2, 0, crowd=False)], shown, ["a"], points=points)
    assert ap.map50 == pytest.approx(expected)
    assert (ap.rows[0].truths, ap.rows[0].detections, ap.rows[0].right, ap.rows[0].wrong) == (1, 2, 1, 1)
    assert (ap.precision, ap.recall) == (1 / 2, 1)
    # Of another class, or as plain background, the three are wrong: precision 1/5.
    for other in (ignoring(truth((A1, 0)), A2, 1, crowd=False), truth((A1, 0))):
        assert darknet_precision([other], shown, ["a"], points=points).map50 == pytest.approx(1 / 5)


def test_a_truth_comes_before_a_difficult_object() -> None:
    # detector.c looks for a difficult object only if no truth overlaps enough; a taken truth makes it wrong as always
    labelled = [ignoring(truth((A1, 0)), A1, 0, crowd=False)]
    ap = darknet_precision(labelled, [found((A1, 0, 0.9), (A1, 0, 0.8))], ["a"])
    assert (ap.map50, ap.rows[0].right, ap.rows[0].wrong) == (1, 1, 1)


def test_a_detection_mostly_inside_a_crowd_is_left_out() -> None:
    crowd = [0.0, 100, 100, 200]
    inside, half = [10.0, 110, 20, 130], [10.0, 90, 20, 110]  # all and half of it inside
    labelled = [ignoring(truth((A1, 0)), crowd, 0, crowd=True)]
    assert darknet_precision(labelled, [found((inside, 0, 0.9), (inside, 0, 0.8), (A1, 0, 0.5))], ["a"]).map50 == 1
    assert darknet_precision(labelled, [found((half, 0, 0.9), (A1, 0, 0.5))], ["a"]).map50 == pytest.approx(1 / 2)
