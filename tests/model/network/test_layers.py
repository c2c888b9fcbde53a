"""Mish and the blocks against values from the literature and from plain numpy."""

import keras
import numpy as np
import pytest
from keras import ops

from model.network import layers, multipliers


def test_mish_values() -> None:
    # yolov4 reference 1.2
    x = np.array([0, 1, -1, 2, -5, -1.1924], np.float32)
    expected = [0, 0.865098, -0.303401, 1.943959, -0.033576, -0.308843]
    np.testing.assert_allclose(ops.convert_to_numpy(layers.mish(ops.convert_to_tensor(x))), expected, atol=1e-6)


def test_mish_and_its_derivative_are_exact_and_finite_everywhere() -> None:
    tf = pytest.importorskip("tensorflow")
    x = np.concatenate([np.linspace(-30, 30, 2001), [-1e30, -1e4, -88, 88, 1e4, 1e30]]).astype(np.float32)
    with tf.GradientTape() as tape:
        tensor = tf.constant(x)
        tape.watch(tensor)
        value = layers.mish(tensor) * 3.0
    slope = tape.gradient(value, tensor).numpy() / 3
    wide = x.astype(np.float64)
    softplus = np.logaddexp(0, wide)
    gate, sigma = np.tanh(softplus), np.exp(-np.logaddexp(0, -wide))
    np.testing.assert_allclose(value.numpy() / 3, wide * gate, rtol=2e-6, atol=1e-7)
    # Misra 2019: tanh(sp) + x (1 - tanh(sp)^2) sigma(x)
    np.testing.assert_allclose(slope, gate + wide * (1 - gate**2) * sigma, rtol=1e-5, atol=3e-6)


def test_mish_keeps_half_precision() -> None:
    half = ops.convert_to_tensor(np.array([1.0, 60000.0], np.float16))
    out = layers.mish(half)
    assert keras.backend.standardize_dtype(out.dtype) == "float16"
    np.testing.assert_allclose(ops.convert_to_numpy(out), [0.865, 60000], rtol=1e-3)


def test_spatial_pyramid_is_max_pools_of_13_9_and_5() -> None:
    x = np.random.default_rng(0).normal(size=(1, 14, 11, 2)).astype(np.float32)
    given = keras.Input((None, None, 2))
    model = keras.Model(given, layers.spatial_pyramid(given, name="spp"))
    padded = np.pad(x, ((0, 0), (6, 6), (6, 6), (0, 0)), constant_values=-np.inf)  # padding never wins
    parts = []
    for reach in (6, 4, 2):
        windows = [
            padded[:, 6 + dy : 20 + dy, 6 + dx : 17 + dx]
            for dy in range(-reach, reach + 1)
            for dx in range(-reach, reach + 1)
        ]
        parts.append(np.max(windows, axis=0))
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), np.concatenate([*parts, x], axis=-1))


def test_stride_2_pads_top_and_left() -> None:
    given = keras.Input((None, None, 1))
    model = keras.Model(given, layers.convolution(given, 1, 3, stride=2, kind="leaky", name="down"))
    model.get_layer("down_conv").kernel.assign(np.ones((3, 3, 1, 1)))
    # The windows cover rows and columns -1 to 1 and 1 to 3; padding at the bottom would make them 0 to 2 and 2 to 4.
    for place, expected in [(1, [[1, 1], [1, 1]]), (2, [[0, 0], [0, 1]])]:
        x = np.zeros((1, 4, 4, 1), np.float32)
        x[0, place, place] = 1.0
        out = ops.convert_to_numpy(model(x))[0, :, :, 0]
        np.testing.assert_allclose(out, np.array(expected) / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_leaky_has_darknets_slope() -> None:
    out = layers.activation("leaky", "act")(np.array([-2.0, 3.0], np.float32))
    np.testing.assert_allclose(ops.convert_to_numpy(out), [-0.2, 3.0], rtol=1e-6)


def test_upsampling_repeats_pixels() -> None:
    given = keras.Input((None, None, 1))
    model = keras.Model(given, layers.upsample(given, name="up"))
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), x.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(32, 1.0, 32), (1024, 1.0, 1024), (32, 0.25, 8), (32, 0.01, 4), (64, 0.3, 20)]
)
def test_scaled_channels(channels: int, width: float, expected: int) -> None:
    assert multipliers.scaled_channels(channels, width) == expected
