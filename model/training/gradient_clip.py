"""Two bounds on the length of a step's gradient: a fixed one, and one that shortens only spikes.

- max_gradient_norm is a fixed bound on the global norm; 0 switches it off.
- spike_factor times the median norm of the last WINDOW steps is a bound that follows the training; 0 switches it off.

If both are on, the smaller one counts. With the second one alone, usual steps keep their length whatever the scale of
the loss, so that the learning rate keeps its meaning. A fixed bound below the usual norm makes all steps equally long
(normalized gradient descent), and the learning rate becomes the length of a step.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from model.config import NORMS_KEPT as WINDOW

Tensor = Any

FEWEST = 5  # smallest number of norms to take a median of; the first five steps have no spike bound


class ClippedGradient(NamedTuple):
    """The length of a step's gradient and what clipping did to it, scalar tensors."""

    norm: Tensor  # global norm before clipping
    factor: Tensor  # at most 1; the gradient is multiplied by it
    shortened: Tensor  # 1.0 if the factor is below 1, else 0.0


class GradientClip:
    """The norms of the last steps, which are a part of a training's state, and the bounds that follow from them."""

    def __init__(self) -> None:
        # Oldest first; 0 stands for a step before the first one.
        self.recent = keras.Variable(ops.zeros((WINDOW,)), trainable=False, name="recent_norms")

    def clip(self, norm: Tensor, max_norm: Tensor, spike_factor: Tensor) -> ClippedGradient:
        """Bound a gradient of this norm, and remember the norm. A NaN norm stays NaN, so that divergence shows."""
        limit = ops.minimum(_or_infinite(max_norm), _or_infinite(spike_factor * self._median()))
        above = norm > limit
        factor = ops.where(above, limit / norm, ops.ones_like(norm))
        self.recent.assign(ops.concatenate([self.recent[1:], ops.reshape(norm, (1,))]))
        return ClippedGradient(norm, factor, ops.cast(above, "float32"))

    def reset(self) -> None:
        """Forget all norms, as at the start of a training."""
        self.recent.assign(ops.zeros((WINDOW,)))

    def _median(self) -> Tensor:
        """The lower median of the known norms; 0 while there are fewer than FEWEST."""
        ordered = ops.sort(self.recent.value)  # zeros, which are no norms, come first
        known = ops.sum(ops.cast(ordered > 0, "int32"))
        median = ordered[WINDOW - known + (known - 1) // 2]
        return ops.where(known >= FEWEST, median, ops.zeros_like(median))


def _or_infinite(limit: Tensor) -> Tensor:
    """The limit, or infinity if it is 0."""
    return ops.where(limit > 0, limit, ops.full_like(limit, float("inf")))
