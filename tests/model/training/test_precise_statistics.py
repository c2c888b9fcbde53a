"""Normalization statistics before a score: those of the given pictures, at the current weights."""

import keras
import numpy as np
import pytest

from model.network.normalization import EPSILON, BatchNorm
from model.training.precise_statistics import PreciseStatistics


@pytest.fixture
def model() -> keras.Model:
    """Two 1x1 convolutions with a normalization each; running statistics far from the pictures'."""
    picture = keras.Input((None, None, 3))
    x = BatchNorm(name="first")(keras.layers.Conv2D(4, 1, use_bias=False, name="a")(picture))
    x = BatchNorm(name="second")(keras.layers.Conv2D(2, 1, use_bias=False, name="b")(keras.ops.relu(x)))
    made = keras.Model(picture, x)
    rng = np.random.default_rng(0)
    for weight in made.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return made


def pictures(count: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 200 + 20 * k, (4, 8, 8, 3)).astype(np.uint8) for k in range(count)]


def layers_inputs(model: keras.Model, batch: np.ndarray) -> list[np.ndarray]:
    """What each BatchNorm gets in training mode, by hand in float64."""
    x = batch.astype(np.float64) / 255 @ np.asarray(model.get_layer("a").kernel, np.float64)[0, 0]
    norm = model.get_layer("first")
    y = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + EPSILON) * np.asarray(norm.gamma) + np.asarray(norm.beta)
    return [x, np.maximum(y, 0) @ np.asarray(model.get_layer("b").kernel, np.float64)[0, 0]]


def test_statistics_are_those_of_all_values_each_batch_passing_by_its_own(model: keras.Model):
    batches = pictures(3)
    found = PreciseStatistics(model).estimate(batches)
    inputs = [layers_inputs(model, batch) for batch in batches]
    for k, (mean, variance) in enumerate(found):
        values = np.concatenate([one[k] for one in inputs])
        np.testing.assert_allclose(mean, values.mean((0, 1, 2)), rtol=1e-4)
        np.testing.assert_allclose(variance, values.var((0, 1, 2)), rtol=1e-3)


def test_they_are_in_place_inside_and_the_training_has_its_own_back(model: keras.Model):
    statistics, batches = PreciseStatistics(model), pictures(2)
    before = [np.asarray(weight).copy() for weight in model.weights]
    estimated = statistics.estimate(batches)
    with statistics.in_place(batches):
        np.testing.assert_allclose(np.asarray(model.get_layer("first").moving_mean), estimated[0][0], rtol=1e-6)
        np.testing.assert_allclose(np.asarray(model.get_layer("second").moving_variance), estimated[1][1], rtol=1e-6)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)


def test_an_error_inside_gives_the_training_its_own_back_too(model: keras.Model):
    before = np.asarray(model.get_layer("first").moving_mean).copy()
    with pytest.raises(RuntimeError), PreciseStatistics(model).in_place(pictures(1)):
        raise RuntimeError
    np.testing.assert_array_equal(np.asarray(model.get_layer("first").moving_mean), before)


def test_without_pictures_the_running_ones_stay(model: keras.Model):
    before = np.asarray(model.get_layer("first").moving_mean).copy()
    with PreciseStatistics(model).in_place([]):
        np.testing.assert_array_equal(np.asarray(model.get_layer("first").moving_mean), before)


def test_the_same_weights_have_the_same_statistics_whatever_sizes_were_trained_on(model: keras.Model):
    """A network's score is a function of its weights: running statistics of another size do not matter."""
    statistics, batches = PreciseStatistics(model), pictures(2)
    first = statistics.estimate(batches)
    large = np.random.default_rng(5).integers(0, 255, (4, 16, 16, 3)).astype(np.uint8)
    model(large.astype(np.float32) / 255, training=True)  # moves the running statistics
    for (mean, variance), (again, varied) in zip(first, statistics.estimate(batches), strict=True):
        np.testing.assert_array_equal(mean, again)
        np.testing.assert_array_equal(variance, varied)
