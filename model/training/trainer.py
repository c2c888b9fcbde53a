"""The compiled train, attack and forward steps of a detector, kept warm between trials.

What shapes the graph (DetectorConfig, batch and its mini-batches, sizes, precision, class count) makes a Trainer; every
other number reaches its compiled steps in one vector of scalars, so a hundred trials trace nothing new.
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
from model.training.batch_pass import BatchPasses, Given, loss_settings, named, scale_xy
from model.training.optimizer import Adam, MomentumSGD, Pace
from model.training.precise_statistics import PreciseStatistics

Tensor = Any
# float16 gradients below 6e-8 are 0: the loss is scaled up, by half as much whenever one overflows, by twice as much
# after that many steps without (Micikevicius et al. 2018, arXiv 1710.03740, 3.2).
FIRST_LOSS_SCALE = 16.0
SMALLEST_LOSS_SCALE = 2.0**-20
STEPS_TO_DOUBLE = 1000.0


class Batch(Protocol):
    """What a step learns from: uint8 images [b, s, s, 3], boxes [b, m, 4] network pixels, classes [b, m]."""

    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def classes(self) -> NDArray[np.int32]: ...


class Decoded(NamedTuple):
    """Decoded candidates: boxes [b, n, 4] xyxy network pixels, objectness [b, n], class_probs [b, n, c]."""

    boxes: NDArray[np.float32]
    objectness: NDArray[np.float32]
    class_probs: NDArray[np.float32]


class Trainer:
    """A detector with its compiled steps; reset() makes it anybody's first."""

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
        number = scales.number_of_anchors(self.maps)
        if self.anchors.ndim != 2 or len(self.anchors) < number or self.anchors.shape[1] != 2:
            raise ValueError(f"anchors: expected {number} pairs for {config.variant}, got shape {self.anchors.shape}")
        self.sat_goal = sat_goal
        self.model = _build(config, len(self.class_names), train.precision)
        self.optimizer = make_optimizer(self.model.trainable_variables)
        self.passes = BatchPasses(
            self.model,
            self.optimizer,
            self.anchors,
            self.maps,
            at_once=train.mini_batches_at_once,
            passes=train.subdivisions // train.mini_batches_at_once,
        )
        scale = FIRST_LOSS_SCALE if train.precision == "float16" else 1.0
        self.loss_scale = keras.Variable([scale, 0.0], trainable=False, name="loss_scale")  # and steps since it changed
        self.scales = train.precision == "float16"
        self.statistics = PreciseStatistics(self.model)
        self.averaging = False  # whether an average of the weights is what is evaluated and kept
        self._traces = 0
        self._train = tf.function(self._train_step, autograph=False)
        # The goal "empty" needs no boxes and so no fixed grid: one trace for all sizes.
        anything = [(None, None, None, 3), (None, None, 4), (None, None), (None,)]
        kinds = (tf.float32, tf.float32, tf.int32, tf.float32)
        signature = [tf.TensorSpec(shape, kind) for shape, kind in zip(anything, kinds, strict=True)]
        self._attack = tf.function(
            self._attack_step, autograph=False, input_signature=signature if sat_goal == "empty" else None
        )
        self._forward = tf.function(self._forward_step, autograph=False)

    def _train_step(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor, chance: Tensor) -> Tensor:
        self._traces += 1
        value = named(settings)
        done = self.passes.run(Given(images, boxes, classes, value, chance, self.loss_scale[0]))
        pace = Pace(*(value[name] for name in Pace._fields))
        norm = self._scaled_update(done.gradients, pace) if self.scales else self.optimizer.apply(done.gradients, pace)
        return tf.concat([done.terms, [norm]], axis=0)

    def _scaled_update(self, gradients: list[Tensor], pace: Pace) -> Tensor:
        """Update with scaled-up gradients, or halve the scale and leave the weights where one is not finite."""
        scale, since = self.loss_scale[0], self.loss_scale[1]
        plain = [gradient / scale for gradient in gradients]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in plain])
        # A scale that no gradient fits any more is no overflow: the norm of NaN shows that the training diverged.
        lost = tf.where(scale < SMALLEST_LOSS_SCALE, float("nan"), 0.0)
        norm = tf.cond(finite, lambda: self.optimizer.apply(plain, pace), lambda: lost)
        grown = since + 1.0 >= STEPS_TO_DOUBLE
        good = tf.where(grown, tf.stack([scale * 2.0, 0.0]), tf.stack([scale, since + 1.0]))
        self.loss_scale.assign(tf.where(finite, good, tf.stack([scale / 2.0, 0.0])))
        return norm

    def _attack_step(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor) -> Tensor:
        self._traces += 1
        value = named(settings)
        truth = None
        if self.sat_goal == "truth":

            def truth(raw_maps: Sequence[Tensor]) -> Tensor:
                sensitivity, terms = scale_xy(value, self.maps), loss_settings(value)
                losses = loss.detection_loss(
                    raw_maps, boxes, classes, tf.constant(self.anchors), sensitivity, terms, self.maps
                )
                return losses["total"]

        return adversarial.perturb(
            self.model,
            images,
            anchors=tf.constant(self.anchors),
            maps=self.maps,
            strength=value["sat_strength"],
            norm=value["sat_norm"],
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
        self, batch: Batch, settings: NDArray[np.float32], *, chance: tuple[int, int] = (0, 0), attacked: bool = False
    ) -> NDArray[np.float32]:
        """One optimizer step; returns the losses in the order of LOSSES.

        chance: two numbers below 2^31 that all draws inside the network depend on. attacked: train on what SAT makes
        of the pictures.
        """
        images = _unit_range(tf.constant(batch.images))
        boxes, classes, values = tf.constant(batch.boxes), tf.constant(batch.classes), tf.constant(settings)
        if attacked:
            images = self.attack(images, boxes, classes, values)
        out: NDArray[np.float32] = self._train(images, boxes, classes, values, tf.constant(chance, tf.int32)).numpy()
        return out

    def attack(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor) -> Tensor:
        """SAT's pictures of float32 images [b, s, s, 3] in 0..1, as many at a time as go together in training."""
        parts = (tf.split(x, self.passes.passes) for x in (images, boxes, classes))
        return tf.concat([self._attack(*those, settings) for those in zip(*parts, strict=True)], axis=0)

    def forward(self, images: NDArray[np.uint8], scale_xy: Sequence[float]) -> Decoded:
        """Decoded candidates of uint8 images [b, s, s, 3], with running statistics."""
        found = self._forward(tf.constant(images), tf.constant(scale_xy, tf.float32))
        return Decoded(*(part.numpy() for part in found))

    @contextmanager
    def as_scored(self, batches: Sequence[NDArray[np.uint8]] = ()) -> Iterator[None]:
        """Let the model be what is scored and kept while this is open; then the training goes on as if it had not been.

        It has the averages of its weights, if they are kept, and normalization statistics of the pictures given,
        uint8 [b, s, s, 3] each; without any, the running ones.
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
        """Fresh weights from the seed, then those given by "layer/weight" name where shapes agree; no momentum.

        Returns the names that stay random because `weights` lacks them or has another shape.
        """
        left = initialize(self.model, len(self.class_names), seed, weights)
        self.optimizer.reset()
        self.loss_scale.assign([FIRST_LOSS_SCALE if self.scales else 1.0, 0.0])
        return left

    def is_finite(self) -> bool:
        """Whether every weight is a finite number: a loss tells of the update before it, this of the last one."""
        return all(bool(np.isfinite(np.asarray(v.value)).all()) for v in self.model.weights)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """All weights by "layer/weight" name, as reset() takes them."""
        return {
            f"{layer.name}/{variable.name}": np.asarray(variable.value)
            for layer in self.model.layers
            for variable in layer.weights
        }

    def state(self) -> dict[str, NDArray[np.float32]]:
        """All that a later step depends on, by kind and place; every draw is keyed by step and needs no state."""
        return {f"{kind}_{k}": np.asarray(v.value) for kind, those in self._kept().items() for k, v in enumerate(those)}

    def _kept(self) -> dict[str, Sequence[keras.Variable]]:
        kept = {"weight": self.model.weights, "velocity": self.optimizer.velocities}
        if self.averaging:
            kept["average"] = self.optimizer.averages
        if self.scales:
            kept["scale"] = [self.loss_scale]
        return kept

    def save_state(self, path: Path) -> None:
        """Write state() to an .npz file, whole and on disk, or not at all."""
        training_state.save(path, self.state())

    def load_state(self, path: Path) -> None:
        """Go on from a file of save_state; ValueError when it is broken or belongs to another network."""
        training_state.load(path, self._kept())


def _build(config: DetectorConfig, num_classes: int, precision: str) -> keras.Model:
    """The network, its convolutions in that precision; its weights are float32 whatever it is."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        return architecture.build(config, num_classes)
    finally:
        keras.config.set_dtype_policy(before)


def _unit_range(images: Tensor) -> Tensor:
    return tf.cast(images, tf.float32) / 255.0
