"""SAT, self-adversarial training: the network changes its own picture, then learns from it (YOLOv4 paper, 3.4).

Stage 1, here: forward with running statistics and backward to the picture alone, no weight touched. Stage 2 is the
ordinary training step on the changed picture with the true labels.

Goal "empty" is the paper's, in Darknet's form (yolo_layer.c and network_kernels.cu, adversarial): the picture moves
towards one that shows no object, down the loss `empty_loss`. Where Darknet writes deltas by hand, these are gradients
of a loss; its further deltas for anchors with an object (other classes up, box values to 0) are left out, for they
do not make a picture emptier. Goal "truth" is another attack, FGSM (arXiv 1412.6572): up the true detection loss.

Darknet's raw step vanishes or explodes with the gradient; "sign" and "l2" do not. All is Keras operations but the
gradient, which is TensorFlow's tape, in `image_gradient` alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import tensorflow as tf
from keras import ops

from model.config import SatNorm
from model.network import decode
from model.network.scales import Scale

Tensor = Any
Maps = Sequence[Tensor]

NORMS: tuple[SatNorm, ...] = get_args(SatNorm)
# Of objectness times class probability: above it Darknet takes an anchor for one that shows an object.
SHOWN = 0.25
# Below this norm a gradient has no direction that float32 can tell.
SMALLEST_NORM = 1e-20


def norm_index(norm: SatNorm) -> int:
    """The place of a norm in NORMS: what reaches a compiled step as a scalar."""
    return NORMS.index(norm)


def empty_loss(raw_maps: Maps, anchors: Tensor, maps: Sequence[Scale]) -> Tensor:
    """How far raw maps ([b, gh, gw, a*(5+c)] each, any grid) are from "no object here": a sum, scalar.

    softplus(objectness) at every anchor, and softplus(class) where objectness times class probability passes SHOWN,
    each times sqrt(w * h) of the predicted box as a share of the picture, at most 1. anchors: all [n, 2], network
    pixels; maps: the network's output maps.
    """
    anchors = ops.cast(anchors, "float32")
    total = 0.0
    for raw, scale in zip(raw_maps, maps, strict=True):
        split = decode.split_map(raw, len(scale.mask))  # [b, gh, gw, a, 5+c]
        share = ops.stop_gradient(_share(split, decode.anchors_of(anchors, scale), scale.stride))
        objectness, classes = split[..., 4], split[..., 5:]
        shown = ops.sigmoid(objectness)[..., None] * ops.sigmoid(classes) > SHOWN
        seen = ops.stop_gradient(ops.cast(shown, "float32"))
        total = total + ops.sum(share * (ops.softplus(objectness) + ops.sum(seen * ops.softplus(classes), axis=-1)))
    return total


def _share(split: Tensor, anchors: Tensor, stride: int) -> Tensor:
    """sqrt(w * h) of the predicted boxes over that of the picture, at most 1: [b, gh, gw, a]."""
    log_size = ops.clip(split[..., 2:4], -decode.MAX_LOG_SIZE, decode.MAX_LOG_SIZE)
    size = anchors * ops.exp(log_size)
    pixels = stride * stride * ops.cast(ops.shape(split)[1] * ops.shape(split)[2], "float32")
    return ops.minimum(ops.sqrt(ops.prod(size, axis=-1) / pixels), 1.0)


def image_gradient(loss_of: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Gradient of loss_of(images), a scalar, to the images [b, h, w, 3]; no gradient to any weight is made.

    A number that is not finite, as float16 may give, counts as 0.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        value = loss_of(images)
    gradient = tape.gradient(value, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return ops.where(ops.isfinite(gradient), gradient, ops.zeros_like(gradient))


def change(images: Tensor, gradient: Tensor, strength: Tensor, norm: Tensor) -> Tensor:
    """What to take away from images [b, h, w, 3] to go down the gradient; strength, norm: scalars, norm of NORMS.

    sign: strength per channel. l2: strength times the picture's own norm, along the gradient. raw: strength times
    the gradient. A picture without a gradient gets no change.
    """
    by_picture = (1, 2, 3)
    length = ops.sqrt(ops.sum(ops.square(images), axis=by_picture, keepdims=True))
    largest = ops.max(ops.abs(gradient), axis=by_picture, keepdims=True)
    # Divided by its largest number first: the squares of a tiny gradient would be 0 in float32.
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

    model(images, training=False) gives the raw maps, with nothing updated. anchors: all [n, 2], network pixels; maps:
    the network's output maps; strength and norm (a place in NORMS): scalars, tensors in a compiled step, so that
    neither traces anew; nor does a size of the images. true_loss(raw_maps), a mean over the pictures as
    `loss.detection_loss` gives it, makes the goal "truth"; without it the goal is "empty". No gradient flows through
    the result.
    """
    images = ops.stop_gradient(ops.convert_to_tensor(images, "float32"))

    def descended(pictures: Tensor) -> Tensor:
        raw_maps = model(pictures, training=False)
        if true_loss is None:
            return empty_loss(raw_maps, anchors, maps)
        # Times the pictures, so that a picture's raw step does not depend on how many stand beside it.
        return -true_loss(raw_maps) * ops.cast(ops.shape(pictures)[0], "float32")

    gradient = image_gradient(descended, images)
    return ops.stop_gradient(ops.clip(images - change(images, gradient, strength, norm), 0.0, 1.0))
