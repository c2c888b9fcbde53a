"""Weights and pictures from a seed, for make.py and for the tests that read the golden file; needs only numpy.

Each layer's are drawn by its name, as uniform doubles, which numpy has kept stable for years. Kernels are scaled by
their fan-in so that values neither vanish nor explode; statistics differ from 0 and 1, so that a wrong epsilon or order
of arrays shows.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.darknet.convert import keras_shape
from model.darknet.sections import Section, StoredArray

GAIN = 1.5  # keeps the heads of every case within some tens
RANGES = {  # lowest and highest of what is no kernel
    "beta": (-0.3, 0.3),
    "gamma": (0.6, 1.2),
    "moving_mean": (-0.2, 0.2),
    "moving_variance": (0.5, 1.5),
    "bias": (-1.0, 1.0),
    "shortcut_weights": (0.2, 1.5),
}


def weights(sections: Sequence[Section], seed: int) -> dict[str, NDArray[np.float32]]:
    """A weight for every name that the sections store, in the network's shapes."""
    return {part.name: _weight(part, seed) for section in sections for part in section.stored}


def _weight(part: StoredArray, seed: int) -> NDArray[np.float32]:
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(part.name.encode())]))
    shape = keras_shape(part)
    draws = rng.random(shape)
    kind = part.name.rpartition("/")[2]
    if kind == "kernel":
        bound = GAIN * np.sqrt(3.0 / np.prod(shape[:-1]))
        # the last convolution of a residual unit adds to what is there: smaller, or eight of them double it each time
        bound *= 0.3 if "_expand_" in part.name else 1.0
        return ((2.0 * draws - 1.0) * bound).astype(np.float32)
    low, high = RANGES[kind]
    return (low + (high - low) * draws).astype(np.float32)


def picture(height: int, width: int, seed: int) -> NDArray[np.float32]:
    """A picture [height, width, 3] in 0..1 with shapes of several sizes, not only noise."""
    rng = np.random.Generator(np.random.PCG64([seed, height, width]))
    coarse = rng.random((height // 32, width // 32, 3)).repeat(32, axis=0).repeat(32, axis=1)
    fine = rng.random((height, width, 3))
    return (0.7 * coarse + 0.3 * fine).astype(np.float32)


def places(size: int, count: int, seed: int) -> NDArray[np.int64]:
    """Indices of a sample in a flattened map [rows, columns, channels] of that size."""
    rng = np.random.Generator(np.random.PCG64([seed, size]))
    return np.floor(rng.random(count) * size).astype(np.int64)
