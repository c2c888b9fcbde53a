"""DropBlock: blocks of a feature map are set to zero in training (Ghiasi et al. 2018, arXiv 1810.12890).

With rate p, block side b and a map of h x w cells, blocks are drawn for every channel of every picture:
each block that is wholly on the map, (h - b + 1)(w - b + 1) of them, is dropped with probability

    gamma = p / b^2 * h w / ((h - b + 1)(w - b + 1))        (eq. 1, for h != w)

and the kept cells are multiplied by cells / kept cells of their picture. Blocks overlap, so slightly less than p is
dropped. If the map is smaller than the block, b is the largest odd side that fits, in both factors.
Darknet's [dropout] dropblock=1 differs: at most one block per channel and picture, and plain dropout on the CPU.

Places: "backbone" is the ends of stages 4 and 5, the paper's last two groups (before the next stage and the neck's
lateral alike); "neck" is the three maps that leave the neck, strides 8, 16 and 32 (before each head's 3x3 convolution
and the way up to coarser maps alike). Each layer slows tracing and steps a little, hence no more than five.
"""

import zlib
from typing import Any, Literal

import keras
from keras import ops

from model.config import DetectorConfig

Tensor = Any  # a tensor of whichever backend Keras runs on


def add_dropblock(x: Tensor, place: Literal["backbone", "neck"], config: DetectorConfig, *, name: str) -> Tensor:
    """x after a DropBlock layer of that name, if the configuration has DropBlock in this part; else x."""
    if config.dropblock_place not in (place, "both"):
        return x
    return DropBlock(config.dropblock_size, name=name)(x)


def fitting_side(size: int, height: int, width: int) -> int:
    """The largest odd side of a block, at most `size`, that fits on the map."""
    side = min(size, height, width)
    return side if side % 2 else side - 1


def block_probability(rate: Tensor, side: int, height: int, width: int) -> Tensor:
    """gamma: the probability of dropping each block, so that a share `rate` of the cells is dropped, overlaps aside."""
    return rate * (height * width / (side**2 * (height - side + 1) * (width - side + 1)))


def kept_cells(shape: tuple[Any, int, int, int], rate: Tensor, side: int, seed: Tensor) -> Tensor:
    """1.0 where a cell is kept, 0.0 in the dropped blocks: float32 of that shape, [b, h, w, c]."""
    batch, height, width, channels = shape
    # A draw for each block's top left cell, only where the whole block is on the map.
    corners = (batch, height - side + 1, width - side + 1, channels)
    draws = keras.random.uniform(corners, dtype="float32", seed=_FixedSeed(seed))
    dropped = ops.cast(draws < block_probability(rate, side, height, width), "float32")
    if side > 1:
        dropped = ops.pad(dropped, ((0, 0), (side - 1, side - 1), (side - 1, side - 1), (0, 0)))
        # Rows, then columns: 2 b reads per cell instead of b^2.
        dropped = ops.max_pool(dropped, (side, 1), strides=1, padding="valid")
        dropped = ops.max_pool(dropped, (1, side), strides=1, padding="valid")
    return 1.0 - dropped


@keras.saving.register_keras_serializable("yolov4")
class DropBlock(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Drops blocks of `size` x `size` cells in training; at inference the input is returned unchanged.

    `rate`, the share of cells to drop, is 0.0 (the layer does nothing) or a scalar that a train step sets while it is
    traced; `seed` is then an integer tensor [2]. The same seed draws the same blocks, whatever was drawn before; layers
    with different names draw different blocks.
    """

    def __init__(self, size: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.size = size
        self.rate: Any = 0.0
        self.seed: Any = None

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """[b, h, w, c] with blocks of zeros, the rest scaled so that each picture's expected mean stays the same."""
        if not training or (isinstance(self.rate, int | float) and self.rate == 0):
            return inputs
        if self.seed is None:
            raise ValueError(f"{self.name}: expected a seed of two integers for a rate above 0, got none")
        _, height, width, channels = inputs.shape
        if height is None or width is None:
            raise ValueError(f"{self.name}: expected a map of known height and width, got {inputs.shape}")
        side = fitting_side(self.size, height, width)
        kept = kept_cells((ops.shape(inputs)[0], height, width, channels), self.rate, side, self._own_seed())
        count = ops.maximum(ops.sum(kept, axis=(1, 2, 3), keepdims=True), 1.0)  # no division by 0 if all is dropped
        factor = ops.stop_gradient(kept * (height * width * channels / count))
        return inputs * ops.cast(factor, inputs.dtype)

    def _own_seed(self) -> Tensor:
        """The seed shifted by a hash of the layer's name: [2], in the type that the backend's draws take."""
        name_hash = zlib.crc32(self.name.encode()) >> 1  # fits an int32; sums may wrap around
        own_seed = ops.cast(self.seed, "int32") + ops.convert_to_tensor([name_hash, 0], dtype="int32")
        return ops.cast(own_seed, "uint32") if keras.backend.backend() == "jax" else own_seed

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape; given here so that Keras need not trace the call to find out."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings for Keras' files; rate and seed belong to a train step."""
        return {**super().get_config(), "size": self.size}


class _FixedSeed(keras.random.SeedGenerator):  # type: ignore[misc]
    """Passes a tensor as seed to Keras' draws, which take only a number or a generator; has no state."""

    def __init__(self, seed: Tensor) -> None:  # the parent would make a variable
        self.seed = seed

    def next(self, ordered: bool = True) -> Tensor:  # noqa: ARG002
        """Return the same seed each time."""
        return self.seed
