"""The compiled train, attack and forward steps of a detector, kept warm between trials.

A Trainer is made for what shapes the graph (DetectorConfig, batch and mini-batches, sizes, precision, class count).
All other settings reach its compiled steps in one vector of scalars, so a hundred trials trace nothing new.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.config import DetectorConfig, SatGoal, TrainConfig
from model.network import architecture, decode, scales
from model.network.initialize import initialize
from model.training import adversarial, loss, training_state
from model.training.batch_pass import BatchInputs, BatchPasses, loss_settings, scalars_by_name, scale_xy
from model.training.gradient_clip import ClippedGradient
from model.training.optimizer import Adam, MomentumSGD, UpdateSettings
from model.training.precise_statistics import PreciseStatistics

Tensor = Any
# float16 gradients below 6e-8 become 0, so the loss is scaled up. The scale is halved when a gradient overflows, and
# doubled after STEPS_TO_DOUBLE steps without overflow (Micikevicius et al. 2018, arXiv 1710.03740, 3.2).
FIRST_LOSS_SCALE = 16.0
SMALLEST_LOSS_SCALE = 2.0**-20
STEPS_TO_DOUBLE = 1000.0


class TrainingBatch(Protocol):
    """The input of a training step: uint8 images [b, s, s, 3], boxes [b, m, 4] network pixels, classes [b, m]."""

    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def classes(self) -> NDArray[np.int32]: ...


class DecodedCandidates(NamedTuple):
    """Decoded candidates: boxes [b, n, 4] xyxy network pixels, objectness [b, n], class_probs [b, n, c]."""

    boxes: NDArray[np.float32]
    objectness: NDArray[np.float32]
    class_probs: NDArray[np.float32]


class Trainer:
    """A detector with its compiled steps. reset() returns it to a fresh state, so that any trial can use it."""

    def __init__(
        self,
        config: DetectorConfig,
        class_names: Sequence[str],
        anchors: Sequence[tuple[float, float]],
        make_optimizer: type[MomentumSGD] | type[Adam] = MomentumSGD,
        *,
        train: TrainConfig | None = None,
        sat_goal: SatGoal = "empty",
    ) -> None:
        train = train or TrainConfig()
        self.config = config
        self.class_names = tuple(class_names)
        self.anchors = np.asarray(anchors, np.float32)
        self.maps = scales.of_config(config)
        num_anchors = scales.number_of_anchors(self.maps)
        if self.anchors.ndim != 2 or len(self.anchors) < num_anchors or self.anchors.shape[1] != 2:
            raise ValueError(
                f"anchors: expected {num_anchors} pairs for {config.variant}, got shape {self.anchors.shape}"
            )
        self.sat_goal = sat_goal
        self.model = _build(config, len(self.class_names), train.precision)
        self.optimizer = make_optimizer(self.model.trainable_variables)
        self.batch_passes = BatchPasses(
            self.model,
            self.optimizer,
            self.anchors,
            self.maps,
            at_once=train.mini_batches_at_once,
            num_passes=train.subdivisions // train.mini_batches_at_once,
        )
        scale = FIRST_LOSS_SCALE if train.precision == "float16" else 1.0
        # [scale, steps since it changed]
        self.loss_scale = keras.Variable([scale, 0.0], trainable=False, name="loss_scale")
        self.scales_loss = train.precision == "float16"
        self.statistics = PreciseStatistics(self.model)
        self.averaging = False  # whether the moving average of the weights is evaluated and saved
        self._traces = 0
        self._train = tf.function(self._train_step, autograph=False)
        # The goal "empty" needs no boxes, so no fixed grid: one trace serves all sizes.
        shapes = [(None, None, None, 3), (None, None, 4), (None, None), (None,)]
        dtypes = (tf.float32, tf.float32, tf.int32, tf.float32)
        signature = [tf.TensorSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        self._attack = tf.function(
            self._attack_step, autograph=False, input_signature=signature if sat_goal == "empty" else None
        )
        self._forward = tf.function(self._forward_step, autograph=False)

    def _train_step(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor, chance: Tensor) -> Tensor:
        self._traces += 1
        scalars = scalars_by_name(settings)
        counts = self.batch_passes.counts(images, boxes, classes, scalars)
        sums = self.batch_passes.run(BatchInputs(images, boxes, classes, scalars, counts, chance, self.loss_scale[0]))
        update = UpdateSettings(*(scalars[name] for name in UpdateSettings._fields))
        apply = self._scaled_update if self.scales_loss else self.optimizer.apply
        clipped = apply(sums.gradients, update)
        return tf.concat([sums.terms, [clipped.norm, clipped.shortened, counts.positives / counts.pictures]], axis=0)

    def _scaled_update(self, gradients: list[Tensor], update: UpdateSettings) -> ClippedGradient:
        """Update with scaled-up gradients; if one is not finite, halve the scale and skip the update."""
        scale, since = self.loss_scale[0], self.loss_scale[1]
        plain = [gradient / scale for gradient in gradients]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in plain])
        # If even the smallest scale overflows, the training diverged: a norm of NaN shows it.
        lost = tf.where(scale < SMALLEST_LOSS_SCALE, float("nan"), 0.0)
        skipped = ClippedGradient(lost, tf.zeros(()), tf.zeros(()))
        clipped = tf.cond(finite, lambda: self.optimizer.apply(plain, update), lambda: skipped)
        grown = since + 1.0 >= STEPS_TO_DOUBLE
        good = tf.where(grown, tf.stack([scale * 2.0, 0.0]), tf.stack([scale, since + 1.0]))
        self.loss_scale.assign(tf.where(finite, good, tf.stack([scale / 2.0, 0.0])))
        return ClippedGradient(*clipped)

    def _attack_step(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor) -> Tensor:
        self._traces += 1
        scalars = scalars_by_name(settings)
        truth = None
        if self.sat_goal == "truth":

            def truth(raw_maps: Sequence[Tensor]) -> Tensor:
                sensitivity, terms = scale_xy(scalars, self.maps), loss_settings(scalars)
                # Whatever the training has, the attack follows the exact gradient of the sum over a picture.
                terms = terms._replace(per_positive=tf.zeros(()), darknet_gradient=tf.zeros(()))
                losses = loss.detection_loss(
                    raw_maps, boxes, classes, tf.constant(self.anchors), sensitivity, terms, self.maps
                )
                return losses["total"]

        return adversarial.perturb(
            self.model,
            images,
            anchors=tf.constant(self.anchors),
            maps=self.maps,
            strength=scalars["sat_strength"],
            norm=scalars["sat_norm"],
            true_loss=truth,
        )

    def _forward_step(self, images: Tensor, scale_xy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self._traces += 1
        raw_maps = self.model(_unit_range(images), training=False)
        return decode.boxes(raw_maps, tf.constant(self.anchors), scale_xy, self.maps)

    @property
    def traces(self) -> int:
        """Graphs traced so far."""
        return self._traces + self.statistics.traces

    def step(
        self,
        batch: TrainingBatch,
        settings: NDArray[np.float32],
        *,
        chance: tuple[int, int] = (0, 0),
        attacked: bool = False,
    ) -> NDArray[np.float32]:
        """Run one optimizer step; returns the values of REPORTED, in that order.

        chance: two numbers below 2^31, the seed of all draws inside the network. attacked: train on pictures changed by
        SAT.
        """
        images = _unit_range(tf.constant(batch.images))
        boxes, classes, values = tf.constant(batch.boxes), tf.constant(batch.classes), tf.constant(settings)
        if attacked:
            images = self.attack(images, boxes, classes, values)
        out: NDArray[np.float32] = self._train(images, boxes, classes, values, tf.constant(chance, tf.int32)).numpy()
        return out

    def attack(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor) -> Tensor:
        """Change float32 images [b, s, s, 3] in 0..1 by SAT, as many at a time as go together in training."""
        parts = (tf.split(x, self.batch_passes.num_passes) for x in (images, boxes, classes))
        return tf.concat([self._attack(*parts_of_pass, settings) for parts_of_pass in zip(*parts, strict=True)], axis=0)

    def forward(self, images: NDArray[np.uint8], scale_xy: Sequence[float]) -> DecodedCandidates:
        """Decoded candidates of uint8 images [b, s, s, 3], with running statistics."""
        decoded = self._forward(tf.constant(images), tf.constant(scale_xy, tf.float32))
        return DecodedCandidates(*(part.numpy() for part in decoded))

    @contextmanager
    def as_scored(self, batches: Sequence[NDArray[np.uint8]] = ()) -> Iterator[None]:
        """While open, the model has the weights and statistics to score and save; afterwards those of the training.

        The weights are their moving averages if `averaging`. The normalization statistics are estimated from the
        batches, uint8 [b, s, s, 3] each; without batches they are the running ones.
        """
        if self.averaging:
            self.optimizer.swap_averages()
        try:
            with self.statistics.in_place(batches):
                yield
        finally:
            if self.averaging:
                self.optimizer.swap_averages()

    def reset(self, seed: int, weights: Mapping[str, NDArray[np.float32]] | None = None) -> tuple[str, ...]:
        """Set the weights given by "layer/weight" name if shapes agree, the others from the seed; clears the momentum.

        Returns the names of weights that stay random because `weights` lacks them or has another shape.
        """
        random_names = initialize(self.model, len(self.class_names), seed, weights)
        self.optimizer.reset()
        self.loss_scale.assign([FIRST_LOSS_SCALE if self.scales_loss else 1.0, 0.0])
        return random_names

    def is_finite(self) -> bool:
        """Whether every weight is finite. Unlike the last step's loss, this shows the effect of the last update."""
        return all(bool(np.isfinite(np.asarray(v.value)).all()) for v in self.model.weights)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """All weights by "layer/weight" name, as reset() takes them."""
        return {
            f"{layer.name}/{variable.name}": np.asarray(variable.value)
            for layer in self.model.layers
            for variable in layer.weights
        }

    def state(self) -> dict[str, NDArray[np.float32]]:
        """All that a later step depends on, by kind and index; draws are keyed by step and need no state."""
        return {
            f"{kind}_{k}": np.asarray(v.value)
            for kind, variables in self._state_variables().items()
            for k, v in enumerate(variables)
        }

    def _state_variables(self) -> dict[str, Sequence[keras.Variable]]:
        variables = {
            "weight": self.model.weights,
            "velocity": self.optimizer.velocities,
            "norms": [self.optimizer.clip.recent],
        }
        if self.averaging:
            variables["average"] = self.optimizer.averages
        if self.scales_loss:
            variables["scale"] = [self.loss_scale]
        return variables

    def save_state(self, path: Path) -> None:
        """Write state() to an .npz file, whole and on disk, or not at all."""
        training_state.save(path, self.state())

    def load_state(self, path: Path) -> None:
        """Restore the state from a file of save_state; ValueError if it is damaged or belongs to another network."""
        training_state.load(path, self._state_variables(), optional=("norms",))


def _build(config: DetectorConfig, num_classes: int, precision: str) -> keras.Model:
    """Build the network with convolutions in that precision; its weights are always float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        return architecture.build(config, num_classes)
    finally:
        keras.config.set_dtype_policy(before)


def _unit_range(images: Tensor) -> Tensor:
    return tf.cast(images, tf.float32) / 255.0
