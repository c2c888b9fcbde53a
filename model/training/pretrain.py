"""Trains the backbone as a classifier, so that a detector starts from features that separate classes.

Each tap (strides 8, 16, 32) is pooled and classified on its own, so that all three learn. The YOLOv4 paper's bag of
freebies for the backbone: CutMix and mosaic, which mix labels, are in the data room; class label smoothing and
DropBlock are here. Trained by cross entropy and Adam with a cosine schedule.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.checkpoint import BACKBONE_LAYERS
from model.config import DetectorConfig, DropBlockPlace
from model.network import backbone, initialize
from model.network.dropblock import DropBlock
from model.network.normalization import DEFAULT_MOMENTUM, BatchNorm
from model.training import train

Tensor = Any
BatchAt = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.float32]]]
LabelledPictures = Iterable[tuple[NDArray[np.uint8], NDArray[np.int32]]]

TAPS = (8, 16, 32)  # strides of the backbone's output maps
DROPBLOCK_RAMP = 0.85  # share of the training over which the rate grows from 0 (Darknet)
_DRAWS = 1_000_003  # key of DropBlock's draws; those of weights are keyed by layer


def smoothed(labels: Tensor, smoothing: Tensor) -> Tensor:
    """Smooth labels [b, classes], rows of sum 1: a single class becomes 1 - eps, every other class eps / (c - 1).

    A mixture of two classes becomes the same mixture of their smoothed labels, and the rows' sums stay 1.
    """
    others = labels.shape[-1] - 1
    return labels * (1.0 - smoothing) + (1.0 - labels) * smoothing / others


class Pretraining:
    """A backbone with three linear classifiers, initialised by the seed."""

    def __init__(self, config: DetectorConfig, num_classes: int, seed: int, *, dropblock_rate: float = 0.0) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes: expected at least 2 to tell apart, got {num_classes}")
        images = keras.Input((None, None, 3), name="images")
        place: DropBlockPlace = "backbone" if dropblock_rate > 0 else "none"
        taps = backbone.cspdarknet53(images, replace(config, dropblock_place=place))
        pooled = [keras.layers.GlobalAveragePooling2D()(tap) for tap in taps]
        # Fixed names: fresh weights are drawn by seed and name, and Keras would number default names.
        names = [f"classifier{stride}" for stride in TAPS]
        scores = [keras.layers.Dense(num_classes, name=n)(x) for n, x in zip(names, pooled, strict=True)]
        self.model = keras.Model(images, scores)
        self._seed = seed
        self._dropblock_rate = dropblock_rate
        self._drops = [layer for layer in self.model.layers if isinstance(layer, DropBlock)]
        self._norms = [layer for layer in self.model.layers if isinstance(layer, BatchNorm)]
        initialize.initialize(self.model, num_classes, seed)

    def run(
        self, batch_at: BatchAt, *, steps: int, learning_rate: float, smoothing: float = 0.0
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Train; yields (step, cross entropy by tap [3]) at every step, or raises train.Diverged.

        batch_at(k), k from 0: images uint8 [b, h, w, 3] and labels float32 [b, classes], each row of sum 1.
        """
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))
        optimizer.build(self.model.trainable_variables)
        for layer in self._norms:  # the running statistics of a short training must forget its start
            layer.momentum = min(DEFAULT_MOMENTUM, max(0.0, 1.0 - 10.0 / steps))

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def update(images: Tensor, labels: Tensor, rate: Tensor, chance: Tensor) -> Tensor:
            for layer in self._drops:
                layer.rate, layer.seed = rate, chance
            terms = self._update(optimizer, images, smoothed(labels, smoothing))
            for layer in self._drops:  # no symbolic tensor outlives its trace
                layer.rate, layer.seed = 0.0, None
            return terms

        for step, (images, labels) in enumerate(train.prefetch(batch_at, 0, steps), start=1):
            rate = self._dropblock_rate * min(1.0, step / (DROPBLOCK_RAMP * steps))
            terms: NDArray[np.float32] = update(
                tf.constant(images), tf.constant(labels), tf.constant(rate, tf.float32), tf.constant(self._chance(step))
            ).numpy()
            if not np.isfinite(terms).all():
                raise train.Diverged(f"the cross entropy is not finite at step {step} of {steps}: {terms.tolist()}")
            yield step, terms

    def _update(self, optimizer: Any, images: Tensor, labels: Tensor) -> Tensor:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            scores = self.model(tf.cast(images, tf.float32) / 255.0, training=True)
            terms = [
                tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, tap_scores)) for tap_scores in scores
            ]
            total = tf.add_n(terms)
        optimizer.apply(tape.gradient(total, [v.value for v in variables]), variables)
        return tf.stack(terms)

    def _chance(self, step: int) -> NDArray[np.int32]:
        """Two numbers: the seed of DropBlock's draws at this step."""
        key = np.random.SeedSequence(self._seed, spawn_key=(_DRAWS, step))
        return np.random.Generator(np.random.Philox(key)).integers(2**30, size=2).astype(np.int32)

    def accuracy(self, batches: LabelledPictures) -> tuple[tuple[float, ...], int]:
        """The share of right classes by tap, with running statistics, and the number of pictures."""
        right, count = np.zeros(len(self.model.outputs)), 0
        for images, classes in batches:
            scores = self.model(tf.cast(images, tf.float32) / 255.0, training=False)
            right += [np.sum(np.argmax(tap_scores.numpy(), axis=-1) == classes) for tap_scores in scores]
            count += len(classes)
        if count == 0:
            raise ValueError("accuracy: expected at least one picture, got none")
        return tuple(float(share) for share in right / count), count

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The backbone's weights by "layer/weight" name, as Trainer.reset takes them."""
        return {
            f"{layer.name}/{variable.name}": np.asarray(variable.value)
            for layer in self.model.layers
            if layer.name.startswith(BACKBONE_LAYERS)
            for variable in layer.weights
        }
