"""SPP and PAN by concatenation: layers 105-158 of Darknet's cfg/yolov4.cfg without the heads.

PANet's path (Liu et al. 2018, arXiv 1803.01534) with its sums replaced by concatenations, as YOLOv4 does. The order
of a concatenation is fixed by the weights: [lateral, upsampled] towards finer maps, [down-sampled, lateral] towards
coarser ones.
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
    for k, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
        x = _convolution(x, filters, kernel, config, f"spp_before{k}")
    x = layers.spatial_pyramid(x, name="spp")
    for k, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
        x = _convolution(x, filters, kernel, config, f"spp_after{k}")
    return x


def _towards_fine(
    coarse: Tensor, tap: Tensor, filters: int, config: DetectorConfig, name: str, *, feeds_head: bool
) -> Tensor:
    """Join a coarse map, upsampled to twice the side, with the backbone's map of that stride."""
    raised = layers.upsample(_convolution(coarse, filters, 1, config, f"{name}_raise"), name=f"{name}_upsample")
    lateral = _convolution(tap, filters, 1, config, f"{name}_lateral")
    joined = keras.layers.Concatenate(name=f"{name}_concat")([lateral, raised])
    return _five_convolutions(joined, filters, config, name, feeds_head=feeds_head)


def _towards_coarse(fine: Tensor, lateral: Tensor, filters: int, config: DetectorConfig, name: str) -> Tensor:
    """Join a fine map, down-sampled to half the side, with the map of that stride from _towards_fine."""
    lowered = _convolution(fine, filters, 3, config, f"{name}_lower", stride=2)
    joined = keras.layers.Concatenate(name=f"{name}_concat")([lowered, lateral])
    return _five_convolutions(joined, filters, config, name, feeds_head=True)


def _five_convolutions(x: Tensor, filters: int, config: DetectorConfig, name: str, *, feeds_head: bool) -> Tensor:
    """Five convolutions, 1x1 and 3x3 in turn.

    Before a head: attention between the fourth and the fifth (as in Darknet's yolov4-sam-mish), DropBlock last.
    """
    for k in range(1, 6):
        odd = k % 2 == 1
        if k == 5 and feeds_head and config.sam:
            x = attention.spatial_attention(x, name=f"{name}_sam")
        x = _convolution(x, filters if odd else 2 * filters, 1 if odd else 3, config, f"{name}_five{k}")
    return dropblock.add_dropblock(x, "neck", config, name=f"{name}_dropblock") if feeds_head else x
