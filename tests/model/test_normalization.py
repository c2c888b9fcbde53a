"""BatchNorm against numpy, and its momentum as a tensor that retraces nothing."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray

from model.normalization import EPSILON, BatchNorm


@pytest.fixture
def x() -> NDArray[np.float32]:
    """Two pictures of 5 x 6, three channels, far from zero."""
    return np.random.default_rng(0).normal([0, 5, -20], [1, 3, 0.5], (2, 5, 6, 3)).astype(np.float32)


def layer_for(x: NDArray[np.float32]) -> BatchNorm:
    layer = BatchNorm()
    layer.build(x.shape)
    layer.gamma.assign([1.0, 2.0, 0.5])
    layer.beta.assign([0.0, 1.0, -1.0])
    return layer


def test_training_normalizes_by_the_batch_and_updates_with_the_biased_variance(x: NDArray[np.float32]) -> None:
    layer = layer_for(x)
    out = ops.convert_to_numpy(layer(x, training=True))
    wide = x.astype(np.float64)
    mean, variance = wide.mean(axis=(0, 1, 2)), wide.var(axis=(0, 1, 2))
    expected = (wide - mean) / np.sqrt(variance + EPSILON) * [1, 2, 0.5] + [0, 1, -1]
    np.testing.assert_allclose(out, expected, atol=2e-4)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01 * mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.99 + 0.01 * variance, rtol=1e-4)


def test_inference_uses_the_running_statistics_and_leaves_them(x: NDArray[np.float32]) -> None:
    layer = layer_for(x)
    layer.moving_mean.assign([1.0, 2.0, 3.0])
    layer.moving_variance.assign([4.0, 9.0, 16.0])
    out = ops.convert_to_numpy(layer(x, training=False))
    expected = (x - [1, 2, 3]) / np.sqrt(np.array([4, 9, 16]) + EPSILON) * [1, 2, 0.5] + [0, 1, -1]
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    assert layer.moving_mean.numpy().tolist() == [1, 2, 3]
    assert layer.moving_variance.numpy().tolist() == [4, 9, 16]


def test_agrees_with_keras_own_layer_and_its_gradients(x: NDArray[np.float32]) -> None:
    tf = pytest.importorskip("tensorflow")
    ours, theirs = layer_for(x), keras.layers.BatchNormalization(epsilon=EPSILON)
    theirs.build(x.shape)
    theirs.gamma.assign(ours.gamma)
    theirs.beta.assign(ours.beta)
    gradients = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tensor = tf.constant(x)
            tape.watch(tensor)
            value = tf.reduce_sum(tf.sin(layer(tensor, training=True)))
        gradients.append(tape.gradient(value, [tensor, layer.gamma.value, layer.beta.value]))
    for mine, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)


def test_momentum_may_be_a_tensor_of_the_step(x: NDArray[np.float32]) -> None:
    tf = pytest.importorskip("tensorflow")
    layer = layer_for(x)
    traces = 0

    def step(images: object, momentum: object) -> object:
        nonlocal traces
        traces += 1
        layer.momentum = momentum
        return layer(images, training=True)

    compiled = tf.function(step)
    mean = x.mean(axis=(0, 1, 2))
    compiled(tf.constant(x), tf.constant(0.0))
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-4)
    compiled(tf.constant(x * 0), tf.constant(0.75))
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.75 * mean, rtol=1e-4)
    assert traces == 1
    assert layer.get_config()["momentum"] == 0.99  # a tensor is no setting


def test_constant_channel_gives_no_negative_variance() -> None:
    x = np.full((2, 4, 4, 1), 1000.1, np.float32)
    layer = BatchNorm()
    assert np.all(np.isfinite(ops.convert_to_numpy(layer(x, training=True))))
    assert layer.moving_variance.numpy()[0] >= 0


def test_statistics_stay_float32_under_mixed_precision(x: NDArray[np.float32]) -> None:
    layer = BatchNorm(dtype="mixed_float16")
    out = layer(x, training=True)
    assert keras.backend.standardize_dtype(out.dtype) == "float16"
    assert layer.moving_mean.dtype == "float32"
