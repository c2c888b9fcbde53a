"""yolov4-tiny: Darknet's cfg/yolov4-tiny.cfg (a CSPOSANet backbone, two scales; Wang et al. 2020, arXiv 2011.08036).

Differences from a narrow yolov4: CSP splits the channels instead of applying two convolutions; there are no residual
units, no SPP and no path back to coarser maps; all activations are leaky.
"""

from typing import Any

import keras

from model.config import DetectorConfig
from model.network import layers, multipliers, scales
from model.network.head import prediction_map

Tensor = Any

BLOCKS = (64, 128, 256)
HEAD_FILTERS = {16: 256, 32: 512}  # of the 3x3 convolution before each output map, at width 1


@keras.saving.register_keras_serializable("yolov4")
class SecondHalf(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The second half of the channels: Darknet's [route] with groups=2, group_id=1."""

    def call(self, inputs: Tensor) -> Tensor:
        """[..., c] -> [..., c / 2]."""
        return inputs[..., inputs.shape[-1] // 2 :]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Half the channels."""
        channels = input_shape[-1] or 0
        return (*input_shape[:-1], channels - channels // 2)


def build_tiny(config: DetectorConfig, num_classes: int) -> keras.Model:
    """The detector for images [b, h, w, 3], RGB in 0..1, h and w any multiples of 32 (see architecture.build).

    Outputs raw maps of strides 16 and 32, each [b, h / stride, w / stride, a * (5 + num_classes)].
    Kernels are zero until an initializer or a file fills them.
    """
    images = keras.Input((None, None, 3), name="images")
    x = _convolution(images, 32, 3, config, "tiny_stem1", stride=2)
    x = _convolution(x, 64, 3, config, "tiny_stem2", stride=2)
    tap = x
    for k, filters in enumerate(BLOCKS, start=1):
        x, tap = _block(x, filters, config, f"tiny_block{k}")
    x = _convolution(x, 512, 3, config, "tiny_top")
    top = _neck(x, 256, 1, config, "neck_top")
    raised = layers.upsample(_neck(top, 128, 1, config, "neck_raise"), name="neck_upsample")
    joined = keras.layers.Concatenate(name="neck_concat")([raised, tap])
    outputs = [
        prediction_map(x, scale, num_classes, config, HEAD_FILTERS)
        for x, scale in zip((joined, top), scales.of_config(config), strict=True)
    ]
    return keras.Model(images, outputs, name="yolov4_tiny")


def _convolution(x: Tensor, filters: int, kernel: int, config: DetectorConfig, name: str, stride: int = 1) -> Tensor:
    scaled = multipliers.scaled_channels(filters, config.width)
    return layers.convolution(x, scaled, kernel, stride=stride, kind=config.backbone_activation, name=name)


def _neck(x: Tensor, filters: int, kernel: int, config: DetectorConfig, name: str) -> Tensor:
    scaled = multipliers.scaled_channels(filters, config.width)
    return layers.convolution(x, scaled, kernel, kind=config.neck_activation, name=name)


def _block(x: Tensor, filters: int, config: DetectorConfig, name: str) -> tuple[Tensor, Tensor]:
    """Returns the block's output, with half the side and twice the channels, and the map before its concatenation."""
    entry = _convolution(x, filters, 3, config, f"{name}_entry")
    half = SecondHalf(name=f"{name}_split")(entry)
    first = _convolution(half, filters // 2, 3, config, f"{name}_first")
    second = _convolution(first, filters // 2, 3, config, f"{name}_second")
    inner = keras.layers.Concatenate(name=f"{name}_inner")([second, first])
    tap = _convolution(inner, filters, 1, config, f"{name}_exit")
    joined = keras.layers.Concatenate(name=f"{name}_concat")([entry, tap])
    return keras.layers.MaxPooling2D(2, name=f"{name}_pool")(joined), tap
