"""The whole detector with every technique on, forward and backward, on another Keras backend than TensorFlow's.

`python tests/model/network/test_other_backend.py` prints the figures of the backend that KERAS_BACKEND names; the test
starts it for JAX, where that is installed, and for TensorFlow, and compares. (PyTorch has not been tried.)
"""

import importlib.util
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from model.config import DetectorConfig, LossConfig
from model.network import architecture, scales
from model.network.dropblock import DropBlock
from model.network.normalization import BatchNorm
from model.training import loss

CONFIG = DetectorConfig(
    width=0.05, depth=0.1, neck_activation="mish", sam=True, shortcut="per_channel", dropblock_place="both"
)


def build() -> keras.Model:
    """The network with weights that depend only on their names, and with CmBN over two mini-batches."""
    model = architecture.build(CONFIG, 2)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name in ("kernel", "shortcut_weights"):
                rng = np.random.default_rng(zlib.crc32(f"{layer.name}/{variable.name}".encode()))
                bound = np.sqrt(2 / np.prod(variable.shape[:-1])) if variable.name == "kernel" else 0.5
                centre = 0.0 if variable.name == "kernel" else 1.0
                variable.assign(centre + rng.uniform(-bound, bound, variable.shape))
        if isinstance(layer, BatchNorm):
            layer.mini_batches, layer.cross_mini_batch = 2, 1.0
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.33))  # else maps at inference fade
    return model


def total(raw_maps: Any) -> Any:
    """The whole loss of made-up truths, a scalar."""
    config = LossConfig(label_smoothing=0.1, objectness_gamma=0.5)
    boxes = np.float32([[[8, 8, 40, 44], [30, 5, 50, 20]], [[20, 16, 60, 64], [0, 0, 0, 0]]] * 2)
    terms = loss.detection_loss(
        raw_maps,
        ops.convert_to_tensor(boxes),
        ops.convert_to_tensor(np.int32([[0, 1], [1, -1]] * 2)),
        ops.convert_to_tensor(np.float32([[4 + 5 * k, 5 + 5 * k] for k in range(9)])),
        ops.convert_to_tensor(np.float32([1.2, 1.1, 1.05])),
        loss.settings(config),
        scales.YOLOV4,
    )
    return terms["total"]


def images() -> Any:
    """Four pictures of 64 x 96, so that rows and columns differ."""
    return ops.convert_to_tensor(np.random.default_rng(0).random((4, 64, 96, 3), np.float32))


def arm(model: keras.Model, rate: Any) -> None:
    """Set the DropBlock layers as a train step does."""
    for layer in model.layers:
        if isinstance(layer, DropBlock):
            layer.rate, layer.seed = rate, ops.convert_to_tensor(np.int32([3, 4]))


def gradient_function(model: keras.Model) -> Callable[[Any], tuple[Any, Sequence[Any]]]:
    """The loss at that DropBlock rate and its gradients by every trainable variable, computed by the backend."""
    weights = [v.value for v in model.trainable_variables]
    if keras.backend.backend() == "jax":
        import jax

        fixed = [v.value for v in model.non_trainable_variables]

        def value(weights: Any, rate: Any) -> Any:
            arm(model, rate)
            return total(model.stateless_call(weights, fixed, images(), training=True)[0])

        compiled = jax.jit(jax.value_and_grad(value))
        return lambda rate: compiled(weights, rate)

    import tensorflow as tf

    def by_tape(rate: Any) -> tuple[Any, Sequence[Any]]:
        arm(model, rate)
        with tf.GradientTape() as tape:
            result = total(model(images(), training=True))
        return result, tape.gradient(result, weights)

    return by_tape


def figures() -> dict[str, Any]:
    """Mean sizes of the raw maps at inference, loss and gradients without and with DropBlock, as plain numbers."""
    model = build()
    found: dict[str, Any] = {
        "maps": [float(ops.convert_to_numpy(ops.mean(ops.abs(one)))) for one in model(images(), training=False)]
    }
    names = [f"{layer.name}/{v.name}" for layer in model.layers for v in layer.trainable_weights]
    gradients_at = gradient_function(model)
    for rate in (0.0, 0.2):
        value, gradients = gradients_at(ops.convert_to_tensor(np.float32(rate)))
        norms = [float(np.linalg.norm(ops.convert_to_numpy(g))) for g in gradients]
        found[str(rate)] = {"loss": float(ops.convert_to_numpy(value)), "norms": dict(zip(names, norms, strict=True))}
    return found


def run(backend: str) -> dict[str, Any]:
    """The result of figures() in another process."""
    root = Path(__file__).parents[3]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed beside TensorFlow")
def test_jax_gives_the_same_maps_loss_and_gradients() -> None:
    ours, other = run("tensorflow"), run("jax")
    np.testing.assert_allclose(other["maps"], ours["maps"], rtol=1e-4)
    assert other["0.0"]["loss"] == pytest.approx(ours["0.0"]["loss"], rel=1e-4)
    mine, theirs = ours["0.0"]["norms"], other["0.0"]["norms"]
    assert list(theirs) == list(mine)
    largest = max(mine.values())
    np.testing.assert_allclose(list(theirs.values()), list(mine.values()), rtol=2e-2, atol=1e-4 * largest)
    # Each backend draws other blocks from a seed: only that they drop something, and that all stays finite.
    for found in (ours, other):
        assert np.all(np.isfinite([found["0.2"]["loss"], *found["0.2"]["norms"].values()]))
        assert found["0.2"]["loss"] != pytest.approx(found["0.0"]["loss"], rel=1e-4)


if __name__ == "__main__":
    print(json.dumps(figures()))  # noqa: T201
