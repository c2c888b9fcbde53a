"""The overlap of boxes in numpy, against faster-coco-eval and by its properties; Keras: tests/model/test_boxes.py."""

import numpy as np
from faster_coco_eval.core import mask
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from data import boxes

Floats = NDArray[np.float64]


@st.composite
def some_boxes(draw: st.DrawFn, least: int = 1) -> Floats:
    """[n, 4] xyxy with whole edges, so that boxes touch and coincide; sides of at least 1."""
    rows = draw(st.integers(least, 6))
    corners = draw(arrays.arrays(np.int64, (rows, 2), elements=st.integers(0, 20)))
    sides = draw(arrays.arrays(np.int64, (rows, 2), elements=st.integers(1, 20)))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float64)


def iou(a: Floats, b: Floats) -> Floats:
    overlap, union = boxes.overlap_and_union(a, b, np)
    return np.asarray(overlap / union)


@given(some_boxes(), some_boxes())
def test_iou_is_that_of_faster_coco_eval(a: Floats, b: Floats) -> None:
    corner_and_size = [np.concatenate([each[:, :2], each[:, 2:] - each[:, :2]], axis=1) for each in (a, b)]
    expected = mask.iou(*corner_and_size, [False] * len(b))
    np.testing.assert_allclose(iou(a[:, None], b[None]), expected, rtol=1e-12)


@given(some_boxes(), some_boxes())
def test_iou_is_symmetric_between_0_and_1_and_1_of_a_box_with_itself(a: Floats, b: Floats) -> None:
    table = iou(a[:, None], b[None])
    np.testing.assert_array_equal(table, iou(b[:, None], a[None]).T)
    assert ((table >= 0) & (table <= 1)).all()
    np.testing.assert_array_equal(iou(a, a), np.ones(len(a)))


def test_distance_and_diagonal_by_hand() -> None:
    # Centres (1, 1) and (4, 2): 3^2 + 1^2. The smallest box around both is 5 x 4.
    distance, diagonal = boxes.distance_and_diagonal(np.array([0.0, 0, 2, 2]), np.array([3.0, 0, 5, 4]), np)
    assert (distance, diagonal) == (10, 41)


@given(some_boxes(), some_boxes())
def test_shape_iou_is_the_iou_of_boxes_with_one_corner(a: Floats, b: Floats) -> None:
    sizes, anchors = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    at_origin = [np.concatenate([np.zeros_like(each), each], axis=1) for each in (sizes, anchors)]
    np.testing.assert_allclose(boxes.shape_iou(sizes, anchors, np), iou(at_origin[0][:, None], at_origin[1][None]))
