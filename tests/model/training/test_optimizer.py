"""The update against Darknet's rule written out by hand, in Darknet's own variables."""

import keras
import numpy as np
import pytest

from model.config import OptimizerConfig
from model.training.optimizer import MomentumSGD, UpdateSettings

PACE = UpdateSettings(
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.0,
    max_gradient_norm=OptimizerConfig().max_gradient_norm,  # as everybody trains
    spike_factor=OptimizerConfig().spike_factor,
    backbone_active=1.0,
    ema_decay=0.0,
)


class Weight(keras.layers.Layer):
    """One variable with its own path, like a network's."""

    def __init__(self, layer: str, name: str, value: object) -> None:
        super().__init__(name=layer)
        array = np.asarray(value, np.float32)
        self.variable = self.add_weight(shape=array.shape, name=name)
        self.variable.assign(array)


def _variables():
    kernel = Weight("neck_conv", "kernel", [[1.0, -2.0], [0.5, 3.0]]).variable
    bias = Weight("neck_conv", "bias", [0.25, -0.75]).variable
    return bias, kernel


def test_two_steps_are_darknets_with_its_sums_over_the_batch():
    # Darknet (reference 7.1), g = -dL/dw summed over the batch: v += g - decay*batch*w; w += lr/batch*v; v *= momentum
    batch, momentum, decay, rates = 4, 0.9, 0.01, (0.1, 0.05)
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    assert [v.name for v in sgd.variables] == ["kernel", "bias"]
    expected = {"kernel": np.asarray(kernel.value, np.float64), "bias": np.asarray(bias.value, np.float64)}
    v = {name: np.zeros_like(value) for name, value in expected.items()}
    rng = np.random.default_rng(0)
    for rate in rates:
        mean = {"kernel": rng.normal(size=(2, 2)), "bias": rng.normal(size=2)}
        for name in expected:
            shrunk = decay * batch * expected[name] if name == "kernel" else 0.0
            v[name] += -batch * mean[name] - shrunk
            expected[name] = expected[name] + rate / batch * v[name]
            v[name] *= momentum
        gradients = [mean[variable.name].astype(np.float32) for variable in sgd.variables]
        sgd.apply(sgd.flatten(gradients), PACE._replace(learning_rate=rate, momentum=momentum, weight_decay=decay))
    np.testing.assert_allclose(np.asarray(kernel.value), expected["kernel"], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(bias.value), expected["bias"], rtol=1e-5)


def test_clipping_keeps_the_direction_and_bounds_the_norm():
    bias, kernel = _variables()
    before = np.asarray(kernel.value).copy()
    sgd = MomentumSGD([bias, kernel])
    gradients = sgd.flatten([np.full((2, 2), 6.0, np.float32), np.zeros(2, np.float32)])  # norm 12
    clipped = sgd.apply(gradients, PACE._replace(learning_rate=1.0, momentum=0.0, max_gradient_norm=3.0))
    assert (float(clipped.norm), float(clipped.shortened)) == (pytest.approx(12.0), 1.0)
    np.testing.assert_allclose(before - np.asarray(kernel.value), np.full((2, 2), 1.5), rtol=1e-6)


def test_nan_is_not_clipped_into_silence():
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    gradients = sgd.flatten([np.asarray([[np.nan, 0], [0, 0]], np.float32), np.zeros(2, np.float32)])
    sgd.apply(gradients, PACE._replace(max_gradient_norm=1.0))
    assert np.isnan(np.asarray(kernel.value)).any()


def test_reset_forgets_the_velocity():
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    sgd.apply(sgd.flatten([np.ones((2, 2), np.float32), np.ones(2, np.float32)]), PACE)
    sgd.reset()
    before = np.asarray(kernel.value).copy()
    sgd.apply(sgd.flatten([np.zeros((2, 2), np.float32), np.zeros(2, np.float32)]), PACE)
    np.testing.assert_array_equal(np.asarray(kernel.value), before)


def test_decay_is_for_kernels_and_residual_weights_alone():
    names = ("kernel", "shortcut_weights", "gamma", "beta", "bias")
    variables = [Weight("neck_x", name, [1.0]).variable for name in names]
    sgd = MomentumSGD(variables)
    zero = sgd.flatten([np.zeros(1, np.float32)] * 5)
    sgd.apply(zero, PACE._replace(weight_decay=0.5))  # 1 - 0.1 * 0.5
    values = {v.name: float(np.asarray(v.value)[0]) for v in variables}
    expected = {"kernel": 0.95, "shortcut_weights": 0.95, "gamma": 1.0, "beta": 1.0, "bias": 1.0}
    assert values == pytest.approx(expected)


def test_a_backbone_that_stands_still_gathers_neither_decay_nor_velocity():
    ours = [
        Weight("backbone_stem_conv", "kernel", [1.0]).variable,
        Weight("backbone_stem_norm", "beta", [2.0]).variable,
    ]
    others = [Weight("head8_output", "kernel", [1.0]).variable, Weight("head8_output", "bias", [2.0]).variable]
    sgd = MomentumSGD([*ours, *others])
    ones = sgd.flatten([np.ones(1, np.float32)] * 4)
    still = PACE._replace(weight_decay=0.5, backbone_active=0.0)
    for _ in range(3):
        sgd.apply(ones, still)
    assert [float(np.asarray(v.value)[0]) for v in ours] == [1.0, 2.0]
    assert all(float(np.asarray(v.value)[0]) < 1.9 for v in others)
    sgd.apply(ones, still._replace(backbone_active=1.0))  # as if the first step: 1 - 0.1 * (1 + 0.5), 2 - 0.1
    assert [float(np.asarray(v.value)[0]) for v in ours] == pytest.approx([0.85, 1.9])


def test_a_still_backbone_has_no_part_in_clipping():
    ours = Weight("backbone_conv", "kernel", [0.0]).variable
    other = Weight("head8_output", "kernel", [1.0]).variable
    sgd = MomentumSGD([ours, other])
    gradients = sgd.flatten([np.asarray([1000.0], np.float32), np.asarray([2.0], np.float32)])
    clipped = sgd.apply(gradients, PACE._replace(max_gradient_norm=1.0, backbone_active=0.0))
    assert float(clipped.norm) == pytest.approx(2.0)
    assert float(np.asarray(other.value)[0]) == pytest.approx(0.9)  # 1 - 0.1 * 2 / 2


def test_averages_follow_the_weights_and_swapping_twice_changes_nothing():
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    sgd.reset()
    average, weights = np.asarray(bias.value, np.float64), []
    for _ in range(4):
        sgd.apply(sgd.flatten([np.ones((2, 2), np.float32), np.ones(2, np.float32)]), PACE._replace(ema_decay=0.75))
        weights = [np.asarray(v.value).copy() for v in (bias, kernel)]
        average = 0.75 * average + 0.25 * weights[0]
    sgd.swap_averages()
    np.testing.assert_allclose(np.asarray(bias.value), average, rtol=1e-6)
    sgd.swap_averages()
    for variable, value in zip((bias, kernel), weights, strict=True):
        np.testing.assert_array_equal(np.asarray(variable.value), value)


def test_without_a_decay_the_average_is_the_weights():
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    sgd.reset()
    sgd.apply(sgd.flatten([np.ones((2, 2), np.float32), np.ones(2, np.float32)]), PACE)
    after = np.asarray(kernel.value).copy()
    sgd.swap_averages()
    np.testing.assert_array_equal(np.asarray(kernel.value), after)
