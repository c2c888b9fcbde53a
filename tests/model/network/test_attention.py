"""The gate of YOLOv4's modified SAM, against plain numpy and its own definition."""

import keras
import numpy as np
from keras import ops

from model.network import attention


def gated() -> keras.Model:
    """Attention on four channels with seeded weights; outputs: gate and product."""
    given = keras.Input((None, None, 4))
    out = attention.spatial_attention(given, name="sam")
    model = keras.Model(given, out)
    model.get_layer("sam_conv").kernel.assign(np.random.default_rng(0).normal(0, 0.5, (1, 1, 4, 4)))
    return keras.Model(given, [model.get_layer("sam_act").output, out])


def test_a_gate_for_every_element_between_0_and_1() -> None:
    x = np.random.default_rng(1).normal(0, 2, (2, 5, 7, 4)).astype(np.float32)
    model = gated()
    for training in (False, True):
        gate, out = (ops.convert_to_numpy(one) for one in model(x, training=training))
        assert gate.shape == x.shape  # not one gate a pixel, nor one a channel
        assert gate.min() > 0
        assert gate.max() < 1
        assert np.ptp(gate, axis=-1).min() > 0
        np.testing.assert_allclose(out, x * gate, rtol=1e-6)
        assert np.all(np.abs(out) <= np.abs(x))


def test_the_sum_by_hand() -> None:
    model = gated()
    x = np.random.default_rng(2).normal(0, 1, (1, 2, 3, 4)).astype(np.float32)
    norm, kernel = model.get_layer("sam_norm"), np.asarray(model.get_layer("sam_conv").kernel)
    norm.gamma.assign([1.0, 2.0, 0.5, 1.0])
    norm.beta.assign([0.0, -1.0, 0.5, 3.0])
    norm.moving_mean.assign([0.5, 0.0, -0.5, 1.0])
    norm.moving_variance.assign([1.0, 4.0, 0.25, 9.0])
    logits = x @ kernel[0, 0]  # a 1x1 convolution is a product with every pixel's channels
    logits = (logits - [0.5, 0, -0.5, 1]) / np.sqrt(np.array([1, 4, 0.25, 9]) + 1e-5) * [1, 2, 0.5, 1]
    expected = x / (1 + np.exp(-logits - np.array([0, -1, 0.5, 3])))
    np.testing.assert_allclose(ops.convert_to_numpy(model(x)[1]), expected, rtol=1e-5, atol=1e-6)
