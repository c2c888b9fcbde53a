"""SGD with momentum, in the form whose velocity does not hold the rate.

    velocity = momentum * velocity + gradient + weight_decay * weight        weight -= rate * velocity

This is Darknet's update (network.c, convolutional_layer.c) written for a loss averaged over the batch;
Keras' SGD keeps the rate inside the velocity, which differs as soon as the rate changes. Decay is coupled
(it passes through momentum) and acts on convolution kernels only, not on biases, gamma or beta.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any


class MomentumSGD:
    """Velocities for a fixed list of variables, and the update that uses them."""

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.variables = list(variables)
        self.velocities = [
            keras.Variable(ops.zeros(v.shape), trainable=False, name=f"velocity_{k}")
            for k, v in enumerate(self.variables)
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
        norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
        # A norm of NaN keeps the update NaN: a diverged trial must show, not be clipped into silence.
        shrink = ops.where(norm > max_gradient_norm, max_gradient_norm / norm, ops.ones_like(norm))
        for variable, velocity, gradient in zip(self.variables, self.velocities, gradients, strict=True):
            step = gradient * shrink
            if variable.name == "kernel":
                step = step + weight_decay * variable
            velocity.assign(momentum * velocity + step)
            variable.assign(variable - learning_rate * velocity)
        return norm

    def reset(self) -> None:
        """Forget everything: the state of a new trial."""
        for velocity in self.velocities:
            velocity.assign(ops.zeros(velocity.shape))
