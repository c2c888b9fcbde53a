"""The backbone as a classifier, so that a detector starts from features that tell classes apart.

Each tap (strides 8, 16, 32) is pooled and classified on its own, so that all three learn. Cross entropy with class
label smoothing (YOLOv4 paper, bag of freebies for the backbone), Adam with a cosine.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model import backbone, train
from model.config import DetectorConfig

LABEL_SMOOTHING = 0.1
BatchAt = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.int32]]]


class Pretraining:
    """A backbone with three linear classifiers, initialised by the seed."""

    def __init__(self, config: DetectorConfig, num_classes: int, seed: int) -> None:
        images = keras.Input((None, None, 3), name="images")
        taps = backbone.cspdarknet53(images, config)
        pooled = [keras.layers.GlobalAveragePooling2D()(tap) for tap in taps]
        scores = [keras.layers.Dense(num_classes)(features) for features in pooled]
        self.model = keras.Model(images, scores)
        train.initialize(self.model, seed)

    def run(self, batch_at: BatchAt, *, steps: int, learning_rate: float) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Train; yields (step, cross entropy by tap [3]) at every step. batch_at(k): images uint8, classes int32."""
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)
        variables = self.model.trainable_variables
        optimizer.build(variables)
        count = self.model.outputs[0].shape[-1]

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def update(images: Any, classes: Any) -> Any:
            with tf.GradientTape() as tape:
                scores = self.model(tf.cast(images, tf.float32) / 255.0, training=True)
                terms = [loss(tf.one_hot(classes, count), each) for each in scores]
                total = tf.add_n(terms)
            optimizer.apply(tape.gradient(total, [v.value for v in variables]), variables)
            return tf.stack(terms)

        for step in range(steps):
            images, classes = batch_at(step)
            yield step + 1, update(tf.constant(images), tf.constant(classes)).numpy()

    def accuracy(self, images: NDArray[np.uint8], classes: NDArray[np.int32]) -> tuple[float, ...]:
        """Share of right classes by tap, with running statistics."""
        scores = self.model(tf.cast(images, tf.float32) / 255.0, training=False)
        return tuple(float(np.mean(np.argmax(np.asarray(each), axis=-1) == classes)) for each in scores)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The backbone's weights by "layer/weight" name, as Trainer.reset takes them."""
        return {
            f"{layer.name}/{variable.name}": np.asarray(variable.value)
            for layer in self.model.layers
            if layer.name.startswith("backbone_")
            for variable in layer.weights
        }
