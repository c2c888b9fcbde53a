"""Sets the weights of a new training: from a file if names and shapes agree, else drawn from the seed."""

import math
import zlib
from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray

# Fresh output maps start at the base rates, as in RetinaNet (arXiv 1708.02002, 3.3 and 4.1; not in Darknet): objectness
# 0.01, each class 1 / c, and kernels a tenth of He's. Otherwise the first hundreds of steps only learn those rates, and
# do so by suppressing the features below.
OBJECTNESS_PRIOR = 0.01
OUTPUT_GAIN = 0.1


def initialize(
    model: keras.Model, num_classes: int, seed: int, weights: Mapping[str, NDArray[np.float32]] | None = None
) -> tuple[str, ...]:
    """Set every weight to the value of its "layer/weight" name if shapes agree, else to a fresh one from the seed.

    NaN in a value stands for a fresh number. Fresh numbers depend only on seed and name, not on the network's other
    layers. Returns the names of the weights that are completely fresh.
    """
    fresh = []
    for layer in model.layers:
        is_output = isinstance(layer, keras.layers.Conv2D) and layer.use_bias  # all others are normalized
        classes = num_classes if is_output else None
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            stored = None if weights is None else weights.get(name)
            if stored is None or tuple(stored.shape) != tuple(variable.shape):
                fresh.append(name)
                variable.assign(_fresh_weight(variable, seed, layer.name, classes))
            elif np.isnan(stored).any():
                variable.assign(np.where(np.isnan(stored), _fresh_weight(variable, seed, layer.name, classes), stored))
            else:
                variable.assign(stored)
    return tuple(fresh)


def bias_for_anchors(
    bias: NDArray[np.float32], old: NDArray[np.float32], new: NDArray[np.float32]
) -> NDArray[np.float32]:
    """An output map's bias [n] so that, with the new anchors [a, 2], its boxes are those of the old ones.

    w = anchor * exp(tw), so tw grows by log(old / new); exact as long as no raw value reaches MAX_LOG_SIZE.
    """
    moved = bias.copy()
    moved.reshape((len(new), -1))[:, 2:4] += np.log(old / new)
    return moved


def with_fresh_classes(output: NDArray[np.float32], num_anchors: int, num_classes: int) -> NDArray[np.float32]:
    """An output map's kernel [1, 1, c, n] or bias [n] for other classes: boxes and objectness kept, classes NaN."""
    by_anchor = output.reshape((*output.shape[:-1], num_anchors, -1))
    changed = np.full((*by_anchor.shape[:-1], 5 + num_classes), np.nan, np.float32)
    changed[..., :5] = by_anchor[..., :5]
    return changed.reshape((*output.shape[:-1], -1))


def _fresh_weight(variable: keras.Variable, seed: int, layer: str, classes: int | None) -> NDArray[np.float32]:
    """A new weight: kernels by Darknet's form of He, sqrt(2 / fan_in) * U(-1, 1) (convolutional_layer.c).

    classes: the number of classes of an output map; None for all other layers.
    """
    shape = tuple(variable.shape)
    if variable.name == "kernel":
        key = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(layer.encode()),))
        rng = np.random.Generator(np.random.Philox(key))
        bound = np.sqrt(2.0 / np.prod(shape[:-1])) * (1.0 if classes is None else OUTPUT_GAIN)
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    if variable.name in ("gamma", "moving_variance", "shortcut_weights"):
        return np.ones(shape, np.float32)
    fresh = np.zeros(shape, np.float32)
    if classes is not None:
        by_anchor = fresh.reshape(-1, 5 + classes)  # a view: [a, 5 + classes]
        by_anchor[:, 4] = _logit(OBJECTNESS_PRIOR)
        by_anchor[:, 5:] = _logit(1.0 / max(classes, 2))
    return fresh


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
