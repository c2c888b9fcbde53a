"""Boxes in numpy and in Keras: one formula for their overlap, which the loss, both NMS, evaluation and assignment use.

The two decoders give the same boxes as well.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops
from numpy.typing import NDArray

from data import boxes
from model.config import NmsKind, PostConfig
from model.detection import darknet_precision, predict
from model.export import graph
from model.network import decode, decode_arrays, scales
from model.training import box_loss

Floats = NDArray[np.float32]


@st.composite
def some_boxes(draw: st.DrawFn) -> Floats:
    """[n, 4] xyxy with whole edges, so that boxes touch and coincide; sides of at least 1."""
    rows = draw(st.integers(1, 6))
    corners = draw(arrays.arrays(np.int64, (rows, 2), elements=st.integers(0, 20)))
    sides = draw(arrays.arrays(np.int64, (rows, 2), elements=st.integers(1, 20)))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


@settings(deadline=None)
@given(some_boxes(), some_boxes())
def test_numpy_and_keras_compute_the_same(a: Floats, b: Floats) -> None:
    for formula in (boxes.overlap_and_union, boxes.distance_and_diagonal):
        for by_numpy, by_keras in zip(
            formula(a[:, None], b[None], np), formula(ops.convert_to_tensor(a[:, None]), b[None], ops), strict=True
        ):
            np.testing.assert_array_equal(by_numpy, ops.convert_to_numpy(by_keras))
    by_numpy, by_keras = (boxes.shape_iou(a[:, 2:], ops.convert_to_tensor(b[:, 2:]), how) for how in (np, ops))
    np.testing.assert_allclose(by_numpy, ops.convert_to_numpy(by_keras), rtol=1e-6)


@settings(deadline=None)
@given(some_boxes(), some_boxes(), st.sampled_from(["plain", "diou"]), st.floats(0.05, 0.95))
def test_the_loss_evaluation_and_both_nms_judge_by_the_same_overlap(
    a: Floats, b: Floats, kind: NmsKind, threshold: float
) -> None:
    overlap, union = boxes.overlap_and_union(a[:, None].astype(np.float64), b[None].astype(np.float64), np)
    iou = overlap / union
    np.testing.assert_allclose(ops.convert_to_numpy(box_loss.iou(a[:, None], b[None])), iou, rtol=1e-6)
    owners = darknet_precision._owners(a, b, threshold)
    np.testing.assert_array_equal(owners, np.where(iou.max(axis=1) > threshold, iou.argmax(axis=1), -1))
    distance, diagonal = boxes.distance_and_diagonal(a[:, None].astype(np.float64), b[None].astype(np.float64), np)
    judged = iou if kind == "plain" else iou - (distance / diagonal) ** 0.6
    clear = np.abs(judged - threshold) > 1e-5  # in float32 the others may go either way
    post = PostConfig(nms=kind, nms_iou=threshold, nms_beta=0.6)
    exported = ops.convert_to_numpy(graph.overlaps(ops.convert_to_tensor(a[:, None]), b[None], post))
    in_numpy = predict.overlaps(np.repeat(a[None], len(b), axis=0), b, iou_threshold=threshold, kind=kind, beta=0.6).T
    for too_much in (exported, in_numpy):
        np.testing.assert_array_equal(too_much[clear], (judged > threshold)[clear])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 4), st.sampled_from(["yolov4", "yolov4-tiny"]))
def test_both_decoders_give_the_same_boxes(seed: int, height: int, width: int, variant: str) -> None:
    maps = scales.RELEASED_MAPS[variant]  # type: ignore[index]
    rng = np.random.default_rng(seed)
    raw = [
        (
            20 * rng.standard_normal((2, 32 * height // each.stride, 32 * width // each.stride, len(each.mask) * 7))
        ).astype(np.float32)
        for each in maps
    ]
    anchors = (rng.random((9, 2)) * 100 + 1).astype(np.float32)
    sensitivity = [1.2, 1.1, 1.05][: len(maps)]
    by_keras = decode.boxes([ops.convert_to_tensor(each) for each in raw], anchors, sensitivity, maps)
    by_numpy = decode_arrays.boxes(raw, anchors.tolist(), sensitivity, maps)
    for keras_values, numpy_values in zip(by_keras, by_numpy, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(keras_values), numpy_values, rtol=2e-5, atol=2e-3)
