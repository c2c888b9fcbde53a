"""SGD with momentum, in the form whose velocity does not hold the rate.

    velocity = momentum * velocity + gradient + weight_decay * weight        weight -= rate * velocity

This is Darknet's update (network.c, convolutional_layer.c) written for a loss averaged over the batch;
Keras' SGD keeps the rate inside the velocity, which differs as soon as the rate changes. Decay is coupled
(it passes through momentum) and acts on convolution kernels only, not on biases, gamma or beta.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any


class MomentumSGD:
    """One velocity for all kernels and one for everything else, each a flat vector, and the update that uses them.

    Flat, because some 200 variables at a dozen small operations each weigh on a small model's trace and step.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        kernels = [v for v in variables if v.name == "kernel"]
        others = [v for v in variables if v.name != "kernel"]
        self.variables = [*kernels, *others]  # the order in which apply() takes gradients
        self._groups = [group for group in (kernels, others) if group]
        self.velocities = [
            keras.Variable(ops.zeros((sum(math.prod(v.shape) for v in group),)), trainable=False, name=f"velocity_{k}")
            for k, group in enumerate(self._groups)
        ]

    def apply(
        self,
        gradients: Sequence[Tensor],
        *,
        learning_rate: Tensor,
        momentum: Tensor,
        weight_decay: Tensor,
        max_gradient_norm: Tensor,
    ) -> Tensor:
        """Update every variable; returns the gradients' global norm before clipping, a scalar."""
        flat, start = [], 0
        for group in self._groups:
            flat.append(_flat(gradients[start : start + len(group)]))
            start += len(group)
        norm = ops.sqrt(sum(ops.sum(ops.square(part)) for part in flat))
        # A norm of NaN keeps the update NaN: a diverged trial must show, not be clipped into silence.
        shrink = ops.where(norm > max_gradient_norm, max_gradient_norm / norm, ops.ones_like(norm))
        for group, velocity, gradient in zip(self._groups, self.velocities, flat, strict=True):
            step = gradient * shrink
            if group[0].name == "kernel":
                step = step + weight_decay * _flat([v.value for v in group])
            moved = momentum * velocity + step
            velocity.assign(moved)
            change, start = learning_rate * moved, 0
            for variable in group:
                end = start + math.prod(variable.shape)
                variable.assign_sub(ops.reshape(change[start:end], variable.shape))
                start = end
        return norm

    def reset(self) -> None:
        """Forget everything: the state of a new trial."""
        for velocity in self.velocities:
            velocity.assign(ops.zeros(velocity.shape))


class Adam:
    """Keras' Adam behind the same door; momentum and decay are not its words, and it ignores them.

    For trainings from scratch, such as the shipped base checkpoint's: there it needs a fraction of SGD's steps.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.variables = list(variables)
        self._adam = keras.optimizers.Adam()
        self._adam.build(self.variables)
        self.velocities = [v for v in self._adam.variables if v is not self._adam.learning_rate]

    def apply(
        self,
        gradients: Sequence[Tensor],
        *,
        learning_rate: Tensor,
        momentum: Tensor,  # noqa: ARG002
        weight_decay: Tensor,  # noqa: ARG002
        max_gradient_norm: Tensor,
    ) -> Tensor:
        """As MomentumSGD.apply."""
        norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
        shrink = ops.where(norm > max_gradient_norm, max_gradient_norm / norm, ops.ones_like(norm))
        self._adam.learning_rate.assign(learning_rate)
        self._adam.apply([gradient * shrink for gradient in gradients], self.variables)
        return norm

    def reset(self) -> None:
        """Forget everything: the state of a new training."""
        for variable in self.velocities:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])
