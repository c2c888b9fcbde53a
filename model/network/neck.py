"""SPP and PAN by concatenation: layers 105-158 of Darknet's cfg/yolov4.cfg without the heads.

PANet's path (Liu et al. 2018, arXiv 1803.01534) with its sums replaced by concatenations, as YOLOv4 does. The order
of a concatenation is part of the weights' meaning: [lateral, upsampled] going down to finer maps, [down, kept] going
back up.
"""

from typing import Any

import keras

from model.config import DetectorConfig
from model.network import attention, dropblock, layers, multipliers

Tensor = Any


def path_aggregation(taps: tuple[Tensor, Tensor, Tensor], config: DetectorConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Maps for the heads of strides 8, 16, 32 (128, 256, 512 channels at width 1) from the backbone's three."""
    tap8, tap16, tap32 = taps
    top = _pyramid(tap32, config)
    fine16 = _towards_fine(top, tap16, 256, config, "neck_down16", feeds_head=False)
    out8 = _towards_fine(fine16, tap8, 128, config, "neck_down8", feeds_head=True)
    out16 = _towards_coarse(out8, fine16, 256, config, "neck_up16")
    out32 = _towards_coarse(out16, top, 512, config, "neck_up32")
    return out8, out16, out32


def _convolution(x: Tensor, filters: int, kernel: int, config: DetectorConfig, name: str, stride: int = 1) -> Tensor:
    scaled = multipliers.scaled_channels(filters, config.width)
    return layers.convolution(x, scaled, kernel, stride=stride, kind=config.neck_activation, name=name)


def _pyramid(x: Tensor, config: DetectorConfig) -> Tensor:
    """Three convolutions, spatial pyramid pooling, three more: layers 105-116."""
    for number, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
        x = _convolution(x, filters, kernel, config, f"spp_before{number}")
    x = layers.spatial_pyramid(x, name="spp")
    for number, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
        x = _convolution(x, filters, kernel, config, f"spp_after{number}")
    return x


def _towards_fine(
    coarse: Tensor, tap: Tensor, filters: int, config: DetectorConfig, name: str, *, feeds_head: bool
) -> Tensor:
    """A coarse map, twice as large, beside the backbone's map of that stride."""
    raised = layers.upsample(_convolution(coarse, filters, 1, config, f"{name}_raise"), name=f"{name}_upsample")
    lateral = _convolution(tap, filters, 1, config, f"{name}_lateral")
    joined = keras.layers.Concatenate(name=f"{name}_concat")([lateral, raised])
    return _five_convolutions(joined, filters, config, name, feeds_head=feeds_head)


def _towards_coarse(fine: Tensor, kept: Tensor, filters: int, config: DetectorConfig, name: str) -> Tensor:
    """A fine map at half the size, beside the map of that stride from the way down."""
    lowered = _convolution(fine, filters, 3, config, f"{name}_lower", stride=2)
    joined = keras.layers.Concatenate(name=f"{name}_concat")([lowered, kept])
    return _five_convolutions(joined, filters, config, name, feeds_head=True)


def _five_convolutions(x: Tensor, filters: int, config: DetectorConfig, name: str, *, feeds_head: bool) -> Tensor:
    """1x1 and 3x3 convolutions in turn, five of them.

    Where a head follows: attention between the fourth and the fifth (as in Darknet's yolov4-sam-mish), DropBlock last.
    """
    for number in range(1, 6):
        odd = number % 2 == 1
        if number == 5 and feeds_head and config.sam:
            x = attention.spatial_attention(x, name=f"{name}_sam")
        x = _convolution(x, filters if odd else 2 * filters, 1 if odd else 3, config, f"{name}_five{number}")
    return dropblock.after(x, "neck", config, name=f"{name}_dropblock") if feeds_head else x
