"""NMS in the graph gives the same as in numpy: chains of suppression, ties, padding, both kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import NmsKind, PostConfig
from model.detection import predict
from model.export import graph

pytestmark = pytest.mark.medium


@given(
    seed=st.integers(0, 10_000),
    threshold=st.floats(0.2, 0.8),
    kind=st.sampled_from(["plain", "diou"]),
    beta=st.sampled_from([0.4, 0.6, 1.0]),
    most=st.sampled_from([3, 50]),
)
@settings(max_examples=40, deadline=None)
def test_graph_and_numpy_keep_the_same(seed: int, threshold: float, kind: NmsKind, beta: float, most: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 30, (25, 2))
    boxes = np.concatenate([low, low + rng.integers(4, 30, low.shape)], axis=-1).astype(np.float32)
    scores = (rng.integers(0, 20, (25, 3)) / 20).astype(np.float32)  # with ties
    post = PostConfig(score=0.3, nms_iou=threshold, nms=kind, nms_beta=beta, max_candidates=30, max_detections=most)
    (expected,) = predict.detect((boxes[None], np.ones((1, 25), np.float32), scores[None]), post)
    found = {name: np.asarray(value)[0] for name, value in graph.detect(boxes, scores, post).items()}
    number = len(expected.scores)
    assert found["boxes"].shape == (most, 4)
    np.testing.assert_array_equal(found["scores"][:number], expected.scores)
    np.testing.assert_array_equal(found["classes"][:number], expected.classes)
    np.testing.assert_array_equal(found["boxes"][:number], expected.boxes)
    assert (found["classes"][number:] == -1).all()
    assert (found["scores"][number:] == 0).all()


def test_a_chain_of_boxes_loses_every_second_one() -> None:
    # Each overlaps the next alone (IoU 1/3): the first suppresses the second, which then spares the third ...
    boxes = np.array([[10 * k, 0, 10 * k + 20, 10] for k in range(9)], np.float32)
    scores = np.linspace(0.9, 0.5, 9, dtype=np.float32)[:, None]
    post = PostConfig(nms_iou=0.3, nms="plain", max_detections=9)
    found = graph.detect(boxes, scores, post)
    assert np.asarray(found["boxes"])[0, :5, 0].tolist() == [0, 20, 40, 60, 80]
    assert np.asarray(found["classes"])[0].tolist() == [0] * 5 + [-1] * 4


def test_nothing_above_the_cut_is_nothing() -> None:
    found = graph.detect(np.zeros((4, 4), np.float32), np.full((4, 2), 0.1, np.float32), PostConfig(score=0.5))
    assert np.asarray(found["scores"]).max() == 0
    assert np.asarray(found["classes"]).max() == -1
