"""SAM as modified by YOLOv4: a gate for every element (arXiv 2004.10934, fig. 5b; Darknet sam_layer.c).

CBAM's spatial attention pools the channels and gates whole pixels with a 7x7 convolution; here a 1x1 convolution of
all channels of a pixel gates each of them, without pooling.
"""

from typing import Any

import keras

from model.network import layers
from model.network.normalization import BatchNorm

Tensor = Any


def spatial_attention(x: Tensor, *, name: str) -> Tensor:
    """x * sigmoid(BN(conv1x1(x))): as many filters as channels, so the gate has the shape of x and values in 0..1.

    The gate is a sigmoid whatever the neck's activation is.
    """
    gate = layers.plain_convolution(x, x.shape[-1], 1, bias=False, name=f"{name}_conv")
    gate = BatchNorm(name=f"{name}_norm")(gate)
    gate = keras.layers.Activation("sigmoid", name=f"{name}_act")(gate)
    return keras.layers.Multiply(name=f"{name}_product")([x, gate])
