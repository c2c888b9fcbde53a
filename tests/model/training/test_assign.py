"""Assignment of truths to anchors and cells: the reference's oracles (sizes on the released anchors) and collisions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from model.network import scales
from model.training import assign

RELEASED = np.asarray(
    [(12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)], np.float32
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((50, 50), [1, 2, 3, 4, 5]),  # best 4
        ((30, 30), [0, 1, 2, 3, 4]),  # 12 x 16 / 900 = 0.2133 just counts
        ((100, 100), [3, 4, 5, 6, 7]),
        ((300, 300), [7, 8]),
        ((5, 100), [1]),  # by best alone: 5 x 36 / (500 + 684 - 180) = 0.179
    ],
)
def test_several_anchors_answer_for_a_truth(size, expected):
    positive = assign.positive_anchors(np.asarray([size], np.float32), RELEASED, 0.213)
    assert list(np.flatnonzero(ops.convert_to_numpy(positive)[0])) == expected


def test_a_threshold_of_one_leaves_the_best_anchor_alone():
    positive = assign.positive_anchors(np.asarray([[50, 50]], np.float32), RELEASED, 1.0)
    assert list(np.flatnonzero(ops.convert_to_numpy(positive)[0])) == [4]


@settings(max_examples=50)
@given(st.floats(1, 600), st.floats(1, 600), st.floats(0.05, 1), st.floats(0.05, 1))
def test_the_best_anchor_always_answers_and_a_lower_threshold_only_adds(width, height, one, other):
    low, high = sorted((one, other))
    size = np.asarray([[width, height]], np.float32)
    few, many = (ops.convert_to_numpy(assign.positive_anchors(size, RELEASED, t))[0] for t in (high, low))
    assert np.all(few <= many)
    overlap = np.minimum(size, RELEASED).prod(axis=1)
    iou = overlap / (size.prod() + RELEASED.prod(axis=1) - overlap)  # float32, as the assignment
    assert few[int(np.argmax(iou))] == 1
    expected = set(np.flatnonzero(iou > high)) | {int(np.argmax(iou))}
    assert set(np.flatnonzero(few)) == expected or np.any(np.abs(iou - high) < 1e-6)


def test_a_centre_on_the_far_edge_belongs_to_the_last_cell():
    found = _assign([[44, 54, 84, 74]], [0])  # centre (64, 64) of a picture of 64 x 64
    assert ops.convert_to_numpy(found.columns)[0, 0].tolist() == [7, 3, 1]
    assert ops.convert_to_numpy(found.rows)[0, 0].tolist() == [7, 3, 1]


def _assign(boxes, classes, num_classes=3):
    return assign.assign(
        np.asarray([boxes], np.float32),
        np.asarray([classes], np.int32),
        RELEASED,
        0.213,
        num_classes=num_classes,
        maps=scales.YOLOV4,
        grids=[(8, 8), (4, 4), (2, 2)],
    )


def test_the_cell_is_the_one_that_holds_the_centre():
    found = _assign([[10, 20, 30, 50]], [0])  # centre (20, 35)
    assert ops.convert_to_numpy(found.columns)[0, 0].tolist() == [2, 1, 0]
    assert ops.convert_to_numpy(found.rows)[0, 0].tolist() == [4, 2, 1]


def test_padding_answers_for_nothing():
    found = _assign([[0, 0, 0, 0], [10, 20, 30, 50]], [-1, 1])
    assert ops.convert_to_numpy(found.positive)[0, 0].sum() == 0
    assert ops.convert_to_numpy(found.positive)[0, 1].sum() > 0


def test_truths_on_one_anchor_share_its_weight_and_both_classes():
    found = _assign([[10, 10, 60, 60], [11, 11, 61, 61], [0, 0, 12, 16]], [0, 2, 1])
    positive, weight = ops.convert_to_numpy(found.positive)[0], ops.convert_to_numpy(found.weight)[0]
    assert positive[0].tolist() == positive[1].tolist()
    assert weight[0][positive[0] > 0].tolist() == [0.5] * 5  # two truths of 50 x 50 on the same five anchors
    targets = ops.convert_to_numpy(found.class_targets)[0]
    assert targets[0, 4].tolist() == [1, 0, 1]
    assert targets[2, 0].tolist() == [0, 1, 0]  # alone in its cell


TINY = np.asarray([[10, 14], [23, 27], [37, 58], [81, 82], [135, 169], [344, 319]], np.float32)  # cfg/yolov4-tiny.cfg


@pytest.mark.parametrize(
    ("box", "answers"),
    [
        # In the cfg stride 16 has mask=1,2,3 and stride 32 mask=3,4,5: answers 0 to 2 and 3 to 5.
        ([100, 100, 123, 127], [0]),  # anchor 1
        ([100, 100, 181, 182], [2, 3]),  # anchor 3, on both maps
        ([40, 40, 384, 359], [5]),  # anchor 5
        ([100, 100, 110, 114], [0]),  # anchor 0 answers nowhere: the next best, 1, does
    ],
)
def test_answers_of_yolov4_tiny(box, answers):
    found = assign.assign(
        np.asarray([[box]], np.float32),
        np.asarray([[0]], np.int32),
        TINY,
        1.0,
        num_classes=2,
        maps=scales.TINY,
        grids=[(26, 26), (13, 13)],
    )
    positive = ops.convert_to_numpy(found.positive)[0, 0]
    assert np.flatnonzero(positive).tolist() == answers
    np.testing.assert_array_equal(ops.convert_to_numpy(found.weight)[0, 0], positive)  # nobody else on that anchor
    centre = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    assert ops.convert_to_numpy(found.columns)[0, 0].tolist() == [centre[0] // 16, centre[0] // 32]
    assert ops.convert_to_numpy(found.rows)[0, 0].tolist() == [centre[1] // 16, centre[1] // 32]


def test_truths_share_the_cells_of_the_map_that_their_anchor_is_on():
    # Two and four anchors a map. Both truths of 23 x 27 are anchor 1's, the first of stride 32 and so answer 2; their
    # centres (40, 40) and (56, 40) are in one cell of 32 pixels and in two of 16.
    found = assign.assign(
        np.asarray([[[28.5, 26.5, 51.5, 53.5], [44.5, 26.5, 67.5, 53.5]]], np.float32),
        np.asarray([[0, 1]], np.int32),
        TINY,
        1.0,
        num_classes=2,
        maps=(scales.Scale(16, (4, 0)), scales.Scale(32, (1, 5, 2, 0))),
        grids=[(6, 6), (3, 3)],
    )
    expected = [[0, 0, 1, 0, 0, 0]] * 2
    np.testing.assert_array_equal(ops.convert_to_numpy(found.positive)[0], expected)
    np.testing.assert_array_equal(ops.convert_to_numpy(found.weight)[0], np.asarray(expected) / 2)
    np.testing.assert_array_equal(ops.convert_to_numpy(found.class_targets)[0, :, 2], [[1, 1], [1, 1]])
