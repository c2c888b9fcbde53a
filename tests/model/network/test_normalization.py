"""BatchNorm against numpy, and its momentum as a tensor that retraces nothing."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops
from numpy.typing import NDArray

from model.network.normalization import EPSILON, BatchNorm, Statistics, cumulative_statistics


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


def parts_of(count: int, size: int = 2) -> NDArray[np.float32]:
    """Mini-batches of different statistics, one after the other: [count * size, 4, 3, 3]."""
    rng = np.random.default_rng(1)
    parts = [rng.normal([k, 4 - k, -20], [1 + k, 3, 0.5], (size, 4, 3, 3)) for k in range(count)]
    return np.concatenate(parts).astype(np.float32)


def by_the_figure(x: NDArray[np.float32], count: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """M_k and var_k of the reference's 5.2, from E[x] and E[x^2] in float64."""
    mean, square, found = np.zeros(3), np.zeros(3), []
    for k, part in enumerate(np.split(x.astype(np.float64), count), start=1):
        mean = (part.mean(axis=(0, 1, 2)) + (k - 1) * mean) / k
        square = ((part**2).mean(axis=(0, 1, 2)) + (k - 1) * square) / k
        found.append((mean, square - mean**2))
    return found


def cross_layer(x: NDArray[np.float32], mini_batches: int, cross: float = 1.0) -> BatchNorm:
    layer = layer_for(x)
    layer.mini_batches, layer.cross_mini_batch = mini_batches, cross
    return layer


def test_cross_mini_batch_statistics_are_those_of_the_paper(x: NDArray[np.float32]) -> None:
    x = parts_of(4)
    layer = cross_layer(x, 4)
    out = np.split(ops.convert_to_numpy(layer(x, training=True)), 4)
    for part, got, (mean, variance) in zip(np.split(x, 4), out, by_the_figure(x, 4), strict=True):
        expected = (part - mean) / np.sqrt(variance + EPSILON) * [1, 2, 0.5] + [0, 1, -1]
        np.testing.assert_allclose(got, expected, atol=1e-3)
    wide = x.astype(np.float64)  # the running statistics are the whole batch's
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01 * wide.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.99 + 0.01 * wide.var(axis=(0, 1, 2)), rtol=1e-4)


def test_without_cross_each_mini_batch_stands_alone() -> None:
    x = parts_of(3)
    out = np.split(ops.convert_to_numpy(cross_layer(x, 3, cross=0.0)(x, training=True)), 3)
    for part, got in zip(np.split(x, 3), out, strict=True):
        alone = ops.convert_to_numpy(layer_for(x)(part, training=True))
        np.testing.assert_allclose(got, alone, atol=1e-4)


def test_one_mini_batch_is_plain_batch_normalization(x: NDArray[np.float32]) -> None:
    plain = ops.convert_to_numpy(layer_for(x)(x, training=True))
    np.testing.assert_array_equal(ops.convert_to_numpy(cross_layer(x, 1)(x, training=True)), plain)


@given(st.integers(2, 5), st.integers(0, 1000))
def test_equal_mini_batches_give_batch_normalization(count: int, seed: int) -> None:
    part = np.random.default_rng(seed).normal(3, 2, (2, 3, 3, 3)).astype(np.float32)
    x = np.concatenate([part] * count)
    out = np.split(ops.convert_to_numpy(cross_layer(x, count)(x, training=True)), count)
    plain = ops.convert_to_numpy(layer_for(part)(part, training=True))
    for got in out:
        np.testing.assert_allclose(got, plain, atol=1e-4)


@given(hnp.arrays(np.float64, (4, 2), elements=st.floats(-1e3, 1e3)), st.integers(0, 1000))
def test_the_variance_is_never_below_zero(mean: NDArray[np.float64], seed: int) -> None:
    variance = np.random.default_rng(seed).uniform(0, 1e-6, (4, 2))
    _, found = cumulative_statistics(ops.convert_to_tensor(mean), ops.convert_to_tensor(variance))
    assert (ops.convert_to_numpy(found) >= 0).all()


def test_one_by_one_or_together_is_the_same() -> None:
    x = parts_of(4)
    together = ops.convert_to_numpy(cross_layer(x, 4)(x, training=True))
    layer, before, found = cross_layer(x, 2), Statistics(0.0, np.zeros(3, np.float32), np.ones(3, np.float32)), []
    layer.defer_update = True
    for k, half in enumerate(np.split(x, 2)):
        layer.earlier = before._replace(count=2.0 * k)
        found.append(ops.convert_to_numpy(layer(half, training=True)))
        before = Statistics(0.0, *layer.batch_moments)
    np.testing.assert_allclose(np.concatenate(found), together, atol=1e-4)
    assert layer.moving_mean.numpy().tolist() == [0, 0, 0]  # deferred


def test_the_gradient_of_the_cumulative_statistics_takes_what_went_before_as_constant() -> None:
    """In float64, against finite differences of the paper's formulas in which only the present mini-batch varies."""
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(2)
    mean, variance = rng.normal(0, 2, (3, 2)), rng.uniform(0.5, 2, (3, 2))
    weights = rng.normal(size=(2, 3, 2))  # of M_k and var_k in the function whose gradient is taken

    def value_of(k: int, mu: NDArray[np.float64], own: NDArray[np.float64]) -> float:
        """The part of the k-th mini-batch, with mu and own in the place of its mean and variance."""
        means, squares = mean[: k + 1].copy(), (variance + mean**2)[: k + 1].copy()
        means[k], squares[k] = mu, own + mu**2
        m, q = means.mean(axis=0), squares.mean(axis=0)
        return float((weights[0, k] * m + weights[1, k] * np.sin(q - m**2)).sum())

    a, b = tf.constant(mean), tf.constant(variance)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        m, v = cumulative_statistics(a, b)
        total = tf.reduce_sum(weights[0] * m + weights[1] * tf.sin(v))
    got = tape.gradient(total, [a, b])
    step = 1e-6
    for k in range(3):
        for c in range(2):
            for which, base in ((0, mean), (1, variance)):
                there, back = base[k].copy(), base[k].copy()
                there[c] += step
                back[c] -= step
                ends = [value_of(k, *((end, variance[k]) if which == 0 else (mean[k], end))) for end in (there, back)]
                expected = (ends[0] - ends[1]) / (2 * step)
                assert got[which][k, c].numpy() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def normalized_part(
    x: NDArray[np.float64], gamma: NDArray[np.float64], beta: NDArray[np.float64], before: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The paper's figure for one mini-batch [b, h, w, c]; before: E[x] and E[x^2], [2, c], of each one before it."""
    own = np.stack([x.mean(axis=(0, 1, 2)), (x**2).mean(axis=(0, 1, 2))])
    mean, square = np.mean([*before, own], axis=0)
    return (x - mean) / np.sqrt(square - mean**2 + EPSILON) * gamma + beta


@pytest.mark.parametrize("cross", [1.0, 0.0], ids=["cmbn", "each by itself"])
@pytest.mark.parametrize("at_once", [3, 1], ids=["together", "one by one"])
def test_the_whole_normalizations_gradient_takes_what_went_before_as_constant(cross: float, at_once: int) -> None:
    """Gradients by x, gamma and beta, against central differences in float64 with earlier mini-batches' moments fixed.

    The layer computes in float32, so it is held to 1e-3 of the largest gradient; the differences are good to 1e-8.
    """
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(3)
    x = (
        rng.normal([0, 2], [1, 0.7], (3, 2, 2, 2, 2)).astype(np.float32)
        + np.float32([0, 1, -1])[:, None, None, None, None]
    )
    weights = rng.normal(size=x.shape)
    gamma, beta = np.array([1.5, 0.5]), np.array([0.2, -1.0])
    moments = [np.stack([part.mean(axis=(0, 1, 2)), (part**2).mean(axis=(0, 1, 2))]) for part in x.astype(np.float64)]

    def value_of(k: int, part: NDArray[np.float64], g: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        before = moments[:k] if cross else []
        return float((weights[k] * np.sin(normalized_part(part, g, b, before))).sum())

    def slopes(k: int, which: int) -> NDArray[np.float64]:
        """Central differences by x (0), gamma (1) or beta (2) of the k-th mini-batch's share."""
        arguments = [x[k].astype(np.float64), gamma, beta]
        found = np.zeros_like(arguments[which])
        for place in np.ndindex(found.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [one.copy() for one in arguments]
                moved[which][place] += step
                ends.append(value_of(k, *moved))
            found[place] = (ends[0] - ends[1]) / 2e-5
        return found

    layer = BatchNorm()
    layer.build((None, 2, 2, 2))
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    layer.mini_batches, layer.cross_mini_batch, layer.defer_update = at_once, cross, True
    expected = [np.stack([slopes(k, 0) for k in range(3)]), *(sum(slopes(k, i) for k in range(3)) for i in (1, 2))]
    got = [np.zeros(one.shape) for one in expected]
    for first in range(0, 3, at_once):
        together = x[first : first + at_once].reshape(-1, 2, 2, 2)
        if at_once < 3:
            mean, variance = (np.zeros(2), np.ones(2)) if layer.batch_moments is None else layer.batch_moments
            layer.earlier = Statistics(np.float32(first), tf.cast(mean, "float32"), tf.cast(variance, "float32"))
        with tf.GradientTape() as tape:
            given = tf.constant(together)
            tape.watch(given)
            out = tf.reshape(layer(given, training=True), (at_once, *x.shape[1:]))
            value = tf.reduce_sum(weights[first : first + at_once].astype(np.float32) * tf.sin(out))
        by_x, by_gamma, by_beta = tape.gradient(value, [given, layer.gamma.value, layer.beta.value])
        got[0][first : first + at_once] = by_x.numpy().reshape(at_once, *x.shape[1:])
        got[1] += by_gamma.numpy()
        got[2] += by_beta.numpy()
    for mine, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4 * float(np.abs(other).max()))
