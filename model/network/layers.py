"""The network's building blocks: convolution-norm-activation, residual unit, CSP stage, SPP, upsampling.

Every function takes and returns Keras tensors; `name` is the first part of its layers' names: NAME_pad, NAME_conv,
NAME_norm, NAME_act. These names must not change, because checkpoints and weight transfer use them.
"""

from typing import Any

import keras
from keras import ops

from model.config import Activation, DetectorConfig
from model.network.normalization import BatchNorm
from model.network.shortcut import shortcut

Tensor = Any  # a tensor of whichever backend Keras runs on

LEAKY_SLOPE = 0.1  # Darknet's leaky


def mish(x: Tensor) -> Tensor:
    """x * tanh(softplus(x)) (Misra 2019, arXiv 1908.08681), in float32, for any x."""
    return ops.cast(_mish(ops.cast(x, "float32")), x.dtype)


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _mish(x: Tensor) -> Any:
    """Mish of a float32 tensor, with a backward pass that stores only x and recomputes the rest.

    With n = e^x (e^x + 2), tanh(softplus(x)) = n / (n + 2): one exponential and no log(1 + e^x) that could overflow.
    (Autodiff would store five temporaries of x's size.) Above 20 the ratio is 1 in float32, so the exponent is cut
    there and n stays finite. The derivative is n / (n + 2) + 4 x e^x (e^x + 1) / (n + 2)^2.
    """

    def gradient(*arguments: Tensor, upstream: Tensor = None) -> Tensor:
        if upstream is None:  # some backends pass it by position
            (upstream,) = arguments
        cut = ops.minimum(x, 20.0)  # also in the factor x: the slope falls to 2e-17 there, and x may be huge
        exponential = ops.exp(cut)
        inverse = 1.0 / (exponential * (exponential + 2.0) + 2.0)
        slope = (4.0 * exponential * inverse) * ((exponential + 1.0) * inverse)
        return upstream * (1.0 - 2.0 * inverse + cut * slope)

    exponential = ops.exp(ops.minimum(x, 20.0))
    n = exponential * (exponential + 2.0)
    return x * (n / (n + 2.0)), gradient


@keras.saving.register_keras_serializable("yolov4")
class Mish(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The Mish activation."""

    def call(self, inputs: Tensor) -> Tensor:
        """Element by element; see `mish`."""
        return mish(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape


def activation(kind: Activation, name: str) -> keras.layers.Layer:
    """The activation layer of that kind."""
    if kind == "mish":
        return Mish(name=name)
    return keras.layers.LeakyReLU(negative_slope=LEAKY_SLOPE, name=name)


def convolution(x: Tensor, filters: int, kernel: int, *, stride: int = 1, kind: Activation, name: str) -> Tensor:
    """Convolution without bias, BatchNorm, activation: Darknet's conv block."""
    padding = "same"
    if stride == 2:
        # Darknet pads 1 on every side and floors, so for an even side only top and left matter. "same" would pad
        # bottom and right, and shift every feature by a pixel.
        x = keras.layers.ZeroPadding2D(((1, 0), (1, 0)), name=f"{name}_pad")(x)
        padding = "valid"
    x = plain_convolution(x, filters, kernel, stride=stride, padding=padding, bias=False, name=f"{name}_conv")
    x = BatchNorm(name=f"{name}_norm")(x)
    return activation(kind, f"{name}_act")(x)


def plain_convolution(
    x: Tensor, filters: int, kernel: int, *, stride: int = 1, padding: str = "same", bias: bool, name: str
) -> Tensor:
    """A convolution and nothing after it; its kernel is zero until `initialize` or a file sets it."""
    layer = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        use_bias=bias,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        name=name,
    )
    return layer(x)


def residual_unit(x: Tensor, middle: int, *, config: DetectorConfig, name: str) -> Tensor:
    """1x1 to `middle` channels, 3x3 back, plus the input (or their weighted mean); no activation after the sum."""
    kind = config.backbone_activation
    y = convolution(x, middle, 1, kind=kind, name=f"{name}_reduce")
    y = convolution(y, x.shape[-1], 3, kind=kind, name=f"{name}_expand")
    return shortcut(config, f"{name}_shortcut")([y, x])


def csp_stage(
    x: Tensor, filters: int, *, branch: int, middle: int, units: int, config: DetectorConfig, name: str
) -> Tensor:
    """Down-sample by 2, split into two branches (two 1x1 convolutions of one tensor), and join them.

    CSPNet, arXiv 1911.11929. The skip branch comes before the main one in Darknet's files, and the main one
    first in the concatenation.
    """
    kind = config.backbone_activation
    x = convolution(x, filters, 3, stride=2, kind=kind, name=f"{name}_down")
    skip = convolution(x, branch, 1, kind=kind, name=f"{name}_skip")
    main = convolution(x, branch, 1, kind=kind, name=f"{name}_main")
    for unit in range(1, units + 1):
        main = residual_unit(main, middle, config=config, name=f"{name}_unit{unit}")
    main = convolution(main, branch, 1, kind=kind, name=f"{name}_exit")
    joined = keras.layers.Concatenate(name=f"{name}_concat")([main, skip])
    return convolution(joined, filters, 1, kind=kind, name=f"{name}_transition")


def spatial_pyramid(x: Tensor, *, name: str) -> Tensor:
    """Max pools of 13, 9 and 5 cells and x, concatenated in this order (SPP of YOLOv3-SPP).

    Each larger pool is the smaller one pooled by 5 again: twice gives 9, three times 13, with far fewer reads.
    """
    pools = [x]
    for size in (5, 9, 13):
        pool = keras.layers.MaxPooling2D(5, strides=1, padding="same", name=f"{name}_pool{size}")
        pools.insert(0, pool(pools[0]))
    return keras.layers.Concatenate(name=f"{name}_concat")(pools)


def upsample(x: Tensor, *, name: str) -> Tensor:
    """Upsample to twice the side by nearest neighbour; bilinear would cost AP with imported weights."""
    return keras.layers.UpSampling2D(2, interpolation="nearest", name=name)(x)
