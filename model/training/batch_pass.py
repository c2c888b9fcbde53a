"""Forward and backward of a batch, its mini-batches together or one by one; traced inside the train step.

Weights stand still inside a batch, so mini-batches that go one by one hand on their summed gradients and, for CmBN,
their statistics (docs/decisions/0009).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from model.network.dropblock import DropBlock
from model.network.normalization import BatchNorm, Statistics
from model.network.scales import Scale
from model.training import loss
from model.training.loss import LossSettings
from model.training.optimizer import Adam, MomentumSGD, Pace

Tensor = Any
LOSSES = ("total", "box", "objectness", "class", "gradient_norm")
# The scalars that reach the compiled steps, in the order of the vector.
SETTINGS = (
    *Pace._fields,
    "norm_momentum",
    "cross_mini_batch",
    "dropblock_rate",
    "sat_strength",
    "sat_norm",
    "scale_xy_8",
    "scale_xy_16",
    "scale_xy_32",
    *LossSettings._fields,
)


class Given(NamedTuple):
    """What a batch brings into its passes."""

    images: Tensor  # float32 [b, s, s, 3] in 0..1
    boxes: Tensor  # [b, m, 4] xyxy network pixels
    classes: Tensor  # int32 [b, m], -1 is padding
    value: Mapping[str, Tensor]  # scalars by the names of SETTINGS
    chance: Tensor  # int32 [2]: all draws inside the network depend on it
    loss_scale: Tensor  # scalar, times which the gradients come out


class Pass(NamedTuple):
    """What mini-batches that went through the network together leave: sums over all so far."""

    gradients: list[Tensor]
    terms: Tensor  # [4], in the order of LOSSES without the norm
    mean: Tensor  # [channels of all BatchNorms] of the batch so far
    variance: Tensor


class BatchPasses:
    """A network with what its passes need: its layers that a step sets, the optimizer's order, anchors, output maps.

    anchors: [n, 2]. at_once mini-batches go through the network together; `passes` such groups make a batch.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: MomentumSGD | Adam,
        anchors: Any,
        maps: Sequence[Scale],
        *,
        at_once: int,
        passes: int,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.anchors = anchors
        self.maps = tuple(maps)
        self.at_once = at_once
        self.passes = passes
        self.norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
        self.drops = [layer for layer in model.layers if isinstance(layer, DropBlock)]

    def run(self, given: Given) -> Pass:
        """The whole batch: mean losses, gradients of the total times loss_scale, running statistics moved."""
        try:
            return self._pass(given, None) if self.passes == 1 else self._one_by_one(given)
        finally:
            self._disarm()

    def _pass(self, given: Given, before: Pass | None, number: Tensor = 0) -> Pass:
        """Forward and backward of mini-batches that go together; `number` counts the passes of this batch."""
        self._arm(given.value, given.chance, before, number)
        with tf.GradientTape() as tape:
            raw_maps = self.model(given.images, training=True)
            terms = loss.detection_loss(
                raw_maps,
                given.boxes,
                given.classes,
                tf.constant(self.anchors),
                scale_xy(given.value, self.maps),
                loss_settings(given.value),
                self.maps,
            )
            share = terms["total"] * (given.loss_scale / self.passes)
        gradients = tape.gradient(share, [v.value for v in self.optimizer.variables])
        flat = self.optimizer.flatten(gradients)
        stacked = tf.stack([terms[name] for name in LOSSES[:-1]]) / self.passes
        after = [layer.after for layer in self.norms if layer.after is not None]
        mean, variance = (tf.concat([pair[k] for pair in after], axis=0) for k in range(2))
        if before is not None:
            flat = [old + new for old, new in zip(before.gradients, flat, strict=True)]
            stacked = before.terms + stacked
        return Pass(flat, stacked, mean, variance)

    def _one_by_one(self, given: Given) -> Pass:
        """The passes of a batch in turn, in a loop whose body is traced once; gradients add up, weights stand still."""

        def part(x: Tensor, k: Tensor) -> Tensor:
            return tf.gather(tf.reshape(x, (self.passes, x.shape[0] // self.passes, *x.shape[1:])), k)

        def body(k: Tensor, before: Pass) -> tuple[Tensor, Pass]:
            own = {name: part(getattr(given, name), k) for name in ("images", "boxes", "classes")}
            return k + 1, self._pass(given._replace(**own), before, k)

        weights = [v.value for v in self.optimizer.variables]
        channels = sum(layer.gamma.shape[0] for layer in self.norms)
        nothing = Pass(
            [tf.zeros_like(group) for group in self.optimizer.flatten(weights)],
            tf.zeros((len(LOSSES) - 1,)),
            tf.zeros((channels,)),
            tf.ones((channels,)),
        )
        _, done = tf.while_loop(lambda k, _: k < self.passes, body, (tf.constant(0), nothing), parallel_iterations=1)
        start = 0
        for layer in self.norms:
            end = start + layer.gamma.shape[0]
            layer.momentum = given.value["norm_momentum"]
            layer.update_moving(done.mean[start:end], done.variance[start:end])
            start = end
        return Pass(*done)

    def _arm(self, value: Mapping[str, Tensor], chance: Tensor, before: Pass | None, number: Tensor) -> None:
        """Give the layers the numbers of this pass, as tensors of the graph being traced."""
        start = 0
        for layer in self.norms:
            layer.momentum = value["norm_momentum"]
            layer.cross = value["cross_mini_batch"]
            layer.mini_batches = self.at_once
            layer.deferred = before is not None
            if before is not None:
                end = start + layer.gamma.shape[0]
                count = tf.cast(number * self.at_once, tf.float32)
                layer.before = Statistics(count, before.mean[start:end], before.variance[start:end])
                start = end
        for drop in self.drops:
            drop.rate = value["dropblock_rate"]
            drop.seed = chance + tf.stack([0, number])

    def _disarm(self) -> None:
        for layer in self.norms:
            layer.plain()
        for drop in self.drops:
            drop.rate, drop.seed = 0.0, None


def named(settings: Tensor) -> dict[str, Tensor]:
    """The vector of settings, a scalar a name."""
    return dict(zip(SETTINGS, tf.unstack(settings, num=len(SETTINGS)), strict=True))


def scale_xy(value: Mapping[str, Tensor], maps: Sequence[Scale]) -> Tensor:
    """Grid sensitivity by output map, finest first: [maps]."""
    return tf.stack([value[f"scale_xy_{scale.stride}"] for scale in maps])


def loss_settings(value: Mapping[str, Tensor]) -> LossSettings:
    """The loss's numbers among the scalars."""
    return LossSettings(*(value[name] for name in LossSettings._fields))
