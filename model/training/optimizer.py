"""SGD with momentum, in the form whose velocity does not hold the rate.

    velocity = momentum * velocity + gradient + weight_decay * weight        weight -= rate * velocity

This is Darknet's update (network.c, convolutional_layer.c) written for a loss averaged over the batch;
Keras' SGD keeps the rate inside the velocity, which differs as soon as the rate changes. Decay is coupled
(it passes through momentum) and acts on convolution kernels and the weights of residual connections only, not on
biases, gamma or beta.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from model.checkpoint import BACKBONE_LAYERS

Tensor = Any

DECAYED = ("kernel", "shortcut_weights")  # variables that take weight decay, by name


class Pace(NamedTuple):
    """The numbers of one update, scalar tensors."""

    learning_rate: Tensor
    momentum: Tensor
    weight_decay: Tensor
    max_gradient_norm: Tensor
    backbone_active: Tensor  # 1; 0 while the backbone stands still
    ema_decay: Tensor  # of the weights' moving average; 0: the average is the weights


class MomentumSGD:
    """Variables in four groups, a flat vector of velocities and of averages for each, and the update that uses them.

    Flat, because some 200 variables at a dozen small operations each weigh on a small model's trace and step. The
    groups are the backbone's weights with decay and without, and the others' likewise.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        keys = [(not v.path.startswith(BACKBONE_LAYERS), v.name not in DECAYED) for v in variables]
        groups = {key: [v for v, its in zip(variables, keys, strict=True) if its == key] for key in sorted(set(keys))}
        self._groups = list(groups.values())
        self._of_backbone = [not elsewhere for elsewhere, _ in groups]
        self._decayed = [not plain for _, plain in groups]
        self.variables = [v for group in self._groups for v in group]  # the order in which flatten() takes gradients
        self.velocities = [_vector(group, f"velocity_{k}") for k, group in enumerate(self._groups)]
        self.averages = [_vector(group, f"average_{k}") for k, group in enumerate(self._groups)]

    def flatten(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Gradients in the order of `variables`, as apply() takes them: what mini-batches add up."""
        flat, start = [], 0
        for group in self._groups:
            flat.append(_flat(gradients[start : start + len(group)]))
            start += len(group)
        return flat

    def apply(self, gradients: Sequence[Tensor], pace: Pace) -> Tensor:
        """Update every variable; returns the gradients' global norm before clipping, a scalar."""
        # A backbone that stands still has no part in what the others are clipped by.
        gradients = [
            gradient * pace.backbone_active if of_backbone else gradient
            for gradient, of_backbone in zip(gradients, self._of_backbone, strict=True)
        ]
        norm = ops.sqrt(sum(ops.sum(ops.square(part)) for part in gradients))
        # A norm of NaN keeps the update NaN: a diverged trial must show, not be clipped into silence.
        shrink = ops.where(norm > pace.max_gradient_norm, pace.max_gradient_norm / norm, ops.ones_like(norm))
        for k, gradient in enumerate(gradients):
            weights = _flat([v.value for v in self._groups[k]])
            step = gradient * shrink
            if self._decayed[k]:
                step = step + pace.weight_decay * weights
            if self._of_backbone[k]:
                step = step * pace.backbone_active
            moved = pace.momentum * self.velocities[k] + step
            self.velocities[k].assign(moved)
            weights = weights - pace.learning_rate * moved
            self.averages[k].assign(pace.ema_decay * self.averages[k] + (1.0 - pace.ema_decay) * weights)
            self._scatter(k, weights)
        return norm

    def _scatter(self, k: int, weights: Tensor) -> None:
        start = 0
        for variable in self._groups[k]:
            end = start + math.prod(variable.shape)
            variable.assign(ops.reshape(weights[start:end], variable.shape))
            start = end

    def swap_averages(self) -> None:
        """Exchange the weights and their averages; a second call undoes it."""
        for k, average in enumerate(self.averages):
            weights = _flat([v.value for v in self._groups[k]])
            self._scatter(k, average.value)
            average.assign(weights)

    def reset(self) -> None:
        """Forget everything: the state of a new trial. Averages begin at the weights of this moment."""
        for k, velocity in enumerate(self.velocities):
            velocity.assign(ops.zeros(velocity.shape))
            self.averages[k].assign(_flat([v.value for v in self._groups[k]]))


class Adam:
    """Keras' Adam behind the same door; momentum, decay and averages are not its words, and it ignores them.

    For trainings from scratch, such as the shipped base checkpoint's: there it needs a fraction of SGD's steps.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.variables = list(variables)
        self._adam = keras.optimizers.Adam()
        self._adam.build(self.variables)
        self.velocities = [v for v in self._adam.variables if v is not self._adam.learning_rate]
        self.averages: list[keras.Variable] = []

    def flatten(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """As they are: this one updates variable by variable."""
        return list(gradients)

    def apply(self, gradients: Sequence[Tensor], pace: Pace) -> Tensor:
        """As MomentumSGD.apply."""
        norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
        shrink = ops.where(norm > pace.max_gradient_norm, pace.max_gradient_norm / norm, ops.ones_like(norm))
        self._adam.learning_rate.assign(pace.learning_rate)
        self._adam.apply([gradient * shrink for gradient in gradients], self.variables)
        return norm

    def swap_averages(self) -> None:
        """Refused: there are none."""
        raise ValueError("ema_decay: expected 0 with Adam, which keeps no average of the weights")

    def reset(self) -> None:
        """Forget everything: the state of a new training."""
        for variable in self.velocities:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


def _vector(group: Sequence[keras.Variable], name: str) -> keras.Variable:
    size = sum(math.prod(v.shape) for v in group)
    return keras.Variable(ops.zeros((size,)), trainable=False, name=name)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])
