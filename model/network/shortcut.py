"""Residual sums: the plain one, and MiWRC, multi-input weighted residual connections (YOLOv4 paper 2.3).

Darknet's form (shortcut_layer.c, blas.c; after EfficientDet's fast normalized fusion, arXiv 1911.09070, 3.3):

    out = gain * sum_i share_i * x_i
    relu:     share_i = r_i / (1e-4 + sum_j r_j),  r = max(w, 1e-4)
    softmax:  share_i = e_i / (1e-4 + sum_j e_j),  e = exp(w - max w)

Weights start at one, so a fresh unit gives the mean of its inputs, half of Darknet's plain sum of two. The gain (ours)
makes up for that if a backbone was trained with plain sums. Differences from Darknet: its relu has the floor 0, and
once all weights of a unit are below 0, the unit's output stays 0. With our floor it keeps at least 2/3 of the mean; a
share differs by at most 1e-4 from Darknet's if any weight is near 1. (As with any relu, a weight below the floor learns
no more; softmax has no such limit.) And our gradient is the true one: Darknet's leaves out the normalizer's derivative.
"""

from typing import Any, get_args

import keras
from keras import ops

from data.config import require
from model.config import DetectorConfig, Shortcut, ShortcutNormalization, require_choice

Tensor = Any  # a tensor of whichever backend Keras runs on

EPSILON = 1e-4  # in the normalizers' denominators
FLOOR = 1e-4  # of a weight under relu normalization


def shortcut(config: DetectorConfig, name: str) -> keras.layers.Layer:
    """The layer that joins a residual unit's branch and its input, in this order."""
    if config.shortcut == "add":
        return keras.layers.Add(name=name)
    return WeightedShortcut(config.shortcut, config.shortcut_normalization, config.shortcut_gain, name=name)


def shares(weights: Tensor, normalization: ShortcutNormalization) -> Tensor:
    """Weights [n] or [n, channels] normalized over their first axis: each in 0..1, together just below 1."""
    if normalization == "softmax":
        positive = ops.exp(weights - ops.stop_gradient(ops.max(weights, axis=0)))
    else:
        positive = ops.maximum(weights, FLOOR)
    return positive / (EPSILON + ops.sum(positive, axis=0))


@keras.saving.register_keras_serializable("yolov4")
class WeightedShortcut(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The weighted mean of n tensors of one shape, times `gain`.

    `kind` is "per_feature", one weight an input, [n], or "per_channel", one an input and channel, [n, channels]. The
    variable is "shortcut_weights"; weight decay acts on it as on a kernel, as in Darknet.
    """

    def __init__(
        self, kind: Shortcut, normalization: ShortcutNormalization = "relu", gain: float = 1.0, **settings: Any
    ) -> None:
        super().__init__(**settings)
        require(kind in get_args(Shortcut)[1:], "kind", "'per_feature' or 'per_channel'", kind)
        require_choice(normalization, "normalization", ShortcutNormalization)
        self.kind = kind
        self.normalization: ShortcutNormalization = normalization
        self.gain = gain

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Make the weights, in float32."""
        if len(input_shape) < 2 or len({shape[-1] for shape in input_shape}) > 1:
            raise ValueError(f"{self.name}: expected two or more inputs of one shape, got {input_shape}")
        per_input = (input_shape[0][-1],) if self.kind == "per_channel" else ()
        self.shortcut_weights = self.add_weight(
            shape=(len(input_shape), *per_input),
            name="shortcut_weights",
            initializer="ones",
            dtype="float32",
            autocast=False,
        )

    def call(self, inputs: list[Tensor]) -> Tensor:
        """The inputs' weighted sum."""
        factors = ops.cast(self.gain * shares(self.shortcut_weights, self.normalization), self.compute_dtype)
        total = factors[0] * inputs[0]
        for k in range(1, len(inputs)):
            total = total + factors[k] * inputs[k]
        return total

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """The shape of each input."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Settings for Keras' files."""
        own = {"kind": self.kind, "normalization": self.normalization, "gain": self.gain}
        return {**super().get_config(), **own}
