"""The function that is exported: the network, and on request decoding and NMS, written with keras.ops.

The score cut and NMS are those of model/detection/predict.py (numpy), with the same formulas and order; a test
compares the two.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from data.boxes import distance_and_diagonal, overlap_and_union
from model.config import PostConfig
from model.export.card import Card
from model.network import decode
from model.network.layers import Mish
from model.network.shortcut import WeightedShortcut, shares

Tensor = Any

Function = Callable[[Tensor], dict[str, Tensor]]


def function(model: keras.Model, card: Card) -> Function:
    """The function from images [1, height, width, 3] in 0..1 to the outputs on the card, by name."""

    def maps(images: Tensor) -> dict[str, Tensor]:
        return {scale.name: raw for scale, raw in zip(card.maps, model(images, training=False), strict=True)}

    def candidates(images: Tensor) -> dict[str, Tensor]:
        boxes, objectness, class_probs = decode.boxes(
            model(images, training=False),
            ops.convert_to_tensor(card.anchors, "float32"),
            ops.convert_to_tensor(card.scale_xy, "float32"),
            card.maps,
        )
        return {"boxes": boxes, "scores": objectness[..., None] * class_probs}

    def detections(images: Tensor) -> dict[str, Tensor]:
        decoded = candidates(images)
        return detect(decoded["boxes"][0], decoded["scores"][0], card.post or PostConfig())

    return {"maps": maps, "candidates": candidates, "detections": detections}[card.output]


def detect(boxes: Tensor, scores: Tensor, post: PostConfig) -> dict[str, Tensor]:
    """One picture's detections, best first: boxes [1, m, 4], classes [1, m] int32, scores [1, m].

    boxes: [n, 4]; scores: [n, c]; m: post.max_detections. Rows without a detection have class -1 and score 0.
    """
    num_classes = scores.shape[-1]
    pairs = ops.reshape(scores, (-1,))
    best, indices = ops.top_k(pairs, min(post.max_candidates, pairs.shape[0]))
    # Among equal scores top_k puts the lowest index first, as predict.candidates does.
    boxes = ops.take(boxes, indices // num_classes, axis=0)
    classes = ops.cast(indices % num_classes, "int32")
    kept = suppress(boxes, classes, best > post.score, post)
    best_scores, order = ops.top_k(ops.where(kept, best, -ops.ones_like(best)), min(post.max_detections, best.shape[0]))
    is_detection = best_scores > post.score
    out = {
        "boxes": ops.where(is_detection[:, None], ops.take(boxes, order, axis=0), ops.zeros((1, 4))),
        "classes": ops.where(is_detection, ops.take(classes, order, axis=0), -ops.ones_like(order)),
        "scores": ops.where(is_detection, best_scores, ops.zeros_like(best_scores)),
    }
    short = post.max_detections - best_scores.shape[0]  # a tiny grid can have fewer candidates than there are rows
    fill = {"boxes": 0, "classes": -1, "scores": 0}
    return {
        name: ops.pad(x, [[0, short]] + [[0, 0]] * (len(x.shape) - 1), constant_values=fill[name])[None]
        for name, x in out.items()
    }


def suppress(boxes: Tensor, classes: Tensor, alive: Tensor, post: PostConfig) -> Tensor:
    """Which of one picture's boxes, best first, NMS keeps: bool [k].

    Greedy NMS is the only fixed point of "a box stays if no better box that stays suppresses it". Each round settles at
    least one more box, from the best down; most settle in a few rounds, so the loop ends early.
    """
    worse = ops.arange(boxes.shape[0])[None, :] > ops.arange(boxes.shape[0])[:, None]
    suppresses = ops.logical_and(
        ops.logical_and(worse, classes[:, None] == classes[None, :]), overlaps(boxes[:, None], boxes[None, :], post)
    )
    matrix = ops.cast(suppresses, "float32")

    def still_changing(_before: Tensor, _now: Tensor, changed: Tensor) -> Tensor:
        return changed

    def next_round(_before: Tensor, now: Tensor, _changed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        suppressors = ops.matmul(now[None, :], matrix)[0]  # number of staying boxes that suppress each
        after = start * ops.cast(suppressors < 0.5, "float32")
        return now, after, ops.any(after != now)

    start = ops.cast(alive, "float32")
    _, now, _ = ops.while_loop(still_changing, next_round, (ops.zeros_like(start), start, ops.any(alive)))
    return now > 0.5


def overlaps(boxes: Tensor, others: Tensor, post: PostConfig) -> Tensor:
    """Whether boxes [..., 4] overlap too much to be two objects; same formula as predict.overlaps."""
    shared, union = overlap_and_union(boxes, others, ops)
    too_much = shared > post.nms_iou * union
    if post.nms == "plain":
        return too_much
    distance, diagonal = distance_and_diagonal(boxes, others, ops)
    # Where boxes overlap too much neither denominator is 0; elsewhere the answer is no, whatever these values are.
    far = distance / ops.maximum(diagonal, 1e-12)
    iou = shared / ops.maximum(union, 1e-12)
    return ops.logical_and(too_much, iou - ops.power(far, post.nms_beta) > post.nms_iou)


@keras.saving.register_keras_serializable("yolov4")
class SpelledMish(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Mish as x * tanh(softplus(x)): three operations that converters and runtimes recognize as Mish."""

    def call(self, inputs: Tensor) -> Tensor:
        """Element by element."""
        return inputs * ops.tanh(ops.softplus(inputs))


@keras.saving.register_keras_serializable("yolov4")
class SpelledUpsample(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Nearest-neighbour upsampling to twice the side as one resize.

    Keras' layer tiles five-dimensional tensors, which OpenCV 4.10 gets wrong.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """[b, h, w, c] -> [b, 2h, 2w, c]."""
        height, width = ops.shape(inputs)[1:3]
        return ops.image.resize(inputs, (2 * height, 2 * width), interpolation="nearest")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Twice the sides."""
        batch, height, width, channels = input_shape
        return (batch, height and 2 * height, width and 2 * width, channels)


@keras.saving.register_keras_serializable("yolov4")
class SpelledShortcut(WeightedShortcut):
    """The weighted sum, with its factors as depthwise 1x1 convolutions.

    Plain products would be folded by TensorFlow's optimizer into the convolution on only one side of Mish's product,
    and OpenCV would take the rest for Mish.
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        """The inputs' weighted sum."""
        channels = inputs[0].shape[-1]
        factors = self.gain * shares(self.shortcut_weights, self.normalization)
        kernels = ops.broadcast_to(ops.reshape(factors, (len(inputs), 1, 1, -1, 1)), (len(inputs), 1, 1, channels, 1))
        return sum(ops.depthwise_conv(x, kernels[k]) for k, x in enumerate(inputs))


def for_converters(model: keras.Model) -> keras.Model:
    """A copy for export, not training: Mish, MiWRC and upsampling as operations that converters handle."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, Mish):
            return SpelledMish(name=layer.name)
        if isinstance(layer, keras.layers.UpSampling2D):
            return SpelledUpsample(name=layer.name)
        if isinstance(layer, WeightedShortcut):
            return SpelledShortcut.from_config(layer.get_config())
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy
