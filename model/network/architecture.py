"""The whole network: CSPDarknet53, SPP, PAN and three heads, or yolov4-tiny, as one Keras model with raw outputs."""

import keras

from model.config import DetectorConfig
from model.network import scales
from model.network.backbone import cspdarknet53
from model.network.head import prediction_map
from model.network.neck import path_aggregation
from model.network.tiny import build_tiny


def build(config: DetectorConfig, num_classes: int) -> keras.Model:
    """The detector for images [b, h, w, 3], RGB in 0..1, h and w any multiples of 32.

    Outputs raw maps of strides 8, 16, 32 (for yolov4-tiny 16, 32), each [b, h / stride, w / stride, a * (5 + classes)],
    a: the number of anchors of that map, three as released.
    Kernels are zero until an initializer or a file fills them.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes!r}")
    if config.variant == "yolov4-tiny":
        return build_tiny(config, num_classes)
    images = keras.Input((None, None, 3), name="images")
    maps = path_aggregation(cspdarknet53(images, config), config)
    outputs = [
        prediction_map(x, scale, num_classes, config) for x, scale in zip(maps, scales.of_config(config), strict=True)
    ]
    return keras.Model(images, outputs, name="yolov4")
