"""SGD with momentum, in the form whose velocity does not contain the learning rate.

    velocity = momentum * velocity + gradient + weight_decay * weight        weight -= rate * velocity

This is Darknet's update (network.c, convolutional_layer.c) written for a loss averaged over the batch;
Keras' SGD has the rate inside the velocity, which gives another result once the rate changes. Decay is coupled
(it passes through momentum) and acts on convolution kernels and the weights of residual connections only, not on
biases, gamma or beta.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from model.checkpoint import BACKBONE_LAYERS
from model.training.gradient_clip import ClippedGradient, GradientClip

Tensor = Any

DECAYED = ("kernel", "shortcut_weights")  # variables that take weight decay, by name


class UpdateSettings(NamedTuple):
    """The settings of one update, scalar tensors."""

    learning_rate: Tensor
    momentum: Tensor
    weight_decay: Tensor
    max_gradient_norm: Tensor  # 0: no such bound
    spike_factor: Tensor  # bound in medians of the last norms; 0: no such bound
    backbone_active: Tensor  # 1; 0 while the backbone is frozen
    ema_decay: Tensor  # of the weights' moving average; 0: the average equals the weights


class MomentumSGD:
    """Updates variables in four groups, each with one flat vector of velocities and one of averages.

    Flat vectors, because a dozen small operations for each of some 200 variables slow a small model's trace and step.
    The groups are the backbone's weights with decay and without, and the other weights with decay and without.
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
        self.clip = GradientClip()

    def flatten(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Join gradients, in the order of `variables`, into the vectors that apply() takes and passes add up."""
        flat, start = [], 0
        for group in self._groups:
            flat.append(_flat(gradients[start : start + len(group)]))
            start += len(group)
        return flat

    def apply(self, gradients: Sequence[Tensor], update: UpdateSettings) -> ClippedGradient:
        """Update every variable; returns the gradients' global norm and what clipping did."""
        # A frozen backbone does not count in the norm by which the others are clipped.
        gradients = [
            gradient * update.backbone_active if of_backbone else gradient
            for gradient, of_backbone in zip(gradients, self._of_backbone, strict=True)
        ]
        norm = ops.sqrt(sum(ops.sum(ops.square(part)) for part in gradients))
        clipped = self.clip.clip(norm, update.max_gradient_norm, update.spike_factor)
        for k, gradient in enumerate(gradients):
            weights = _flat([v.value for v in self._groups[k]])
            step = gradient * clipped.factor
            if self._decayed[k]:
                step = step + update.weight_decay * weights
            if self._of_backbone[k]:
                step = step * update.backbone_active
            moved = update.momentum * self.velocities[k] + step
            self.velocities[k].assign(moved)
            weights = weights - update.learning_rate * moved
            self.averages[k].assign(update.ema_decay * self.averages[k] + (1.0 - update.ema_decay) * weights)
            self._scatter(k, weights)
        return clipped

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
        """Return to the state of a new trial: zero velocities, and averages equal to the current weights."""
        for k, velocity in enumerate(self.velocities):
            velocity.assign(ops.zeros(velocity.shape))
            self.averages[k].assign(_flat([v.value for v in self._groups[k]]))
        self.clip.reset()


class Adam:
    """Keras' Adam with the interface of MomentumSGD; it ignores momentum, decay and averages.

    For trainings from scratch, such as the shipped base checkpoint's, where it needs a fraction of SGD's steps.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.variables = list(variables)
        self._adam = keras.optimizers.Adam()
        self._adam.build(self.variables)
        self.velocities = [v for v in self._adam.variables if v is not self._adam.learning_rate]
        self.averages: list[keras.Variable] = []
        self.clip = GradientClip()

    def flatten(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients unchanged, as Adam updates each variable by itself."""
        return list(gradients)

    def apply(self, gradients: Sequence[Tensor], update: UpdateSettings) -> ClippedGradient:
        """Update every variable; returns what MomentumSGD.apply does."""
        norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
        clipped = self.clip.clip(norm, update.max_gradient_norm, update.spike_factor)
        self._adam.learning_rate.assign(update.learning_rate)
        self._adam.apply([gradient * clipped.factor for gradient in gradients], self.variables)
        return clipped

    def swap_averages(self) -> None:
        """Raise ValueError, as Adam keeps no averages."""
        raise ValueError("ema_decay: expected 0 with Adam, which keeps no average of the weights")

    def reset(self) -> None:
        """Return to the state of a new training: all moments zero."""
        for variable in self.velocities:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))
        self.clip.reset()


def _vector(group: Sequence[keras.Variable], name: str) -> keras.Variable:
    size = sum(math.prod(v.shape) for v in group)
    return keras.Variable(ops.zeros((size,)), trainable=False, name=name)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])
