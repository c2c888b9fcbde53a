"""Forward and backward passes of a batch, with its mini-batches together or in turn; traced inside the train step.

Weights do not change within a batch, so passes in turn only hand on their summed gradients and, for CmBN, their
statistics (docs/decisions/0009).
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
from model.training.optimizer import Adam, MomentumSGD, UpdateSettings

Tensor = Any
TERMS = ("total", "box", "objectness", "class")
# The values of a step, in order. "clipped" is 1 if its gradient was shortened, so that a mean is the share of such
# steps; "positives" is the number of positive anchors per picture.
REPORTED = (*TERMS, "gradient_norm", "clipped", "positives")
# Names of the scalars that the compiled steps take, in the order of the vector.
SETTINGS = (
    *UpdateSettings._fields,
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


class BatchInputs(NamedTuple):
    """The inputs of a batch's passes."""

    images: Tensor  # float32 [b, s, s, 3] in 0..1
    boxes: Tensor  # [b, m, 4] xyxy network pixels
    classes: Tensor  # int32 [b, m], -1 is padding
    scalars: Mapping[str, Tensor]  # by the names of SETTINGS
    counts: loss.BatchCounts
    chance: Tensor  # int32 [2]: the seed of all draws inside the network
    loss_scale: Tensor  # scalar factor of the gradients


class PassSums(NamedTuple):
    """Sums over the passes of a batch so far; one pass is the mini-batches that go through the network together."""

    gradients: list[Tensor]
    terms: Tensor  # [4], in the order of TERMS
    mean: Tensor  # [channels of all BatchNorms], of the batch so far
    variance: Tensor


class BatchPasses:
    """Runs a batch's passes through a network.

    anchors: [n, 2]. maps: the network's output maps. at_once: how many mini-batches go through the network together;
    num_passes such groups make a batch.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: MomentumSGD | Adam,
        anchors: Any,
        maps: Sequence[Scale],
        *,
        at_once: int,
        num_passes: int,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.anchors = anchors
        self.maps = tuple(maps)
        self.at_once = at_once
        self.num_passes = num_passes
        self.norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
        self.drops = [layer for layer in model.layers if isinstance(layer, DropBlock)]

    def counts(self, images: Tensor, boxes: Tensor, classes: Tensor, scalars: Mapping[str, Tensor]) -> loss.BatchCounts:
        """What the losses of a batch are divided by."""
        anchors, threshold = tf.constant(self.anchors), scalars["iou_threshold"]
        return loss.batch_counts(boxes, classes, anchors, threshold, self.maps, (images.shape[1], images.shape[2]))

    def run(self, inputs: BatchInputs) -> PassSums:
        """Run the whole batch: mean losses, gradients of the total times loss_scale; updates the running statistics."""
        try:
            return self._pass(inputs, None) if self.num_passes == 1 else self._run_passes(inputs)
        finally:
            self._clear_layers()

    def _pass(self, inputs: BatchInputs, earlier: PassSums | None, pass_index: Tensor = 0) -> PassSums:
        """One forward and backward pass. earlier: sums of the batch's earlier passes; pass_index counts from 0."""
        self._set_layers(inputs.scalars, inputs.chance, earlier, pass_index)
        with tf.GradientTape() as tape:
            raw_maps = self.model(inputs.images, training=True)
            terms = loss.detection_loss(
                raw_maps,
                inputs.boxes,
                inputs.classes,
                tf.constant(self.anchors),
                scale_xy(inputs.scalars, self.maps),
                loss_settings(inputs.scalars),
                self.maps,
                inputs.counts,
            )
            scaled = terms["total"] * inputs.loss_scale
        gradients = tape.gradient(scaled, [v.value for v in self.optimizer.variables])
        flat = self.optimizer.flatten(gradients)
        stacked = tf.stack([terms[name] for name in TERMS])
        moments = [layer.batch_moments for layer in self.norms if layer.batch_moments is not None]
        mean, variance = (tf.concat([pair[k] for pair in moments], axis=0) for k in range(2))
        if earlier is not None:
            flat = [old + new for old, new in zip(earlier.gradients, flat, strict=True)]
            stacked = earlier.terms + stacked
        return PassSums(flat, stacked, mean, variance)

    def _run_passes(self, inputs: BatchInputs) -> PassSums:
        """Run the passes in turn, in a loop whose body is traced once; gradients add up, weights do not change."""

        def part(x: Tensor, k: Tensor) -> Tensor:
            return tf.gather(tf.reshape(x, (self.num_passes, x.shape[0] // self.num_passes, *x.shape[1:])), k)

        def body(k: Tensor, earlier: PassSums) -> tuple[Tensor, PassSums]:
            own = {name: part(getattr(inputs, name), k) for name in ("images", "boxes", "classes")}
            return k + 1, self._pass(inputs._replace(**own), earlier, k)

        weights = [v.value for v in self.optimizer.variables]
        channels = sum(layer.gamma.shape[0] for layer in self.norms)
        nothing = PassSums(
            [tf.zeros_like(group) for group in self.optimizer.flatten(weights)],
            tf.zeros((len(TERMS),)),
            tf.zeros((channels,)),
            tf.ones((channels,)),
        )
        _, sums = tf.while_loop(
            lambda k, _: k < self.num_passes, body, (tf.constant(0), nothing), parallel_iterations=1
        )
        start = 0
        for layer in self.norms:
            end = start + layer.gamma.shape[0]
            layer.momentum = inputs.scalars["norm_momentum"]
            layer.update_moving(sums.mean[start:end], sums.variance[start:end])
            start = end
        return PassSums(*sums)

    def _set_layers(
        self, scalars: Mapping[str, Tensor], chance: Tensor, earlier: PassSums | None, pass_index: Tensor
    ) -> None:
        """Set the layers' settings for this pass, as tensors of the graph being traced."""
        start = 0
        for layer in self.norms:
            layer.momentum = scalars["norm_momentum"]
            layer.cross_mini_batch = scalars["cross_mini_batch"]
            layer.mini_batches = self.at_once
            layer.defer_update = earlier is not None
            if earlier is not None:
                end = start + layer.gamma.shape[0]
                count = tf.cast(pass_index * self.at_once, tf.float32)
                layer.earlier = Statistics(count, earlier.mean[start:end], earlier.variance[start:end])
                start = end
        for drop in self.drops:
            drop.rate = scalars["dropblock_rate"]
            drop.seed = chance + tf.stack([0, pass_index])

    def _clear_layers(self) -> None:
        for layer in self.norms:
            layer.clear_step_settings()
        for drop in self.drops:
            drop.rate, drop.seed = 0.0, None


def scalars_by_name(settings: Tensor) -> dict[str, Tensor]:
    """Split the vector of settings into scalars by name."""
    return dict(zip(SETTINGS, tf.unstack(settings, num=len(SETTINGS)), strict=True))


def scale_xy(scalars: Mapping[str, Tensor], maps: Sequence[Scale]) -> Tensor:
    """Grid sensitivity by output map, finest first: [maps]."""
    return tf.stack([scalars[f"scale_xy_{scale.stride}"] for scale in maps])


def loss_settings(scalars: Mapping[str, Tensor]) -> LossSettings:
    """The loss's settings among the scalars."""
    return LossSettings(*(scalars[name] for name in LossSettings._fields))
