"""Weights of a new training: from a file where names and shapes agree, else drawn from the seed."""

import math
from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray

from model import decode

# Fresh output maps begin at the base rates, as in RetinaNet (arXiv 1708.02002, 3.3 and 4.1; not in Darknet): objectness
# 0.01, each class 1 in c, and kernels a tenth of He's. Otherwise the first hundreds of steps only learn those
# rates, and learn them by silencing the features below.
OBJECTNESS_PRIOR = 0.01
OUTPUT_GAIN = 0.1


def initialize(
    model: keras.Model, seed: int, weights: Mapping[str, NDArray[np.float32]] | None = None
) -> tuple[str, ...]:
    """Give every weight the value of its "layer/weight" name where shapes agree, else a fresh one from the seed.

    Returns the names of the fresh ones.
    """
    fresh = []
    for place, layer in enumerate(model.layers):
        is_output = isinstance(layer, keras.layers.Conv2D) and layer.use_bias  # all others are normalized
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            given = None if weights is None else weights.get(name)
            if given is not None and tuple(given.shape) == tuple(variable.shape):
                variable.assign(given)
                continue
            fresh.append(name)
            variable.assign(_fresh(variable, seed, place, is_output))
    return tuple(fresh)


def _fresh(variable: keras.Variable, seed: int, place: int, is_output: bool) -> NDArray[np.float32]:
    """A new weight: kernels by Darknet's form of He, sqrt(2 / fan_in) * U(-1, 1) (convolutional_layer.c)."""
    shape = tuple(variable.shape)
    if variable.name == "kernel":
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(place,))))
        bound = np.sqrt(2.0 / np.prod(shape[:-1])) * (OUTPUT_GAIN if is_output else 1.0)
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    if variable.name in ("gamma", "moving_variance", "shortcut_weights"):
        return np.ones(shape, np.float32)
    fresh = np.zeros(shape, np.float32)
    if is_output:
        by_anchor = fresh.reshape(decode.ANCHORS_PER_STRIDE, -1)  # a view: [3, 5 + classes]
        by_anchor[:, 4] = _logit(OBJECTNESS_PRIOR)
        by_anchor[:, 5:] = _logit(1.0 / max(by_anchor.shape[1] - 5, 2))
    return fresh


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
