"""MiWRC: the mean at the start, and shares against sums made by hand."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from numpy.typing import NDArray

from model.config import DetectorConfig, Shortcut, ShortcutNormalization
from model.network import layers, shortcut
from model.network.shortcut import WeightedShortcut

KINDS = ("per_feature", "per_channel")
NORMALIZATIONS = ("relu", "softmax")


@pytest.fixture
def pair() -> list[NDArray[np.float32]]:
    """Two tensors of 2 x 3 x 4 cells and two channels."""
    rng = np.random.default_rng(0)
    return [rng.normal(0, 1, (2, 3, 4, 2)).astype(np.float32) for _ in range(2)]


def output(layer: keras.layers.Layer, inputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    out: NDArray[np.float32] = ops.convert_to_numpy(layer([ops.convert_to_tensor(x) for x in inputs]))
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_mean_at_the_start_and_the_plain_sum_with_gain_2(
    pair: list[NDArray[np.float32]], kind: Shortcut, normalization: ShortcutNormalization
) -> None:
    # Darknet's epsilon makes a share 1 / 2.0001, half of 1e-4 below 1/2
    mean = output(WeightedShortcut(kind, normalization), pair)
    np.testing.assert_allclose(mean, (pair[0] + pair[1]) / 2, rtol=1e-4)
    np.testing.assert_allclose(mean, (pair[0] + pair[1]) / 2.0001, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(output(WeightedShortcut(kind, normalization, 2.0), pair), pair[0] + pair[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "normalization", "weights", "expected"),
    [
        # relu: 3 / 4.0001 and 1 / 4.0001
        ("per_feature", "relu", [3.0, 1.0], [0.7499813, 0.2499938]),
        # softmax of 1 and 0, with exp(w - max): 1 / 1.3679794 and 0.3678794 / 1.3679794
        ("per_feature", "softmax", [1.0, 0.0], [0.7310052, 0.2689218]),
        # input-major: channel 0 has weights 3 and 1, channel 1 has 1 and 4 (1 / 5.0001, 4 / 5.0001)
        ("per_channel", "relu", [[3.0, 1.0], [1.0, 4.0]], [[0.7499813, 0.199996], [0.2499938, 0.799984]]),
        ("per_channel", "softmax", [[1.0, 2.0], [0.0, 2.0]], [[0.7310052, 0.499975], [0.2689218, 0.499975]]),
        # a weight below the floor counts as 1e-4: 1e-4 / 1.0002 and 1 / 1.0002
        ("per_feature", "relu", [-2.0, 1.0], [0.00009998, 0.9998]),
    ],
)
def test_shares_by_hand(
    pair: list[NDArray[np.float32]],
    kind: Shortcut,
    normalization: ShortcutNormalization,
    weights: list[object],
    expected: list[object],
) -> None:
    layer = WeightedShortcut(kind, normalization, 1.5)
    output(layer, pair)
    layer.shortcut_weights.assign(weights)
    shares = np.asarray(expected)
    np.testing.assert_allclose(
        output(layer, pair), 1.5 * (shares[0] * pair[0] + shares[1] * pair[1]), rtol=2e-5, atol=1e-6
    )


@given(
    weights=st.lists(st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3), min_size=2, max_size=4),
    normalization=st.sampled_from(NORMALIZATIONS),
)
@settings(max_examples=40, deadline=None)
def test_shares_are_a_mean_of_whatever_weights(
    weights: list[list[float]], normalization: ShortcutNormalization
) -> None:
    found = ops.convert_to_numpy(shortcut.shares(ops.convert_to_tensor(np.float32(weights)), normalization))
    assert np.all(found >= 0)
    assert np.all(found.sum(axis=0) <= 1 + 1e-6)
    assert np.all(found.sum(axis=0) >= 0.666)  # of dead weights as well: nothing vanishes
    order = np.argsort(np.float32(weights), axis=0, kind="stable")
    assert np.all(np.diff(np.take_along_axis(found, order, axis=0), axis=0) >= -1e-6)  # larger weight, no smaller share


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_gradient_includes_the_normalizers(
    pair: list[NDArray[np.float32]], kind: Shortcut, normalization: ShortcutNormalization
) -> None:
    tf = pytest.importorskip("tensorflow")
    layer = WeightedShortcut(kind, normalization)
    output(layer, pair)
    start = np.random.default_rng(1).uniform(0.5, 2, layer.shortcut_weights.shape).astype(np.float32)

    def value(weights: NDArray[np.float32]) -> float:
        """Numpy, in float64: the sum of squares of the output."""
        w = weights.astype(np.float64)
        positive = np.exp(w) if normalization == "softmax" else w
        # exp(w - max) / (eps + sum) is exp(w) / (eps exp(max) + sum)
        epsilon = 1e-4 * np.exp(w.max(axis=0)) if normalization == "softmax" else 1e-4
        share = positive / (epsilon + positive.sum(axis=0))
        return float(np.sum((share[0] * pair[0] + share[1] * pair[1]) ** 2))

    layer.shortcut_weights.assign(start)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.square(layer([tf.constant(x) for x in pair])))
    found = tape.gradient(total, layer.shortcut_weights.value).numpy()
    for place in np.ndindex(start.shape):
        step = np.zeros(start.shape)
        step[place] = 1e-4
        slope = (value(start + step) - value(start - step)) / 2e-4
        # the layer holds the maximum still, as a shift that cancels but for epsilon
        assert found[place] == pytest.approx(slope, rel=2e-3, abs=2e-3)


def test_weights_stay_float32_in_a_half_precision_network() -> None:
    layer = WeightedShortcut("per_channel", dtype="mixed_bfloat16")
    out = layer([ops.ones((1, 2, 2, 3), "bfloat16")] * 2)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    assert layer.shortcut_weights.dtype == "float32"
    assert layer.shortcut_weights.name == "shortcut_weights"  # the optimizer lets it decay by this name


def test_a_residual_unit_gives_the_branch_first_and_its_input_second() -> None:
    given_input = keras.Input((None, None, 4))
    config = DetectorConfig(shortcut="per_feature", backbone_activation="leaky")
    model = keras.Model(given_input, layers.residual_unit(given_input, 4, config=config, name="unit"))
    joint = model.get_layer("unit_shortcut")
    joint.shortcut_weights.assign([0.0, 1.0])  # only the unit's own input is left
    x = np.random.default_rng(3).normal(0, 1, (1, 3, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(ops.convert_to_numpy(model(x)), x, rtol=3e-4)


def test_wrong_settings_and_inputs_are_told() -> None:
    with pytest.raises(ValueError, match="kind: expected 'per_feature' or 'per_channel', got 'add'"):
        WeightedShortcut("add")
    with pytest.raises(ValueError, match="normalization: expected 'relu' or 'softmax', got 'none'"):
        WeightedShortcut("per_feature", "none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected two or more inputs of one shape"):
        WeightedShortcut("per_channel")([np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2, 4), np.float32)])
