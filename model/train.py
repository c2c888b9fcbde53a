"""The compiled train step, kept warm between trials, and the training loop: a generator of Reports.

What shapes the graph (DetectorConfig, batch, sizes, class count) makes a Trainer; every other number
reaches its compiled step in one vector of scalars, so a hundred trials trace nothing new.
"""

import math
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model import decode, detector, loss, schedule
from model.config import DetectorConfig, LossConfig, OptimizerConfig
from model.loss import LossSettings
from model.normalization import DEFAULT_MOMENTUM, BatchNorm
from model.optimizer import Adam, MomentumSGD

Tensor = Any
LOSSES = ("total", "box", "objectness", "class", "gradient_norm")
# Fresh output maps begin at the base rates, as in RetinaNet (arXiv 1708.02002, 3.3 and 4.1; not in Darknet): objectness
# 0.01, each class 1 in c, and kernels a tenth of He's. Otherwise the first hundreds of steps only learn those
# rates, and learn them by silencing the features below.
OBJECTNESS_PRIOR = 0.01
OUTPUT_GAIN = 0.1
# The scalars that reach the compiled step, in the order of the vector.
SETTINGS = (
    "learning_rate",
    "momentum",
    "weight_decay",
    "max_gradient_norm",
    "norm_momentum",
    "scale_xy_8",
    "scale_xy_16",
    "scale_xy_32",
    *LossSettings._fields,
)


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


@dataclass(frozen=True)
class Report:
    """Mean losses since the last report, seconds by kind, and graphs traced."""

    step: int
    losses: Mapping[str, float]
    seconds: Mapping[str, float]
    traces: int


class Diverged(Exception):
    """The loss is NaN or infinite; the message names the step and the terms."""


class Trainer:
    """A detector with its compiled train and forward steps; reset() makes it anybody's first."""

    def __init__(
        self,
        config: DetectorConfig,
        class_names: Sequence[str],
        anchors: Sequence[tuple[float, float]],
        make_optimizer: type[MomentumSGD] | type[Adam] = MomentumSGD,
    ) -> None:
        self.config = config
        self.class_names = tuple(class_names)
        self.anchors = np.asarray(anchors, np.float32)
        self.model = detector.build(config, len(self.class_names))
        self.norms = [layer for layer in self.model.layers if isinstance(layer, BatchNorm)]
        self.optimizer = make_optimizer(self.model.trainable_variables)
        self.traces = 0
        self._train = tf.function(self._train_step, autograph=False)
        self._forward = tf.function(self._forward_step, autograph=False)

    def _train_step(self, images: Tensor, boxes: Tensor, classes: Tensor, settings: Tensor) -> Tensor:
        self.traces += 1
        value = dict(zip(SETTINGS, tf.unstack(settings, num=len(SETTINGS)), strict=True))
        for layer in self.norms:
            layer.momentum = value["norm_momentum"]
        scale_xy = tf.stack([value["scale_xy_8"], value["scale_xy_16"], value["scale_xy_32"]])
        with tf.GradientTape() as tape:
            raw_maps = self.model(tf.cast(images, tf.float32) / 255.0, training=True)
            terms = loss.detection_loss(
                raw_maps,
                boxes,
                classes,
                tf.constant(self.anchors),
                scale_xy,
                LossSettings(*(value[name] for name in LossSettings._fields)),
            )
        gradients = tape.gradient(terms["total"], [v.value for v in self.optimizer.variables])
        gradient_norm = self.optimizer.apply(
            gradients,
            learning_rate=value["learning_rate"],
            momentum=value["momentum"],
            weight_decay=value["weight_decay"],
            max_gradient_norm=value["max_gradient_norm"],
        )
        for layer in self.norms:
            layer.momentum = DEFAULT_MOMENTUM  # no symbolic tensor outlives its trace
        return tf.stack([*(terms[name] for name in LOSSES[:-1]), gradient_norm])

    def _forward_step(self, images: Tensor, scale_xy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.traces += 1
        raw_maps = self.model(tf.cast(images, tf.float32) / 255.0, training=False)
        return decode.boxes(raw_maps, tf.constant(self.anchors), scale_xy)

    def step(self, batch: Batch, settings: NDArray[np.float32]) -> NDArray[np.float32]:
        """One optimizer step; returns the losses in the order of LOSSES."""
        out: NDArray[np.float32] = self._train(
            tf.constant(batch.images), tf.constant(batch.boxes), tf.constant(batch.classes), tf.constant(settings)
        ).numpy()
        return out

    def forward(self, images: NDArray[np.uint8], scale_xy: Sequence[float]) -> Decoded:
        """Decoded candidates of uint8 images [b, s, s, 3], with running statistics."""
        found = self._forward(tf.constant(images), tf.constant(scale_xy, tf.float32))
        return Decoded(*(part.numpy() for part in found))

    def reset(self, seed: int, weights: Mapping[str, NDArray[np.float32]] | None = None) -> tuple[str, ...]:
        """Fresh weights from the seed, then those given by "layer/weight" name where shapes agree; no momentum.

        Returns the names that stay random because `weights` lacks them or has another shape.
        """
        left = initialize(self.model, seed, weights)
        self.optimizer.reset()
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
        """Weights and velocities by place: all that a later step depends on, for every draw is keyed by step."""
        weights = {f"weight_{k}": np.asarray(v.value) for k, v in enumerate(self.model.weights)}
        velocities = {f"velocity_{k}": np.asarray(v.value) for k, v in enumerate(self.optimizer.velocities)}
        return weights | velocities

    def save_state(self, path: Path) -> None:
        """Write state() to an .npz file, whole and on disk, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
        with partial.open("wb") as file:
            np.savez(file, **self.state())  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def load_state(self, path: Path) -> None:
        """Go on from a file of save_state; ValueError when it is broken or belongs to another network."""
        try:
            self._load(path)
        except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path}: expected the state of a trial, got {type(error).__name__}: {error}") from error

    def _load(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as stored:
            expected = len(self.model.weights) + len(self.optimizer.velocities)
            if len(stored.files) != expected:
                raise ValueError(f"{path}: expected {expected} arrays of this network, got {len(stored.files)}")
            for k, variable in enumerate(self.model.weights):
                variable.assign(stored[f"weight_{k}"])
            for k, velocity in enumerate(self.optimizer.velocities):
                velocity.assign(stored[f"velocity_{k}"])


def initialize(
    model: keras.Model, seed: int, weights: Mapping[str, NDArray[np.float32]] | None = None
) -> tuple[str, ...]:
    """Give every weight the value of its "layer/weight" name where shapes agree, else a fresh one from the seed.

    Returns the names of the fresh ones.
    """
    fresh = []
    for place, layer in enumerate(model.layers):
        is_output = isinstance(layer, keras.layers.Conv2D) and layer.use_bias  # all others are normalized
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            given = None if weights is None else weights.get(name)
            if given is not None and tuple(given.shape) == tuple(variable.shape):
                variable.assign(given)
                continue
            fresh.append(name)
            variable.assign(_fresh(variable, seed, place, is_output))
    return tuple(fresh)


def _fresh(variable: keras.Variable, seed: int, place: int, is_output: bool) -> NDArray[np.float32]:
    """A new weight: kernels by Darknet's form of He, sqrt(2 / fan_in) * U(-1, 1) (convolutional_layer.c)."""
    shape = tuple(variable.shape)
    if variable.name == "kernel":
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(place,))))
        bound = np.sqrt(2.0 / np.prod(shape[:-1])) * (OUTPUT_GAIN if is_output else 1.0)
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    if variable.name in ("gamma", "moving_variance"):
        return np.ones(shape, np.float32)
    fresh = np.zeros(shape, np.float32)
    if is_output:
        by_anchor = fresh.reshape(decode.ANCHORS_PER_STRIDE, -1)  # a view: [3, 5 + classes]
        by_anchor[:, 4] = _logit(OBJECTNESS_PRIOR)
        by_anchor[:, 5:] = _logit(1.0 / max(by_anchor.shape[1] - 5, 2))
    return fresh


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def settings_vector(
    step: int, steps: int, optimizer: OptimizerConfig, loss_config: LossConfig, config: DetectorConfig
) -> NDArray[np.float32]:
    """The scalars of update number `step` (from 1) in the order of SETTINGS."""
    value = {
        "learning_rate": schedule.learning_rate(step, steps, optimizer),
        "momentum": optimizer.momentum,
        "weight_decay": optimizer.weight_decay,
        "max_gradient_norm": optimizer.max_gradient_norm,
        "norm_momentum": optimizer.norm_momentum,
        "scale_xy_8": config.scale_xy_8,
        "scale_xy_16": config.scale_xy_16,
        "scale_xy_32": config.scale_xy_32,
        **{name: getattr(loss_config, name) for name in LossSettings._fields},
    }
    return np.asarray([value[name] for name in SETTINGS], np.float32)


def train(
    trainer: Trainer,
    batch_at: Callable[[int], Batch],
    config: DetectorConfig,
    optimizer: OptimizerConfig,
    loss_config: LossConfig,
    *,
    steps: int,
    start_step: int,
    stop_step: int,
    report_every: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Report]:
    """Train from start_step to stop_step of a schedule of `steps`; a Report every so often and at stop_step.

    batch_at(k) gives the batch of step k (from 0). Raises Diverged at the first loss that is not finite.
    The time of a step that traced counts as "compile".
    """
    seconds = {"data": 0.0, "train": 0.0, "compile": 0.0}
    sums = np.zeros(len(LOSSES))
    since, traces = 0, trainer.traces
    for step in range(start_step + 1, stop_step + 1):
        begun = clock()
        batch = batch_at(step - 1)
        fed = clock()
        before = trainer.traces
        values = trainer.step(batch, settings_vector(step, steps, optimizer, loss_config, config))
        seconds["data"] += fed - begun
        seconds["compile" if trainer.traces > before else "train"] += clock() - fed
        if not np.all(np.isfinite(values)):
            named = ", ".join(f"{name} {value:g}" for name, value in zip(LOSSES, values, strict=True))
            raise Diverged(f"the loss is not finite at step {step} of {steps}: {named}")
        sums += values
        since += 1
        if step % report_every == 0 or step == stop_step:
            means = {name: float(total / since) for name, total in zip(LOSSES, sums, strict=True)}
            yield Report(step, means, dict(seconds), trainer.traces - traces)
            seconds = dict.fromkeys(seconds, 0.0)
            sums[:] = 0.0
            since, traces = 0, trainer.traces
