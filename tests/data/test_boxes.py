"""Boxes against sums by hand and the reference's CIoU oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import boxes


def box(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_iou_of_two_squares_that_share_a_quarter() -> None:
    # 4x4 at 0,0 and 4x4 at 2,2 share 2x2: 4 / (16 + 16 - 4) = 1/7
    assert boxes.iou(box(0, 0, 4, 4), box(2, 2, 6, 6)) == pytest.approx(1 / 7)


def test_giou_and_diou_of_the_same_squares() -> None:
    # enclosing 6x6 = 36, union 28: GIoU = 1/7 - 8/36. Centres 2,2 apart: rho^2 = 8, c^2 = 72: DIoU = 1/7 - 1/9
    assert boxes.giou(box(0, 0, 4, 4), box(2, 2, 6, 6)) == pytest.approx(1 / 7 - 8 / 36)
    assert boxes.diou(box(0, 0, 4, 4), box(2, 2, 6, 6)) == pytest.approx(1 / 7 - 1 / 9)


def test_ciou_of_the_reference_pair() -> None:
    # yolov4-reference 4.4
    predicted = boxes.xywh_to_xyxy(box(0.45, 0.52, 0.20, 0.30))
    truth = boxes.xywh_to_xyxy(box(0.50, 0.50, 0.25, 0.22))
    assert boxes.iou(predicted, truth) == pytest.approx(0.503268, abs=1e-6)
    assert boxes.diou(predicted, truth) == pytest.approx(0.485759, abs=1e-6)
    assert boxes.ciou(predicted, truth) == pytest.approx(0.484302, abs=1e-6)


def test_every_box_with_every_other() -> None:
    a, b = np.zeros((3, 4)) + box(0, 0, 1, 1), np.zeros((2, 4)) + box(0, 0, 1, 2)
    assert boxes.iou(a[:, None], b[None]).tolist() == [[0.5, 0.5]] * 3


@pytest.mark.parametrize("measure", [boxes.iou, boxes.giou, boxes.diou, boxes.ciou])
def test_a_degenerate_box_makes_no_nan(measure) -> None:
    nothing = box(3, 3, 3, 3)
    assert np.isfinite(measure(nothing, nothing))
    assert np.isfinite(measure(nothing, box(0, 0, 1, 1)))


def test_clip_and_area() -> None:
    assert boxes.clip(box(-5, 2, 20, 30), 10, 8).tolist() == [0, 2, 10, 8]
    assert boxes.area(box(1, 1, 4, 3)) == 6
    assert boxes.area(box(4, 3, 1, 1)) == 0  # inverted


coordinates = st.floats(-1000, 1000, width=32)
any_box = st.tuples(coordinates, coordinates, st.floats(0, 500, width=32), st.floats(0, 500, width=32)).map(
    lambda t: box(t[0], t[1], t[0] + t[2], t[1] + t[3])
)


@given(any_box, any_box)
def test_iou_is_symmetric_and_in_its_range(a: np.ndarray, b: np.ndarray) -> None:
    assert boxes.iou(a, b) == boxes.iou(b, a)
    assert 0 <= boxes.iou(a, b) <= 1
    assert -1 - 1e-9 <= boxes.giou(a, b) <= boxes.iou(a, b) + 1e-9
    assert boxes.ciou(a, b) <= boxes.diou(a, b) + 1e-9 <= boxes.iou(a, b) + 2e-9


@given(any_box)
def test_centre_form_and_back(a: np.ndarray) -> None:
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(a)), a, atol=1e-9)
