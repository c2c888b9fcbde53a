"""Batch normalization as Darknet computes it (Ioffe and Szegedy 2015, arXiv 1502.03167; Darknet batchnorm_layer.c).

Own layer instead of Keras' because its momentum may be a tensor: the running statistics' pace is a gene,
and a gene must not retrace the train step.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on

EPSILON = 1e-5  # every Darknet path; Keras' default of 1e-3 would make imported weights wrong
DEFAULT_MOMENTUM = 0.99  # Darknet's GPU path: moving = 0.99 * moving + 0.01 * batch


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over all axes but the last, each [c]; x is float32.

    Two passes: E[x^2] - E[x]^2 loses what counts where a channel lies far from zero, and was no faster. The mean
    inside the variance needs no gradient, for the variance's derivative by it is zero.
    """
    axes = tuple(range(len(x.shape) - 1))
    mean = ops.mean(x, axis=axes)
    return mean, ops.mean(ops.square(x - ops.stop_gradient(mean)), axis=axes)


@keras.saving.register_keras_serializable("yolov4")
class BatchNorm(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Normalization over batch, rows and columns, one scale and shift per channel (the last axis).

    `momentum` is a float, or a scalar tensor that a train step sets while it is traced.
    Statistics are float32 and the variance is the biased one, whatever the layer computes in.
    """

    def __init__(self, momentum: float = DEFAULT_MOMENTUM, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum: Any = momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make gamma, beta and the running statistics: [channels] each."""
        shape = (input_shape[-1],)

        def weight(name: str, initializer: str, trainable: bool) -> Any:
            return self.add_weight(
                shape=shape, name=name, initializer=initializer, trainable=trainable, dtype="float32", autocast=False
            )

        self.gamma = weight("gamma", "ones", True)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Normalize by the batch's statistics and update the running ones, or by the running ones."""
        x = ops.cast(inputs, "float32")
        if training and self.trainable:
            mean, variance = batch_statistics(x)
            self._update(self.moving_mean, mean)
            self._update(self.moving_variance, variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = self.gamma * ops.rsqrt(variance + EPSILON)
        return ops.cast(x * scale + (self.beta - mean * scale), self.compute_dtype)

    def _update(self, moving: Any, batch: Tensor) -> None:
        batch = ops.stop_gradient(batch)
        moving.assign(self.momentum * moving + (1.0 - self.momentum) * batch)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """As the input's; said here so that Keras need not trace the call to find out."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings for Keras' files; a momentum that is a train step's tensor is no setting of the layer."""
        momentum = self.momentum if isinstance(self.momentum, int | float) else DEFAULT_MOMENTUM
        return {**super().get_config(), "momentum": momentum}
