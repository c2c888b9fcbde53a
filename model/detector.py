"""The whole network: CSPDarknet53, SPP, PAN and three heads as one Keras model with raw outputs."""

import keras

from model.backbone import cspdarknet53
from model.config import DetectorConfig
from model.head import prediction_map
from model.neck import path_aggregation

STRIDES = (8, 16, 32)


def build(config: DetectorConfig, num_classes: int) -> keras.Model:
    """The detector for images [b, h, w, 3], RGB in 0..1, h and w any multiples of 32.

    Outputs raw maps of strides 8, 16, 32, each [b, h / stride, w / stride, 3 * (5 + num_classes)].
    Kernels are zero until an initializer or a file fills them.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes!r}")
    images = keras.Input((None, None, 3), name="images")
    maps = path_aggregation(cspdarknet53(images, config), config)
    outputs = [prediction_map(x, stride, num_classes, config) for x, stride in zip(maps, STRIDES, strict=True)]
    return keras.Model(images, outputs, name="yolov4")
