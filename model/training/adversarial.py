"""SAT, self-adversarial training: the network changes its own picture, then learns from it (YOLOv4 paper, 3.4).

This is stage 1: a forward pass with running statistics, and a backward pass to the picture that changes no weight.
Stage 2 is the ordinary training step on the changed picture with the true labels.

Goal "empty" is the paper's, in Darknet's form (yolo_layer.c and network_kernels.cu, adversarial): the picture moves
towards one that shows no object, down the gradient of `empty_loss`. Darknet writes deltas by hand; its further deltas
for anchors with an object (other classes up, box values to 0) are left out, as they do not make a picture emptier.
Goal "truth" is another attack, FGSM (arXiv 1412.6572): up the gradient of the true detection loss.

Darknet's raw step vanishes or explodes with the gradient; "sign" and "l2" do not. All but the gradient is
written in Keras operations; `image_gradient` uses TensorFlow's tape.
"""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import tensorflow as tf
from keras import ops

from model.config import SatNorm
from model.network import decode
from model.network.decode_arrays import MAX_LOG_SIZE
from model.network.scales import Scale

Tensor = Any
Maps = Sequence[Tensor]

NORMS: tuple[SatNorm, ...] = get_args(SatNorm)
# Threshold of objectness times class probability above which an anchor shows an object (Darknet).
SHOWN_PROB = 0.25
# Below this norm float32 cannot represent a gradient's direction.
SMALLEST_NORM = 1e-20


def norm_index(norm: SatNorm) -> int:
    """The index of a norm in NORMS, which the compiled steps take as a scalar."""
    return NORMS.index(norm)


def empty_loss(raw_maps: Maps, anchors: Tensor, maps: Sequence[Scale]) -> Tensor:
    """The loss of the goal "empty", a scalar sum over raw maps [b, gh, gw, a*(5+c)]: the lower, the fewer objects show.

    softplus(objectness) at every anchor, and softplus(class) where objectness times class probability passes SHOWN,
    each times sqrt(w * h) of the predicted box as a share of the picture, at most 1. anchors: all [n, 2], network
    pixels; maps: the network's output maps.
    """
    anchors = ops.cast(anchors, "float32")
    total = 0.0
    for raw, scale in zip(raw_maps, maps, strict=True):
        split = decode.split_map(raw, len(scale.mask))  # [b, gh, gw, a, 5+c]
        share = ops.stop_gradient(_size_share(split, decode.anchors_of(anchors, scale), scale.stride))
        objectness, classes = split[..., 4], split[..., 5:]
        is_shown = ops.sigmoid(objectness)[..., None] * ops.sigmoid(classes) > SHOWN_PROB
        shown = ops.stop_gradient(ops.cast(is_shown, "float32"))
        total = total + ops.sum(share * (ops.softplus(objectness) + ops.sum(shown * ops.softplus(classes), axis=-1)))
    return total


def _size_share(split: Tensor, anchors: Tensor, stride: int) -> Tensor:
    """sqrt(w * h) of the predicted boxes over that of the picture, at most 1: [b, gh, gw, a]."""
    log_size = ops.clip(split[..., 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE)
    size = anchors * ops.exp(log_size)
    pixels = stride * stride * ops.cast(ops.shape(split)[1] * ops.shape(split)[2], "float32")
    return ops.minimum(ops.sqrt(ops.prod(size, axis=-1) / pixels), 1.0)


def image_gradient(loss_of: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Gradient of loss_of(images), a scalar, with respect to the images [b, h, w, 3] alone, not to weights.

    Values that are not finite, which float16 may give, become 0.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        value = loss_of(images)
    gradient = tape.gradient(value, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return ops.where(ops.isfinite(gradient), gradient, ops.zeros_like(gradient))


def image_change(images: Tensor, gradient: Tensor, strength: Tensor, norm: Tensor) -> Tensor:
    """What to subtract from images [b, h, w, 3] to go down the gradient; strength, norm (index in NORMS): scalars.

    sign: strength per channel. l2: strength times the picture's own norm, along the gradient. raw: strength times
    the gradient. A picture with zero gradient is not changed.
    """
    by_picture = (1, 2, 3)
    length = ops.sqrt(ops.sum(ops.square(images), axis=by_picture, keepdims=True))
    largest = ops.max(ops.abs(gradient), axis=by_picture, keepdims=True)
    # Divided by its largest value first, as the squares of a tiny gradient would be 0 in float32.
    even = gradient / ops.maximum(largest, SMALLEST_NORM)
    direction = even / ops.maximum(ops.sqrt(ops.sum(ops.square(even), axis=by_picture, keepdims=True)), SMALLEST_NORM)
    norm = ops.cast(norm, "int32")
    along = ops.where(norm == norm_index("l2"), length * direction, gradient)
    return strength * ops.where(norm == norm_index("sign"), ops.sign(gradient), along)


def perturb(
    model: Callable[..., Maps],
    images: Tensor,
    *,
    anchors: Tensor,
    maps: Sequence[Scale],
    strength: Tensor,
    norm: Tensor,
    true_loss: Callable[[Maps], Tensor] | None = None,
) -> Tensor:
    """Stage 1 of SAT: images float32 [b, h, w, 3] in 0..1, changed against the network's own detections, in 0..1.

    model(images, training=False) returns the raw maps and updates nothing. anchors: all [n, 2], network pixels; maps:
    the network's output maps; strength and norm (index in NORMS): scalars, tensors in a compiled step. New values of
    them or another image size trace nothing anew. true_loss(raw_maps), a mean over the pictures like
    `loss.detection_loss`, makes the goal "truth"; without it the goal is "empty". No gradient flows through the result.
    """
    images = ops.stop_gradient(ops.convert_to_tensor(images, "float32"))

    def loss_to_lower(pictures: Tensor) -> Tensor:
        raw_maps = model(pictures, training=False)
        if true_loss is None:
            return empty_loss(raw_maps, anchors, maps)
        # Times the number of pictures, so that a picture's raw step does not depend on the batch size.
        return -true_loss(raw_maps) * ops.cast(ops.shape(pictures)[0], "float32")

    gradient = image_gradient(loss_to_lower, images)
    return ops.stop_gradient(ops.clip(images - image_change(images, gradient, strength, norm), 0.0, 1.0))
