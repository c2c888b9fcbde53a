"""SAT's first stage: by hand on a toy, and on small networks: weights do not change, the picture empties."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data.digits import scenes
from model import checkpoint
from model.config import DetectorConfig, LossConfig, RegularizationConfig
from model.network import architecture, decode, head, initialize, scales
from model.network.normalization import DEFAULT_MOMENTUM, BatchNorm
from model.training import adversarial, loss

ANCHORS = np.asarray(
    [(12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)], np.float32
)
CLASSES = 3
SHIPPED = Path(__file__).parents[3] / "search_spaces" / "embedded_base.keras"
SIGN, L2, RAW = (adversarial.norm_index(name) for name in ("sign", "l2", "raw"))


def _perturb(model, images, *, strength=0.008, norm=SIGN, true_loss=None):
    return adversarial.perturb(
        model,
        images,
        anchors=tf.constant(ANCHORS),
        maps=scales.YOLOV4,
        strength=tf.constant(strength, tf.float32),
        norm=tf.constant(norm, tf.int32),
        true_loss=true_loss,
    ).numpy()


def _images(seed, side=64, batch=2):
    return np.random.default_rng(seed).uniform(0, 1, (batch, side, side, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return architecture.build(DetectorConfig(width=0.125, depth=0.34), CLASSES)


@pytest.fixture(scope="module", params=[0, 1, 2])
def awake(network, request):
    """A network with random weights that detects many objects; its running statistics are those of similar pictures.

    The box values keep their small kernels: a loss scaled by the boxes is compared before and after.
    """
    initialize.initialize(network, CLASSES, request.param)
    rng = np.random.default_rng(request.param)
    for stride in (8, 16, 32):
        kernel, bias = network.get_layer(head.output_name(stride)).weights
        gain = np.repeat([[1.0] * 4 + [10.0] * (1 + CLASSES)], 3, axis=0).ravel()
        kernel.assign(gain * np.asarray(kernel.value))
        bias.assign(rng.normal(0, 1, bias.shape))
    norms = [layer for layer in network.layers if isinstance(layer, BatchNorm)]
    for layer in norms:
        layer.momentum = 0.0
    network(_images(100 + request.param, batch=8), training=True)
    for layer in norms:
        layer.momentum = DEFAULT_MOMENTUM
    return network


def _scores(model, images):
    _, objectness, classes = decode.boxes(
        model(images, training=False), tf.constant(ANCHORS), tf.constant([1.2, 1.1, 1.05]), scales.YOLOV4
    )
    return np.asarray(objectness)[..., None] * np.asarray(classes)


def _empty_loss(model, images):
    return float(adversarial.empty_loss(model(images, training=False), tf.constant(ANCHORS), scales.YOLOV4))


def test_the_empty_loss_by_hand():
    # 32 x 32 px: 16 + 4 + 1 cells. All raw values 0 but one anchor's, the first of stride 32, anchor 142 x 110
    # with tw = th = log(0.1): 14.2 x 11 px, sqrt(14.2 * 11 / 1024) = 0.390560; every other box: sqrt(w * h) / 32,
    # at most 1. softplus(0) = 0.693147; sigmoid(0)^2 = 0.25 is not above 0.25, so no class counts there.
    maps = [np.zeros((1, 32 // s, 32 // s, 3 * 7), np.float32) for s in (8, 16, 32)]
    maps[2][0, 0, 0, :7] = [0.3, -0.4, np.log(0.1), np.log(0.1), 2.0, 1.0, -3.0]
    shares = np.minimum(np.sqrt(ANCHORS[:, 0] * ANCHORS[:, 1]) / 32, 1.0)
    others = 0.693147 * (16 * shares[:3].sum() + 4 * shares[3:6].sum() + shares[7:].sum())
    # objectness 2: softplus 2.126928, sigmoid 0.880797; class 1: softplus 1.313262, product 0.6439 > 0.25;
    # class -3: product 0.0418, not counted
    expected = others + 0.390560 * (2.126928 + 1.313262)
    found = adversarial.empty_loss([tf.constant(m) for m in maps], ANCHORS, scales.YOLOV4)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_empty_loss_of_yolov4_tiny_by_hand():
    # 32 x 32 px: 4 + 1 cells, all raw values 0, no class counts: softplus(0) times sqrt(w * h) / 32, at most 1, of
    # anchors 1 to 3 (23 x 27, the others larger than the picture) and 3 to 5 (all larger)
    anchors = np.asarray([(10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)], np.float32)
    maps = [tf.zeros((1, 32 // s, 32 // s, 3 * 7)) for s in (16, 32)]
    expected = 0.693147 * (4 * (np.sqrt(23 * 27) / 32 + 2) + 3)
    assert float(adversarial.empty_loss(maps, anchors, scales.TINY)) == pytest.approx(expected, rel=1e-5)


def test_the_three_steps_by_hand():
    # one pixel of (0.6, 0.0, 0.8), norm 1; a 1x1 convolution with weights (3, 0, -4): the gradient of its output
    images = tf.constant([[[[0.6, 0.0, 0.8]]]])
    toy = tf.keras.layers.Conv2D(1, 1, use_bias=False)
    toy.build((None, None, None, 3))
    toy.kernel.assign(np.reshape([3.0, 0.0, -4.0], (1, 1, 3, 1)))

    def model(pictures, training):
        assert training is False
        return [toy(pictures)]

    def found(norm, strength):  # up the output, as goal "truth" goes up the loss
        return _perturb(model, images, norm=norm, strength=strength, true_loss=lambda maps: tf.reduce_sum(maps[0]))

    np.testing.assert_allclose(found(SIGN, 0.1).ravel(), [0.7, 0.0, 0.7], atol=1e-6)
    np.testing.assert_allclose(found(L2, 0.1).ravel(), [0.66, 0.0, 0.72], atol=1e-6)  # 0.1 * 1 * (3, 0, -4) / 5
    np.testing.assert_allclose(found(RAW, 0.01).ravel(), [0.63, 0.0, 0.76], atol=1e-6)
    np.testing.assert_allclose(found(RAW, 1.0).ravel(), [1.0, 0.0, 0.0], atol=1e-6)  # clipped


def test_a_pictures_step_does_not_depend_on_its_neighbours(network):
    initialize.initialize(network, CLASSES, 0)
    images = _images(0)

    def mean_objectness(maps):  # a mean over the pictures, as the detection loss
        return tf.reduce_sum(tf.reduce_mean(maps[2], axis=0))

    for norm, strength in ((SIGN, 0.01), (L2, 0.05), (RAW, 0.1)):
        for goal in (None, mean_objectness):
            both = _perturb(network, images, norm=norm, strength=strength, true_loss=goal)
            alone = _perturb(network, images[1:], norm=norm, strength=strength, true_loss=goal)
            # a channel whose gradient is near 0 may change its sign with the order of the sums
            assert np.mean(np.abs(both[1:] - alone) > 1e-4) < 1e-3


def test_without_a_gradient_or_strength_nothing_changes(network):
    initialize.initialize(network, CLASSES, 0)
    images = _images(1)
    for norm in (SIGN, L2, RAW):
        flat = _perturb(
            lambda pictures, training: [tf.zeros((2, 2, 2, 24))], images, norm=norm, true_loss=lambda m: tf.zeros(())
        )
        np.testing.assert_array_equal(flat, images)
        np.testing.assert_array_equal(_perturb(network, images, norm=norm, strength=0.0), images)
    np.testing.assert_array_equal(_perturb(network, np.zeros_like(images), norm=L2), 0)  # a black picture has no norm


def test_a_gradient_that_is_not_finite_counts_as_none():
    images = tf.fill((1, 2, 2, 3), 0.5)
    for norm in (SIGN, L2, RAW):
        found = _perturb(lambda p, training: [p], images, norm=norm, true_loss=lambda m: tf.reduce_sum(m[0] * np.inf))
        np.testing.assert_array_equal(found, images)


def test_a_tiny_gradient_has_a_direction():
    gradient = tf.constant([[[[3e-15, 0.0, -4e-15]]]])  # 4e-15 squared is 0 in float32's normal range of sums
    found = adversarial.image_change(tf.constant([[[[0.6, 0.0, 0.8]]]]), gradient, 0.1, L2)
    np.testing.assert_allclose(np.asarray(found).ravel(), [0.06, 0.0, -0.08], atol=1e-6)


def test_the_picture_empties_and_the_weights_stand_still(awake):
    images = _images(7)
    before = [np.asarray(v.value).copy() for v in awake.weights]
    old_scores, old_loss = _scores(awake, images), _empty_loss(awake, images)
    assert old_scores.max() > 0.5  # there is something to hide
    # Small steps: a random network is a rough function, and a gradient tells of the near only.
    for norm, strength in ((SIGN, 0.05 / 255), (L2, 0.0005), (RAW, 5e-7)):
        changed = _perturb(awake, images, norm=norm, strength=strength)
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert not np.array_equal(changed, images)
        fall = old_loss - _empty_loss(awake, changed)
        rng = np.random.default_rng(0)
        for _ in range(3):  # the same changes in other places
            noise = rng.permutation((changed - images).ravel()).reshape(images.shape)
            assert fall > 2 * abs(_empty_loss(awake, np.clip(images + noise, 0, 1)) - old_loss)
        assert _scores(awake, changed).max() <= old_scores.max() + 1e-3
    for value, variable in zip(before, awake.weights, strict=True):
        np.testing.assert_array_equal(value, np.asarray(variable.value))


def test_a_trained_detector_loses_sight_of_its_digits_at_the_default_strength():
    network, info = checkpoint.load_detector(SHIPPED)
    scenes_ = [scenes.draw_scene(0, "test", number, 96, "target").image for number in range(8)]
    images = np.stack(scenes_).astype(np.float32) / 255
    anchors = tf.constant(info.anchors)

    def top(pictures):
        _, objectness, classes = decode.boxes(
            network(pictures, training=False), anchors, tf.constant(info.detector.scale_xy), scales.YOLOV4
        )
        return np.max(np.asarray(objectness)[..., None] * np.asarray(classes), axis=(1, 2))

    changed = adversarial.perturb(
        network,
        images,
        anchors=anchors,
        maps=scales.YOLOV4,
        strength=RegularizationConfig().sat_strength,
        norm=SIGN,
    ).numpy()
    noise = np.random.default_rng(0).permutation((changed - images).ravel()).reshape(images.shape)
    assert np.sum(top(changed) < top(images)) >= 6  # a step of 2/255 may overshoot in one picture or another
    plain, hidden, noisy = (float(np.mean(top(p))) for p in (images, changed, np.clip(images + noise, 0, 1)))
    assert plain - hidden > 5 * abs(plain - noisy)  # the shipped base has met SAT in its own training, and still


def test_goal_truth_raises_the_true_loss(awake):
    boxes = tf.constant([[[8.0, 8.0, 40.0, 30.0]], [[20.0, 10.0, 60.0, 60.0]]])
    classes = tf.constant([[0], [2]])
    images = _images(8)
    scale_xy = tf.constant([1.2, 1.1, 1.05])

    def true_loss(maps):
        settings = loss.settings(LossConfig())
        anchors = tf.constant(ANCHORS)
        return loss.detection_loss(maps, boxes, classes, anchors, scale_xy, settings, scales.YOLOV4)["total"]

    before = float(true_loss(awake(images, training=False)))
    changed = _perturb(awake, images, strength=0.05 / 255, true_loss=true_loss)
    noise = np.random.default_rng(0).permutation((changed - images).ravel()).reshape(images.shape)
    rise = float(true_loss(awake(changed, training=False))) - before
    assert rise > 3 * abs(float(true_loss(awake(np.clip(images + noise, 0, 1), training=False))) - before)


def test_strength_norm_and_size_trace_nothing_anew(network):
    initialize.initialize(network, CLASSES, 0)
    traces = []

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float32),
            tf.TensorSpec((), tf.float32),
            tf.TensorSpec((), tf.float32),
        ],
        autograph=False,
    )
    def compiled(images, strength, norm):
        traces.append(1)
        return adversarial.perturb(
            network, images, anchors=tf.constant(ANCHORS), maps=scales.YOLOV4, strength=strength, norm=norm
        )

    for side, strength, norm in ((64, 0.01, SIGN), (96, 0.05, L2)):
        images = _images(3, side=side, batch=1)
        found = compiled(images, strength, norm).numpy()
        eager = _perturb(network, images, strength=strength, norm=norm)
        assert np.mean(np.abs(found - eager) > 1e-4) < 1e-3
    assert len(traces) == 1


def test_no_gradient_flows_through_the_result():
    images = tf.Variable(tf.fill((1, 2, 2, 3), 0.5))
    with tf.GradientTape() as tape:
        changed = adversarial.perturb(
            lambda p, training: [2 * p],
            images,
            anchors=ANCHORS,
            maps=scales.YOLOV4,
            strength=0.1,
            norm=SIGN,
            true_loss=lambda m: m[0][0, 0, 0, 0],
        )
    assert tape.gradient(changed, images) is None
