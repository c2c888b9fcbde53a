"""The update against Darknet's rule written out by hand, in Darknet's own variables."""

import keras
import numpy as np
import pytest

from model.optimizer import MomentumSGD


def _variables():
    kernel = keras.Variable(np.asarray([[1.0, -2.0], [0.5, 3.0]], np.float32), name="kernel")
    bias = keras.Variable(np.asarray([0.25, -0.75], np.float32), name="bias")
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
        sgd.apply(
            [mean[variable.name].astype(np.float32) for variable in sgd.variables],
            learning_rate=rate,
            momentum=momentum,
            weight_decay=decay,
            max_gradient_norm=1e9,
        )
    np.testing.assert_allclose(np.asarray(kernel.value), expected["kernel"], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(bias.value), expected["bias"], rtol=1e-5)


def test_clipping_keeps_the_direction_and_bounds_the_norm():
    bias, kernel = _variables()
    before = np.asarray(kernel.value).copy()
    sgd = MomentumSGD([bias, kernel])
    gradients = [np.full((2, 2), 6.0, np.float32), np.zeros(2, np.float32)]  # norm 12
    norm = sgd.apply(gradients, learning_rate=1.0, momentum=0.0, weight_decay=0.0, max_gradient_norm=3.0)
    assert float(norm) == pytest.approx(12.0)
    np.testing.assert_allclose(before - np.asarray(kernel.value), np.full((2, 2), 1.5), rtol=1e-6)


def test_nan_is_not_clipped_into_silence():
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    gradients = [np.asarray([[np.nan, 0], [0, 0]], np.float32), np.zeros(2, np.float32)]
    sgd.apply(gradients, learning_rate=0.1, momentum=0.9, weight_decay=0.0, max_gradient_norm=1.0)
    assert np.isnan(np.asarray(kernel.value)).any()


def test_reset_forgets_the_velocity():
    bias, kernel = _variables()
    sgd = MomentumSGD([bias, kernel])
    settings = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0, "max_gradient_norm": 1e9}
    sgd.apply([np.ones((2, 2), np.float32), np.ones(2, np.float32)], **settings)
    sgd.reset()
    before = np.asarray(kernel.value).copy()
    sgd.apply([np.zeros((2, 2), np.float32), np.zeros(2, np.float32)], **settings)
    np.testing.assert_array_equal(np.asarray(kernel.value), before)
