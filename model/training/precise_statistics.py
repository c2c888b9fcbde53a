"""Estimates a network's normalization statistics for its current weights, from pictures at one input size.

The running statistics of a training lag behind its weights and mix all input sizes that it used, the scored size with
a random share. So before a score they are estimated afresh (PreciseBN: Wu and Johnson 2021,
"Rethinking 'Batch' in BatchNorm", arXiv 2105.07576, 3): forward passes in training mode, whose batch statistics are
combined with equal weight. No weight changes, and the training continues with its running statistics.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.network.normalization import BatchNorm

Tensor = Any
Moments = list[tuple[NDArray[np.float64], NDArray[np.float64]]]  # mean and variance [c] of each BatchNorm, in order


class PreciseStatistics:
    """The BatchNorm layers of a network, and the compiled pass that measures their inputs."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
        self._measured = tf.function(self._measure, autograph=False)
        self.traces = 0

    @contextmanager
    def in_place(self, batches: Sequence[NDArray[np.uint8]]) -> Iterator[None]:
        """While open, the network has the statistics of these pictures; without batches it keeps its own.

        batches: uint8 pictures [b, s, s, 3], all of one shape.
        """
        if not batches:
            yield
            return
        running = [(layer.moving_mean.numpy(), layer.moving_variance.numpy()) for layer in self._norms]
        self._assign(self.estimate(batches))
        try:
            yield
        finally:
            self._assign(running)

    def estimate(self, batches: Sequence[NDArray[np.uint8]]) -> Moments:
        """Mean and variance over all the pictures; each batch passes normalized by its own statistics."""
        passes = [
            [(mean.numpy(), variance.numpy()) for mean, variance in self._measured(tf.constant(images))]
            for images in batches
        ]
        return [_combine(layer) for layer in zip(*passes, strict=True)]

    def _measure(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        self.traces += 1
        for layer in self._norms:
            layer.defer_update = True  # leave the running statistics alone
        try:
            self._model(tf.cast(images, tf.float32) / 255.0, training=True)
            return [layer.batch_moments for layer in self._norms if layer.batch_moments is not None]
        finally:
            for layer in self._norms:
                layer.clear_step_settings()

    def _assign(self, moments: Sequence[tuple[Any, Any]]) -> None:
        for layer, (mean, variance) in zip(self._norms, moments, strict=True):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


def _combine(batches: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> tuple[Any, Any]:
    """Mean and variance of all values of equally many batches; var = E[var_b] + E[(mean_b - mean)^2]."""
    means = np.asarray([mean for mean, _ in batches], np.float64)
    variances = np.asarray([variance for _, variance in batches], np.float64)
    mean = means.mean(axis=0)
    return mean, variances.mean(axis=0) + np.square(means - mean).mean(axis=0)
