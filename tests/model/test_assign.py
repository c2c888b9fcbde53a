"""Assignment of truths to anchors and cells: the reference's oracles (sizes on the released anchors) and collisions."""

import numpy as np
import pytest
from keras import ops

from model import assign

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


def _assign(boxes, classes, num_classes=3):
    return assign.assign(
        np.asarray([boxes], np.float32),
        np.asarray([classes], np.int32),
        RELEASED,
        0.213,
        num_classes=num_classes,
        strides=(8, 16, 32),
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
