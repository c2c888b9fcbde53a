"""The prediction maps: layers 137-138, 148-149 and 159-160 of Darknet's cfg/yolov4.cfg."""

from collections.abc import Mapping
from typing import Any

from model.config import DetectorConfig
from model.network import layers, multipliers
from model.network.scales import Scale

Tensor = Any

FILTERS = {8: 256, 16: 512, 32: 1024}  # of the 3x3 convolution at width 1


def output_name(stride: int) -> str:
    """Name of the output convolution of a stride; only these layers' shapes depend on the number of classes."""
    return f"head{stride}_output"


def prediction_map(
    x: Tensor, scale: Scale, num_classes: int, config: DetectorConfig, filters: Mapping[int, int] = FILTERS
) -> Tensor:
    """Raw outputs [b, gh, gw, a * (5 + classes)], anchor-major: tx, ty, tw, th, to, then a logit per class."""
    channels = multipliers.scaled_channels(filters[scale.stride], config.width)
    x = layers.convolution(x, channels, 3, kind=config.neck_activation, name=f"head{scale.stride}")
    outputs = len(scale.mask) * (5 + num_classes)
    return layers.plain_convolution(x, outputs, 1, bias=True, name=output_name(scale.stride))
