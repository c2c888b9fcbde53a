"""Box losses against the reference's oracle, sums by hand, finite differences in float64 and their properties."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from model.network import decode
from model.training import box_loss

IOUS = {
    "iou": box_loss.iou,
    "giou": lambda a, b: box_loss.ious(a, b)["giou"],
    "diou": lambda a, b: box_loss.ious(a, b)["diou"],
    "ciou": lambda a, b: box_loss.ious(a, b)["ciou"],
}


def _xyxy(cx, cy, w, h):
    return np.asarray([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], np.float64)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("iou", 0.503268),  # 0.175 x 0.22 = 0.0385 over 0.06 + 0.055 - 0.0385 = 0.0765
        ("giou", 0.430541),  # enclosing 0.275 x 0.30 = 0.0825: 0.503268 - 0.006 / 0.0825
        ("diou", 0.485759),  # reference 4.4: distance 0.017509
        ("ciou", 0.484302),  # reference 4.4: v 0.027638, alpha 0.052707
    ],
)
def test_the_reference_pair(kind, expected):
    found = IOUS[kind](_xyxy(0.45, 0.52, 0.20, 0.30), _xyxy(0.50, 0.50, 0.25, 0.22))
    assert float(found) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # 2 x 2 at the origin and 2 x 4 whose nearest side is 1 further right: no overlap, enclosing 5 x 4 = 20
        ("iou", 0.0),
        ("giou", -(20 - 12) / 20),
        ("diou", -(3**2 + 1**2) / (5**2 + 4**2)),  # centres (1, 1) and (4, 2)
        # v = 4 / pi^2 (atan(1/2) - atan(1))^2 = 0.0419552, alpha = v / (1 + v) = 0.0402659
        ("ciou", -10 / 41 - 0.0402659 * 0.0419552),
    ],
)
def test_boxes_apart(kind, expected):
    found = IOUS[kind](np.asarray([0.0, 0.0, 2.0, 2.0]), np.asarray([3.0, 0.0, 5.0, 4.0]))
    assert float(found) == pytest.approx(expected, abs=1e-7)


def _parts(box, truth):
    """IoU, the uncovered share, the centres' distance and v, each by its definition in float64."""
    w, h, tw, th = box[2] - box[0], box[3] - box[1], truth[2] - truth[0], truth[3] - truth[1]
    inter = max(min(box[2], truth[2]) - max(box[0], truth[0]), 0) * max(
        min(box[3], truth[3]) - max(box[1], truth[1]), 0
    )
    union = w * h + tw * th - inter
    ew, eh = max(box[2], truth[2]) - min(box[0], truth[0]), max(box[3], truth[3]) - min(box[1], truth[1])
    rho = ((box[0] + box[2] - truth[0] - truth[2]) ** 2 + (box[1] + box[3] - truth[1] - truth[3]) ** 2) / 4
    v = 4 / np.pi**2 * (np.arctan(tw / th) - np.arctan(w / h)) ** 2
    return np.asarray([inter / union, (ew * eh - union) / (ew * eh), rho / (ew**2 + eh**2), v])


PAIRS = [
    (_xyxy(30.0, 40.0, 20.0, 31.0), _xyxy(33.0, 38.0, 25.0, 22.0)),  # overlapping
    (_xyxy(30.0, 40.0, 8.0, 5.0), _xyxy(31.0, 41.0, 25.0, 22.0)),  # inside
    (_xyxy(30.0, 40.0, 8.0, 50.0), _xyxy(90.0, 20.0, 25.0, 22.0)),  # apart
    (_xyxy(0.45, 0.52, 0.20, 0.30), _xyxy(0.50, 0.50, 0.25, 0.22)),  # relative to the picture
]


@pytest.mark.parametrize("kind", IOUS)
@pytest.mark.parametrize(("box", "truth"), PAIRS)
def test_gradients_are_those_of_the_formula(kind, box, truth):
    iou, _, _, v = _parts(box, truth)
    alpha = v / (1 - iou + v)  # CIoU's is a constant of the backward pass
    factors = {"iou": [1, 0, 0, 0], "giou": [1, -1, 0, 0], "diou": [1, 0, -1, 0], "ciou": [1, 0, -1, -alpha]}[kind]
    width = 1e-6 * (box[2] - box[0])
    expected = [
        (_parts(box + step, truth) - _parts(box - step, truth)) @ factors / (2 * width) for step in np.eye(4) * width
    ]
    watched = tf.constant(box)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        value = IOUS[kind](watched, tf.constant(truth))
    assert value.dtype == tf.float64
    scale = np.abs(expected).max()
    np.testing.assert_allclose(tape.gradient(value, watched).numpy(), expected, rtol=1e-6, atol=1e-8 * scale)


def test_boxes_apart_have_a_gradient_by_all_but_iou():
    box, truth = (tf.constant(one) for one in PAIRS[2])
    for kind, of in IOUS.items():
        with tf.GradientTape() as tape:
            tape.watch(box)
            value = of(box, truth)
        assert bool(np.any(tape.gradient(value, box).numpy() != 0)) == (kind != "iou")


sides = st.floats(0.1, 100)
boxes = st.builds(_xyxy, st.floats(-100, 100), st.floats(-100, 100), sides, sides)


@settings(max_examples=60)
@given(boxes, boxes)
def test_bounds_order_and_symmetry(a, b):
    found = {kind: float(of(a, b)) for kind, of in IOUS.items()}
    assert -1e-12 <= found["iou"] <= 1 + 1e-12
    assert -1 - 1e-12 <= found["giou"] <= found["iou"] + 1e-12
    assert -1 - 1e-12 <= found["diou"] <= found["iou"] + 1e-12
    assert found["ciou"] <= found["diou"]
    assert found["ciou"] >= found["diou"] - 1  # alpha and v are below 1
    for kind, of in IOUS.items():
        assert float(of(b, a)) == pytest.approx(found[kind], abs=1e-12)


@settings(max_examples=30)
@given(boxes)
def test_a_box_is_one_with_itself(a):
    for of in IOUS.values():
        assert float(of(a, a)) == pytest.approx(1, abs=1e-9)


@settings(max_examples=30)
@given(boxes, boxes, st.floats(-1000, 1000), st.floats(0.1, 10))
def test_neither_place_nor_scale_matters(a, b, shift, scale):
    for of in IOUS.values():
        assert float(of(a * scale + shift, b * scale + shift)) == pytest.approx(float(of(a, b)), abs=1e-9)


lengths = st.sampled_from([0.0, 1e-30, 1e-7, 1e-3, 1.0, 50.0, 1e7])
places = st.sampled_from([-600.0, 0.0, 30.0, 607.9])


@settings(max_examples=60)
@given(st.tuples(places, places, lengths, lengths), st.tuples(places, places, lengths, lengths))
def test_flat_and_huge_boxes_have_finite_losses_and_gradients(one, other):
    box, truth = (tf.constant(_xyxy(*values), tf.float32) for values in (one, other))
    for of in IOUS.values():
        with tf.GradientTape() as tape:
            tape.watch(box)
            value = of(box, truth)
        assert np.isfinite(float(value))
        assert np.all(np.isfinite(tape.gradient(value, box).numpy()))


ANCHOR, CELL, STRIDE, AREA = np.asarray([20.0, 40.0]), np.asarray([3.0, 1.0]), 16, 64.0 * 128


def _mse(raw, truth):
    return box_loss.mse(raw, truth, CELL, ANCHOR, STRIDE, 1.1, AREA)


def test_mse_by_hand():
    # raw 0, 0: the centre is 1.1 / 2 - 0.05 = 0.5 of a cell; the truth's is (60 / 16 - 3, 20 / 16 - 1) = (0.75, 0.25)
    # raw 0.1, -0.2 against log(30 / 20) = 0.405465 and log(10 / 40) = -1.386294; share 300 / 8192
    expected = (2 - 300 / 8192) / 2 * (0.25**2 + 0.25**2 + (0.1 - 0.405465) ** 2 + (-0.2 + 1.386294) ** 2)
    found = _mse(np.asarray([0.0, 0.0, 0.1, -0.2]), _xyxy(60.0, 20.0, 30.0, 10.0))
    assert float(found) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30)
@given(st.tuples(*[st.floats(-4, 4)] * 4))
def test_mse_is_zero_at_the_truth_and_nowhere_else(values):
    raw = np.asarray(values)
    truth = ops.convert_to_numpy(decode.centre_and_size(raw, CELL, ANCHOR, STRIDE, 1.1))
    assert float(_mse(raw, truth)) == pytest.approx(0, abs=1e-12)
    for k in range(4):
        assert float(_mse(raw + 0.1 * np.eye(4)[k], truth)) > 1e-8


def test_gradients_of_mse():
    raw, truth = np.asarray([0.3, -0.8, 0.1, -0.2]), _xyxy(60.0, 20.0, 30.0, 10.0)
    watched = tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        value = _mse(watched, truth)
    found = tape.gradient(value, watched).numpy()
    numeric = [(float(_mse(raw + step, truth)) - float(_mse(raw - step, truth))) / 2e-5 for step in np.eye(4) * 1e-5]
    np.testing.assert_allclose(found, numeric, rtol=1e-7)
    # Darknet's delta of tw and th: scale * (target - raw), the gradient downwards
    delta = (2 - 300 / 8192) * (np.log([30 / 20, 10 / 40]) - raw[2:])
    np.testing.assert_allclose(-found[2:], delta, rtol=1e-9)


@settings(max_examples=40)
@given(st.tuples(*[st.floats(-1e30, 1e30)] * 4), st.tuples(places, places, lengths, lengths))
def test_mse_and_its_gradient_are_finite_for_any_head_and_truth(raw, truth):
    watched = tf.constant(raw, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        value = box_loss.mse(
            watched,
            tf.constant(_xyxy(*truth), tf.float32),
            tf.constant(CELL, tf.float32),
            tf.constant(ANCHOR, tf.float32),
            STRIDE,
            1.1,
            AREA,
        )
    assert np.isfinite(float(value))
    assert np.all(np.isfinite(tape.gradient(value, watched).numpy()))


def test_a_small_box_counts_up_to_twice_as_much():
    # the same errors (half a side off by a factor e^0.1) at both sizes; shares 8192 / 8192 and 2 / 8192
    raw = np.asarray([0.0, 0.0, 0.1, 0.1])
    big, small = np.asarray([64.0, 128.0]), np.asarray([1.0, 2.0])
    found = [float(box_loss.mse(raw, _xyxy(56.0, 24.0, *size), CELL, size, STRIDE, 1.1, AREA)) for size in (big, small)]
    assert found[0] == pytest.approx(0.5 * 2 * 0.01, rel=1e-9)
    assert found[1] / found[0] == pytest.approx(2 - 2 / 8192, rel=1e-9)


def test_the_index_takes_its_kind_and_its_gradient():
    assert box_loss.KINDS == ("ciou", "diou", "giou", "mse")
    for k in range(4):
        watched = tf.constant([1.0, 2.0, 3.0, 4.0])
        with tf.GradientTape() as tape:
            tape.watch(watched)
            value = box_loss.select(tf.constant(float(k)), tf.unstack(watched))
        assert float(value) == k + 1
        assert tape.gradient(value, watched).numpy().tolist() == np.eye(4)[k].tolist()
