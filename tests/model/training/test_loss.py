"""The loss against the reference's oracles, hand sums, finite differences and a slow loop over cells."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from model.config import LossConfig
from model.network import decode, scales
from model.network.scales import Scale
from model.training import box_loss, loss

ANCHORS = np.asarray(
    [(12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)], np.float32
)
SCALE = np.asarray([1.2, 1.1, 1.05], np.float32)
YOLOV4 = (ANCHORS, ((8, (0, 1, 2)), (16, (3, 4, 5)), (32, (6, 7, 8))), SCALE)  # strides and masks of cfg/yolov4.cfg
TINY_ANCHORS = np.asarray([(10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)], np.float32)
TINY = (TINY_ANCHORS, ((16, (1, 2, 3)), (32, (3, 4, 5))), np.asarray([1.05, 1.2], np.float32))  # cfg/yolov4-tiny.cfg
CUSTOM = (TINY_ANCHORS, ((16, (0, 1, 2)), (32, (3, 4, 5))), TINY[2])  # cfg/yolov4-tiny-custom.cfg
UNEVEN = (TINY_ANCHORS, ((16, (4, 0)), (32, (1, 5, 2, 0))), TINY[2])  # unsorted, two and four, 0 on both, 3 on none


def _xyxy(cx, cy, w, h):
    return np.asarray([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], np.float64)


@given(st.floats(-60, 60), st.floats(0, 1))
def test_cross_entropy_is_its_definition(logit, target):
    # log sigmoid(x) = -log(1 + e^-x), by numpy's own stable form, in float64
    expected = target * np.logaddexp(0, -logit) + (1 - target) * np.logaddexp(0, logit)
    found = float(loss.binary_cross_entropy(np.float32(logit), np.float32(target)))
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)  # float32


def _settings(**changed):
    value = {
        "box": float(box_loss.KINDS.index(changed.pop("box", "ciou"))),
        "box_weight": 1.0,
        "objectness_weight": 1.0,
        "class_weight": 1.0,
        "iou_threshold": 0.213,
        "ignore_threshold": 0.7,
        "label_smoothing": 0.0,
        "objectness_gamma": 0.0,
        "per_positive": 0.0,
        "darknet_gradient": 0.0,
        "max_delta": 0.0,
    }
    return loss.LossSettings(**{k: tf.constant(v, tf.float32) for k, v in (value | changed).items()})


def _maps(seed, classes=3, batch=2, scale=1.0, outputs=YOLOV4[1]):
    rng = np.random.default_rng(seed)
    shapes = [(batch, 64 // stride, 64 // stride, len(mask) * (5 + classes)) for stride, mask in outputs]
    return [(scale * rng.normal(size=shape)).astype(np.float32) for shape in shapes]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _slow_box(kind, t, predicted, box, cell, anchor, scale, stride):
    """The box loss of one anchor and truth; MSE by Darknet's delta_yolo_box, here as the loss of its deltas."""
    if kind != "mse":
        return 1 - float(box_loss.ious(predicted, box.astype(np.float64))[kind])
    x, y = (scale * _sigmoid(v) - (scale - 1) / 2 for v in t[:2])
    w, h = box[2] - box[0], box[3] - box[1]
    targets = (
        (box[0] + box[2]) / 2 / stride - cell[0],
        (box[1] + box[3]) / 2 / stride - cell[1],
        np.log(w / anchor[0]),
        np.log(h / anchor[1]),
    )
    errors = [(found - target) ** 2 for found, target in zip((x, y, t[2], t[3]), targets, strict=True)]
    return (2 - w * h / 64**2) * sum(errors) / 2


def _slow_loss(maps, boxes, classes, value, network=YOLOV4):
    """Darknet's yolo_layer.c read as a loop over images, scales and truths, in float64.

    An anchor on no mask is left out, also of the choice of the best (docs/yolov4.md).
    """
    anchors, outputs, scale_xy = network
    used = sorted({n for _, mask in outputs for n in mask})
    box_term = objectness = class_term = 0.0
    for b in range(len(boxes)):
        truths = [(box, c) for box, c in zip(boxes[b], classes[b], strict=True) if c >= 0]
        answers = {}
        for box, c in truths:
            w, h = box[2] - box[0], box[3] - box[1]
            overlap = [min(w, a[0]) * min(h, a[1]) for a in anchors]
            ious = [o / (w * h + a[0] * a[1] - o) for o, a in zip(overlap, anchors, strict=True)]
            best = max(used, key=lambda n: ious[n])
            for k, (s, mask) in enumerate(outputs):
                for a, n in enumerate(mask):
                    if n == best or ious[n] > value["iou_threshold"]:
                        cell = (k, int((box[1] + box[3]) / 2 // s), int((box[0] + box[2]) / 2 // s), a)
                        answers.setdefault(cell, []).append((box, c))
        for k, (s, mask) in enumerate(outputs):
            raw = maps[k][b].reshape(64 // s, 64 // s, len(mask), -1).astype(np.float64)
            for j in range(64 // s):
                for i in range(64 // s):
                    for a in range(len(mask)):
                        t = raw[j, i, a]
                        cx = s * (i + scale_xy[k] * _sigmoid(t[0]) - (scale_xy[k] - 1) / 2)
                        cy = s * (j + scale_xy[k] * _sigmoid(t[1]) - (scale_xy[k] - 1) / 2)
                        w, h = anchors[mask[a]] * np.exp(t[2:4])
                        predicted = _xyxy(cx, cy, w, h)
                        mine = answers.get((k, j, i, a), [])
                        if mine:
                            objectness += np.log1p(np.exp(-t[4]))
                            hot = np.zeros(len(t) - 5)
                            for box, c in mine:
                                one = _slow_box(
                                    value["box"], t, predicted, box, (i, j), anchors[mask[a]], scale_xy[k], s
                                )
                                box_term += one / len(mine)
                                hot[c] = 1
                            hot = hot * (1 - value["label_smoothing"]) + value["label_smoothing"] / 2
                            p = _sigmoid(t[5:])
                            class_term += -(hot * np.log(p) + (1 - hot) * np.log(1 - p)).sum()
                            continue
                        best = max(
                            (float(box_loss.iou(predicted, box.astype(np.float64))) for box, _ in truths), default=0
                        )
                        if best > value["ignore_threshold"] and _sigmoid(t[5:]).max() > 0.25:
                            continue
                        objectness += _sigmoid(t[4]) ** value["objectness_gamma"] * np.log1p(np.exp(t[4]))
    return {"box": box_term / len(boxes), "objectness": objectness / len(boxes), "class": class_term / len(boxes)}


@pytest.mark.parametrize("network", [YOLOV4, TINY, CUSTOM, UNEVEN], ids=["yolov4", "tiny", "custom", "uneven"])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"iou_threshold": 1.0},
        {"label_smoothing": 0.1},
        {"objectness_gamma": 1.5},
        {"ignore_threshold": 0.3},
        {"box": "diou"},
        {"box": "giou"},
        {"box": "mse", "iou_threshold": 0.3},
    ],
)
def test_the_loss_is_that_of_a_slow_loop_over_cells(changed, network):
    boxes = np.zeros((2, 4, 4), np.float32)
    classes = np.full((2, 4), -1, np.int32)
    boxes[0, :3] = [[10, 10, 60, 60], [11, 11, 61, 61], [2, 30, 14, 46]]
    classes[0, :3] = [0, 2, 1]
    boxes[1, 1] = [20, 5, 40, 41]  # padding before it
    classes[1, 1] = 2
    anchors, outputs, scale_xy = network
    maps = _maps(7, outputs=outputs)
    plain = {"iou_threshold": 0.213, "ignore_threshold": 0.7, "label_smoothing": 0.0, "objectness_gamma": 0.0}
    value = {"box": "ciou", **plain, **changed}
    expected = _slow_loss(maps, boxes, classes, value, network)
    found = loss.detection_loss(
        [tf.constant(m) for m in maps],
        boxes,
        classes,
        anchors,
        scale_xy,
        _settings(**changed),
        [Scale(*output) for output in outputs],
    )
    for name, number in expected.items():
        assert float(found[name]) == pytest.approx(number, rel=2e-5), name
    assert float(found["total"]) == pytest.approx(sum(expected.values()), rel=2e-5)


def test_weights_scale_their_own_term_alone():
    boxes = np.asarray([[[10, 10, 40, 50]]] * 2, np.float32)
    classes = np.asarray([[1]] * 2, np.int32)
    maps = _maps(3)
    plain = loss.detection_loss(maps, boxes, classes, ANCHORS, SCALE, _settings(), scales.YOLOV4)
    heavy = loss.detection_loss(maps, boxes, classes, ANCHORS, SCALE, _settings(box_weight=3.0), scales.YOLOV4)
    assert float(heavy["box"]) == pytest.approx(3 * float(plain["box"]), rel=1e-6)
    for name in ("objectness", "class"):
        assert float(heavy[name]) == float(plain[name])


def _several_truths():
    """Two pictures with four truths; two of them are on the same anchors of the same cells, on every output map."""
    boxes = np.zeros((2, 4, 4), np.float32)
    classes = np.full((2, 4), -1, np.int32)
    boxes[0, :3] = [[10, 10, 60, 60], [11, 11, 61, 61], [2, 30, 14, 46]]
    classes[0, :3] = [0, 2, 1]
    boxes[1, 1] = [20, 5, 40, 41]
    classes[1, 1] = 2
    return boxes, classes


def _positives(boxes, classes, threshold):
    """The cells' anchors that answer for a truth, counted one by one."""
    positive = set()
    for picture, (of_picture, its_classes) in enumerate(zip(boxes, classes, strict=True)):
        for x1, y1, x2, y2 in of_picture[its_classes >= 0]:
            w, h = x2 - x1, y2 - y1
            shared = np.minimum(w, ANCHORS[:, 0]) * np.minimum(h, ANCHORS[:, 1])
            iou = shared / (w * h + ANCHORS[:, 0] * ANCHORS[:, 1] - shared)
            for anchor in {int(np.argmax(iou)), *np.flatnonzero(iou > threshold).tolist()}:
                stride = (8, 16, 32)[anchor // 3]
                positive.add((picture, anchor, int((x1 + x2) / 2 // stride), int((y1 + y2) / 2 // stride)))
    return len(positive)


@pytest.mark.parametrize("threshold", [0.213, 1.0])
def test_a_loss_per_positive_is_the_sum_over_the_number_of_positive_anchors(threshold):
    boxes, classes = _several_truths()
    maps = _maps(7)
    per_picture, per_positive = (
        loss.detection_loss(maps, boxes, classes, ANCHORS, SCALE, settings, scales.YOLOV4)
        for settings in (_settings(iou_threshold=threshold), _settings(iou_threshold=threshold, per_positive=1.0))
    )
    count = _positives(boxes, classes, threshold)
    assert count < 4 * (9 if threshold < 1 else 1)  # two truths share their anchors
    for name in per_picture:
        assert float(per_positive[name]) == pytest.approx(float(per_picture[name]) * 2 / count, rel=1e-5), name


@pytest.mark.parametrize("per_positive", [0.0, 1.0])
def test_the_terms_of_a_batchs_parts_add_up_to_the_batchs(per_positive):
    boxes, classes = _several_truths()
    maps, settings = _maps(7), _settings(per_positive=per_positive)
    counts = loss.batch_counts(boxes, classes, ANCHORS, settings.iou_threshold, scales.YOLOV4, (64, 64))
    whole = loss.detection_loss(maps, boxes, classes, ANCHORS, SCALE, settings, scales.YOLOV4)
    parts = [
        loss.detection_loss(
            [m[k : k + 1] for m in maps],
            boxes[k : k + 1],
            classes[k : k + 1],
            ANCHORS,
            SCALE,
            settings,
            scales.YOLOV4,
            counts,
        )
        for k in range(2)
    ]
    for name in whole:
        assert sum(float(part[name]) for part in parts) == pytest.approx(float(whole[name]), rel=1e-5), name


def test_a_batch_without_truths_has_the_loss_per_picture():
    boxes, classes = np.zeros((2, 3, 4), np.float32), np.full((2, 3), -1, np.int32)
    per_picture, per_positive = (
        loss.detection_loss(_maps(3), boxes, classes, ANCHORS, SCALE, settings, scales.YOLOV4)
        for settings in (_settings(), _settings(per_positive=1.0))
    )
    assert float(per_positive["box"]) == float(per_positive["class"]) == 0.0
    assert float(per_positive["objectness"]) == float(per_picture["objectness"]) > 0.0


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.1, 1e4), st.sampled_from(box_loss.KINDS))
def test_gradients_stay_finite_whatever_the_maps_and_padding(seed, scale, kind):
    maps = [tf.constant(m) for m in _maps(seed, scale=scale)]
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[0, 0] = [5, 5, 5, 9]  # no width
    classes = np.asarray([[0, -1, -1], [-1, -1, -1]], np.int32)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        total = loss.detection_loss(maps, boxes, classes, ANCHORS, SCALE, _settings(box=kind), scales.YOLOV4)["total"]
    assert np.isfinite(float(total))
    for gradient in tape.gradient(total, maps):
        assert np.all(np.isfinite(gradient.numpy()))


def test_decoding_is_the_formula_of_the_paper():
    maps = [np.zeros((1, 64 // s, 64 // s, 3 * 8), np.float32) for s in (8, 16, 32)]
    maps[1][0, 2, 1, 8:16] = [0.3, -0.2, 0.1, -0.4, 1.0, 0.0, 2.0, -1.0]  # stride 16, row 2, column 1, anchor 1
    boxes, objectness, classes = (ops.convert_to_numpy(x) for x in decode.boxes(maps, ANCHORS, SCALE, scales.YOLOV4))
    place = 8 * 8 * 3 + (2 * 4 + 1) * 3 + 1
    cx = 16 * (1 + 1.1 * _sigmoid(0.3) - 0.05)
    cy = 16 * (2 + 1.1 * _sigmoid(-0.2) - 0.05)
    w, h = 76 * np.exp(0.1), 55 * np.exp(-0.4)
    np.testing.assert_allclose(boxes[0, place], _xyxy(cx, cy, w, h), rtol=1e-5)
    assert objectness[0, place] == pytest.approx(_sigmoid(1.0), rel=1e-5)
    np.testing.assert_allclose(classes[0, place], _sigmoid(np.asarray([0.0, 2.0, -1.0])), rtol=1e-5)
    assert boxes.shape == (1, 3 * (64 + 16 + 4), 4)


def _terms(boxes, maps=None, **changed):
    classes = np.zeros((1, len(boxes)), np.int32)
    found = loss.detection_loss(
        maps or _maps(11, batch=1),
        np.asarray([boxes], np.float32),
        classes,
        ANCHORS,
        SCALE,
        _settings(**changed),
        scales.YOLOV4,
    )
    return {name: float(found[name]) for name in ("box", "objectness", "class")}


SQUARE, TALL = [5, 5, 55, 55], [30, -20, 35, 80]  # 50 x 50: anchors 1 to 5; 5 x 100: anchor 1 alone (reference 4.1)


@pytest.mark.parametrize(
    ("changed", "term"),
    [
        ({"box": "diou"}, "box"),
        ({"box": "giou"}, "box"),
        ({"box": "mse"}, "box"),
        ({"box_weight": 2.0}, "box"),
        ({"label_smoothing": 0.1}, "class"),
        ({"class_weight": 2.0}, "class"),
        ({"objectness_gamma": 1.0}, "objectness"),
        ({"objectness_weight": 2.0}, "objectness"),
        ({"ignore_threshold": 0.2}, "objectness"),
    ],
)
def test_a_switch_changes_its_term_and_no_other(changed, term):
    plain, other = _terms([SQUARE]), _terms([SQUARE], **changed)
    assert {name for name in plain if plain[name] != other[name]} == {term}


def test_an_ignored_negative_costs_nothing():
    # a lower threshold can only leave out more negatives
    losses = [_terms([SQUARE], ignore_threshold=threshold)["objectness"] for threshold in (0.9, 0.5, 0.2, 0.05)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_the_iou_threshold_changes_how_many_anchors_answer_and_nothing_else():
    maps = [np.zeros((1, 64 // s, 64 // s, 3 * 8), np.float32) for s in (8, 16, 32)]
    several, best = _terms([SQUARE], maps), _terms([SQUARE], maps, iou_threshold=1.0)
    # all logits 0: each of the 3 classes of an answering anchor costs ln 2, and every anchor costs ln 2 of objectness
    assert several["class"] == pytest.approx(5 * 3 * np.log(2), rel=1e-6)
    assert best["class"] == pytest.approx(1 * 3 * np.log(2), rel=1e-6)
    assert several["box"] > best["box"]
    tall = {threshold: _terms([TALL], maps, iou_threshold=threshold) for threshold in (0.213, 0.5, 1.0)}
    assert tall[0.213] == tall[0.5] == tall[1.0]  # answered by the best anchor alone, whatever the threshold


def test_another_kind_of_box_term_traces_nothing_new():
    traces = []
    maps, boxes, classes = _maps(1, batch=1), np.asarray([[SQUARE]], np.float32), np.asarray([[2]], np.int32)

    @tf.function(autograph=False)
    def box_term(vector):
        traces.append(1)
        value = loss.LossSettings(*tf.unstack(vector, num=len(loss.LossSettings._fields)))
        return loss.detection_loss(maps, boxes, classes, ANCHORS, SCALE, value, scales.YOLOV4)["box"]

    found = [float(box_term(tf.constant(loss.settings(LossConfig(box=kind))))) for kind in box_loss.KINDS]
    assert len(traces) == 1
    assert len(set(found)) == len(box_loss.KINDS)


def test_settings_are_the_configuration_as_numbers():
    config = LossConfig(box="giou", box_weight=3.0, label_smoothing=0.05, objectness_gamma=1.5)
    assert loss.settings(config) == loss.LossSettings(
        box=2.0,  # ciou, diou, giou, mse
        box_weight=3.0,
        objectness_weight=1.0,
        class_weight=1.0,
        iou_threshold=0.213,
        ignore_threshold=0.7,
        label_smoothing=0.05,
        objectness_gamma=1.5,
        per_positive=0.0,
        darknet_gradient=0.0,
        max_delta=0.0,
    )
