"""Batch normalization as Darknet computes it (Ioffe and Szegedy 2015, arXiv 1502.03167; Darknet batchnorm_layer.c),
and across the mini-batches of one batch: CmBN (YOLOv4, arXiv 2004.10934, figure 4).

This is not Keras' layer, because its momentum may be a tensor: the momentum of the running statistics is a gene,
and a gene must not retrace the train step.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on

EPSILON = 1e-5  # in all of Darknet's code; Keras' default of 1e-3 would falsify imported weights
DEFAULT_MOMENTUM = 0.99  # Darknet's GPU path: moving = 0.99 * moving + 0.01 * batch


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over all axes but the last, each [c]; x is float32.

    In two passes: E[x^2] - E[x]^2 loses precision in channels far from zero, and was no faster. The mean inside the
    variance needs no gradient, because the variance's derivative with respect to it is zero.
    """
    axes = tuple(range(len(x.shape) - 1))
    mean = ops.mean(x, axis=axes)
    return mean, ops.mean(ops.square(x - ops.stop_gradient(mean)), axis=axes)


class Statistics(NamedTuple):
    """Statistics of a batch's earlier mini-batches: their number (a scalar), mean and variance, [c] each."""

    count: Tensor
    mean: Tensor
    variance: Tensor


def cumulative_statistics(mean: Tensor, variance: Tensor, earlier: Statistics | None = None) -> tuple[Tensor, Tensor]:
    """Statistics over each of g equal mini-batches and all before it: M_k and var_k, [g, c] each.

    mean, variance: [g, c], of each mini-batch alone. M_k = (mu_k + (k - 1) M_{k-1}) / k, and likewise Q_k of E[x^2];
    var_k = Q_k - M_k^2. Moments are taken about the first mini-batch's mean, as E[x^2] - M^2 would lose precision in
    channels far from zero. Earlier mini-batches are constants in the backward pass, because their graph is gone when
    mini-batches go through the network in turn; so the gradient is the exact one of M_k and var_k with respect to the
    present mini-batch, with its weight of 1/k. (Darknet's backward treats them as the present mini-batch's own.)
    """
    count = mean.shape[0]
    shift = ops.stop_gradient(mean[:1])
    moments = ops.concatenate([mean - shift, variance + ops.square(mean - shift)], axis=-1)
    is_earlier = ops.cast(np.tril(np.ones((count, count)), -1), mean.dtype)
    summed = ops.matmul(is_earlier, ops.stop_gradient(moments)) + moments
    counts = ops.cast(np.arange(1, count + 1)[:, None], mean.dtype)
    if earlier is not None:
        far = earlier.mean[None, :] - shift
        summed = summed + earlier.count * ops.concatenate([far, earlier.variance[None, :] + ops.square(far)], axis=-1)
        counts = counts + earlier.count
    first, second = ops.split(summed / counts, 2, axis=-1)
    return shift + first, ops.maximum(second - ops.square(first), 0.0)


@keras.saving.register_keras_serializable("yolov4")
class BatchNorm(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Normalization over batch, rows and columns, one scale and shift per channel (the last axis).

    A train step sets, while it is traced: `momentum`, a scalar tensor; `mini_batches`, the number of equal parts of the
    input's pictures, each normalized with its own statistics; `cross_mini_batch`, 1.0 to include the statistics of
    earlier parts (CmBN), else 0.0; `earlier`, the statistics of earlier inputs of the same batch; `defer_update`,
    whether the step itself updates the running statistics, from `batch_moments`, when the last part is through.
    The running statistics are updated once per batch, by those of the whole batch, with CmBN and without.
    Statistics are float32 and the variance is the biased one, in whatever precision the layer computes.
    """

    def __init__(self, momentum: float = DEFAULT_MOMENTUM, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum: Any = momentum
        self.clear_step_settings()

    def clear_step_settings(self) -> None:
        """Clear what a train step set, so that no symbolic tensor outlives its trace."""
        if not isinstance(self.momentum, int | float):
            self.momentum = DEFAULT_MOMENTUM
        self.mini_batches = 1
        self.cross_mini_batch: Any = 0.0
        self.earlier: Statistics | None = None
        self.batch_moments: tuple[Tensor, Tensor] | None = None  # mean and variance [c] of the batch so far
        self.defer_update = False

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
        """Normalize by the batch's statistics and update the running ones; at inference, by the running ones."""
        x = ops.cast(inputs, "float32")
        if not (training and self.trainable):
            return ops.cast(self._normalize(x, self.moving_mean, self.moving_variance), self.compute_dtype)
        if self.mini_batches == 1 and self.earlier is None:
            mean, variance = batch_statistics(x)
            y = self._normalize(x, mean, variance)
        else:
            y, mean, variance = self._by_mini_batches(x)
        self.batch_moments = (ops.stop_gradient(mean), ops.stop_gradient(variance))
        if not self.defer_update:
            self.update_moving(*self.batch_moments)
        return ops.cast(y, self.compute_dtype)

    def _by_mini_batches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The input normalized part by part, and the mean and variance of the batch up to its last part."""
        shape = ops.shape(x)
        parts = ops.reshape(x, (self.mini_batches, -1, shape[-1]))
        own_mean = ops.mean(parts, axis=1)
        own_variance = ops.mean(ops.square(parts - ops.stop_gradient(own_mean)[:, None, :]), axis=1)
        mean, variance = cumulative_statistics(own_mean, own_variance, self.earlier)
        y = self._normalize(
            parts,
            (own_mean + self.cross_mini_batch * (mean - own_mean))[:, None, :],
            (own_variance + self.cross_mini_batch * (variance - own_variance))[:, None, :],
        )
        return ops.reshape(y, shape), mean[-1], variance[-1]

    def _normalize(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        scale = self.gamma * ops.rsqrt(variance + EPSILON)
        return x * scale + (self.beta - mean * scale)

    def update_moving(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards a batch's, each [c]."""
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1.0 - self.momentum) * batch)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape; given here so that Keras need not trace the call to find out."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings for Keras' files; a momentum set by a train step is not one of them."""
        momentum = self.momentum if isinstance(self.momentum, int | float) else DEFAULT_MOMENTUM
        return {**super().get_config(), "momentum": momentum}
