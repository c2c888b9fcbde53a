"""The interface of a detector ready for pictures, and the one that runs a Keras model."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.config import PostConfig
from model.detection import predict
from model.detection.predict import Detections
from model.network.scales import Scale

Floats = NDArray[np.float32]


class Network(Protocol):
    """Detects in pictures [b, height, width, 3] RGB, uint8 or float32 in 0..1, at a size that the network takes."""

    def maps(self, images: NDArray[Any]) -> dict[str, Floats]:
        """Raw output maps [b, gh, gw, a*(5+c)] by name, finest first: stride_8, stride_16, stride_32."""
        ...

    def detect(self, images: NDArray[Any], post: PostConfig) -> list[Detections]:
        """Each picture's detections, in network pixels."""
        ...


class KerasNetwork:
    """Runs a Keras model; heights and widths may be any multiples of 32."""

    def __init__(
        self, model: Any, anchors: Sequence[tuple[float, float]], scale_xy: Sequence[float], maps: Sequence[Scale]
    ) -> None:
        import tensorflow as tf

        self.model = model
        self.anchors = tuple(anchors)
        self.scale_xy = tuple(scale_xy)
        self.scales = tuple(maps)
        self._forward = predict.compile_forward(model, anchors, scale_xy, maps)
        self._maps = tf.function(lambda images: model(images, training=False))

    def maps(self, images: NDArray[Any]) -> dict[str, Floats]:
        """Raw output maps by name."""
        raw_maps = self._maps(predict.to_unit_range(images))
        return {scale.name: raw.numpy() for scale, raw in zip(self.scales, raw_maps, strict=True)}

    def detect(self, images: NDArray[Any], post: PostConfig) -> list[Detections]:
        """Each picture's detections, in network pixels."""
        return predict.detect(self._forward(images), post)
