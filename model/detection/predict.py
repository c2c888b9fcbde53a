"""Turns decoded candidates into detections: score cut, NMS, and boxes in the original picture's pixels.

A candidate is a (box, class) pair, so one box may be detected as several classes; NMS works within a class.
DIoU-NMS (Zheng et al. 2020, arXiv 1911.08287; Darknet box.c): a box is removed if, with a better one of its class,
    IoU - (rho^2 / c^2)^beta > threshold
with rho the distance of the centres and c the diagonal of the smallest box around both. Computed in numpy for all
pictures of a batch at once.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.boxes import distance_and_diagonal, overlap_and_union
from data.letterbox import Transform
from model.config import NmsKind, PostConfig
from model.network.decode_arrays import DecodedArrays
from model.network.scales import Scale

Floats = NDArray[np.float32]
# Pictures [b, height, width, 3] RGB, uint8 or float32 in 0..1 -> decoded candidates
Forward = Callable[[NDArray[Any]], DecodedArrays]


class Detections(NamedTuple):
    """Detections of one picture, best first: boxes [n, 4] xyxy, classes [n] int32, scores [n] in 0..1."""

    boxes: Floats
    classes: NDArray[np.int32]
    scores: Floats


class Candidates(NamedTuple):
    """The best (box, class) pairs of each picture of a batch, best first; class -1 is padding."""

    boxes: Floats  # [b, k, 4]
    scores: Floats  # [b, k]
    classes: NDArray[np.int32]  # [b, k]


def compile_forward(
    model: Any, anchors: Sequence[tuple[float, float]], scale_xy: Sequence[float], maps: Sequence[Scale]
) -> Forward:
    """Compile the network and its decoding into one function (a graph for each shape and type of input)."""
    import tensorflow as tf

    from model.network import decode

    sizes, sensitivity = tf.constant(anchors, tf.float32), tf.constant(scale_xy, tf.float32)

    def run(images: Any) -> Any:
        pictures = tf.cast(images, tf.float32) / 255.0 if images.dtype == tf.uint8 else images
        return decode.boxes(model(pictures, training=False), sizes, sensitivity, maps)

    compiled = tf.function(run)

    def forward(images: NDArray[Any]) -> DecodedArrays:
        boxes, objectness, class_probs = compiled(tf.constant(images))
        return boxes.numpy(), objectness.numpy(), class_probs.numpy()

    return forward


def to_unit_range(images: NDArray[Any]) -> Floats:
    """Pictures as float32 in 0..1, from uint8 in 0..255 or from floats in 0..1."""
    return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images.astype(np.float32)


def detect(decoded: DecodedArrays, post: PostConfig) -> list[Detections]:
    """The detections of each picture of a batch, in network pixels."""
    return suppress(candidates(*decoded, score=post.score, max_candidates=post.max_candidates), post)


def suppress(candidates: Candidates, post: PostConfig) -> list[Detections]:
    """Apply NMS to each picture's candidates."""
    kept = nms(
        *candidates,
        iou_threshold=post.nms_iou,
        kind=post.nms,
        beta=post.nms_beta,
        max_detections=post.max_detections,
    )
    return [
        Detections(boxes[keep], classes[keep], scores[keep])
        for boxes, scores, classes, keep in zip(*candidates, kept, strict=True)
    ]


def to_picture(detections: Detections, transform: Transform, width: int, height: int) -> Detections:
    """Convert detections from network pixels to the picture's, clipped at its edges."""
    limit = np.array([width, height, width, height], np.float32)
    return detections._replace(boxes=np.clip(transform.to_picture(detections.boxes), 0, limit))


def candidates(
    boxes: Floats, objectness: Floats, class_probs: Floats, *, score: float, max_candidates: int
) -> Candidates:
    """The (box, class) pairs with a score above `score`, best first, at most `max_candidates` of a picture.

    boxes: [b, n, 4]; objectness: [b, n]; class_probs: [b, n, c]. A pair with a NaN score is left out.
    """
    batch, _, num_classes = class_probs.shape
    chosen = [_best_pairs(objectness[k], class_probs[k], score, max_candidates) for k in range(batch)]
    width = max((len(pairs) for pairs, _ in chosen), default=0)
    out = Candidates(
        np.zeros((batch, width, 4), np.float32),
        np.zeros((batch, width), np.float32),
        np.full((batch, width), -1, np.int32),
    )
    for k, (pairs, scores) in enumerate(chosen):
        out.boxes[k, : len(pairs)] = boxes[k, pairs // num_classes]
        out.scores[k, : len(pairs)] = scores
        out.classes[k, : len(pairs)] = pairs % num_classes
    return out


def _best_pairs(objectness: Floats, class_probs: Floats, score: float, most: int) -> tuple[NDArray[np.intp], Floats]:
    """Flat indices (box * classes + class) of one picture's best pairs, and their scores; ties by index."""
    # A class probability is at most 1, so a box with too low an objectness has no pair that passes.
    rows = np.flatnonzero(objectness > score)
    scores = (objectness[rows, None] * class_probs[rows]).ravel()
    pairs = (rows[:, None] * class_probs.shape[1] + np.arange(class_probs.shape[1])).ravel()
    enough = scores > score
    scores, pairs = scores[enough], pairs[enough]
    if len(scores) > most:
        passes = scores >= np.partition(scores, -most)[-most]  # avoids sorting the long tail
        scores, pairs = scores[passes], pairs[passes]
    order = np.argsort(-scores, kind="stable")[:most]
    return pairs[order], scores[order]


def nms(
    boxes: Floats,
    scores: Floats,
    classes: NDArray[np.int32],
    *,
    iou_threshold: float,
    kind: NmsKind = "diou",
    beta: float = 0.6,
    max_detections: int,
) -> NDArray[np.bool_]:
    """Which boxes stay, [b, n]: greedy from the best score down, within a class, at most `max_detections` a picture.

    boxes: [b, n, 4] xyxy; scores: [b, n]; classes: [b, n], -1 is padding. On a tie the first one stays.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    # Coordinates first in memory: numpy is several times as fast over long rows as over pairs.
    coordinates = np.ascontiguousarray(np.moveaxis(np.take_along_axis(boxes, order[:, :, None], axis=1), -1, 0))
    sorted_boxes = np.moveaxis(coordinates, 0, -1)
    sorted_classes = np.take_along_axis(classes, order, axis=1)
    kept = np.zeros(scores.shape, bool)
    if kept.size == 0:
        return kept
    alive = sorted_classes >= 0
    # Every round keeps the best remaining box of each picture and drops those that it suppresses, so the number of
    # rounds is the largest number of detections of a picture, not of candidates.
    every = np.arange(len(alive))
    for _ in range(max_detections):
        best = alive.argmax(axis=1)
        has_one = alive[every, best]
        if not has_one.any():
            break
        kept[every[has_one], best[has_one]] = True
        suppressed = overlaps(
            sorted_boxes, sorted_boxes[every, best], iou_threshold=iou_threshold, kind=kind, beta=beta
        )
        suppressed &= sorted_classes == sorted_classes[every, best][:, None]
        suppressed[every, best] = True  # a kept box is done, even an empty one, which does not overlap itself
        alive &= ~(suppressed & has_one[:, None])
    unsorted = np.empty_like(kept)
    np.put_along_axis(unsorted, order, kept, axis=1)
    return unsorted


def overlaps(boxes: Floats, best: Floats, *, iou_threshold: float, kind: NmsKind, beta: float) -> NDArray[np.bool_]:
    """Which boxes [b, n, 4] overlap their picture's best one [b, 4] too much to be another object: [b, n]."""
    shared, union = overlap_and_union(boxes, best[:, None], np)
    too_much: NDArray[np.bool_] = shared > iou_threshold * union
    if kind == "plain":
        return too_much
    # The distance term only lowers the value, so it is computed only where plain IoU exceeds the threshold.
    picture, index = np.nonzero(too_much)
    distance, diagonal = distance_and_diagonal(boxes[picture, index], best[picture], np)
    iou = shared[picture, index] / union[picture, index]
    too_much[picture, index] = iou - (distance / diagonal) ** beta > iou_threshold
    return too_much
