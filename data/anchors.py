"""Anchor sizes from the training boxes: k-means where the distance is 1 - IoU.

Redmon and Farhadi, YOLO9000, arXiv 1612.08242, section 2: boxes are compared as if both stood at the same centre.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data import chance, letterbox
from data.config import Fit
from data.example import Example

NUM_ANCHORS = 9  # three heads with three each
_ROUNDS = 100
_STARTS = 5


def shape_iou(wh: NDArray[np.floating], anchors: NDArray[np.floating]) -> NDArray[np.floating]:
    """IoU of every size [n, 2] with every anchor [k, 2], all centred at one point: [n, k]."""
    common = np.minimum(wh[:, None, 0], anchors[None, :, 0]) * np.minimum(wh[:, None, 1], anchors[None, :, 1])
    union = np.prod(wh, axis=1)[:, None] + np.prod(anchors, axis=1)[None] - common
    return np.asarray(common / union)


def mean_iou(wh: NDArray[np.floating], anchors: NDArray[np.floating]) -> float:
    """How well the anchors fit: the mean over boxes of the IoU with the best anchor."""
    return float(shape_iou(wh, anchors).max(axis=1).mean())


def kmeans(wh: NDArray[np.floating], k: int = NUM_ANCHORS, seed: int = 0) -> NDArray[np.float64]:
    """k sizes [k, 2] (width, height) sorted by area, for box sizes wh [n, 2], all above 0; best of some starts."""
    if len(wh) == 0:
        raise ValueError("anchors: expected at least one box, got none")
    sizes = _at_least(wh.astype(np.float64), k)
    found = [_one_start(sizes, k, chance.generator(chance.Stream.ANCHORS, seed, place=i)) for i in range(_STARTS)]
    best = max(found, key=lambda anchors: mean_iou(sizes, anchors))
    return best[np.argsort(best[:, 0] * best[:, 1], kind="stable")]


def for_dataset(
    examples: Sequence[Example], size: int, fit: Fit, *, k: int = NUM_ANCHORS, seed: int = 0
) -> tuple[tuple[float, float], ...]:
    """k anchors (width, height) in network pixels, sorted by area, from the boxes of these examples."""
    per_picture = []
    for example in examples:
        how = letterbox.transform(example.width, example.height, size, fit)
        sides = example.boxes[:, 2:] - example.boxes[:, :2]
        per_picture.append(sides * np.array([how.scale_x, how.scale_y]))
    wh = np.concatenate(per_picture) if per_picture else np.zeros((0, 2))
    # One decimal is finer than any anchor needs, and makes the numbers fit to be read and journalled.
    anchors = np.maximum(np.round(kmeans(wh[(wh > 0).all(axis=1)], k, seed), 1), 1.0)
    return tuple((float(width), float(height)) for width, height in anchors)


def _at_least(wh: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """The sizes, and, where fewer than k differ, scaled copies of them until k do."""
    # Corners are float32: boxes of one size differ in the sixth digit, and must not count as different sizes.
    coarse = np.maximum(np.round(wh, 2), 0.01)
    if len(np.unique(coarse, axis=0)) >= k:
        return wh
    wh = coarse
    sizes, factor = wh, 1.0
    while len(np.unique(sizes, axis=0)) < k:
        factor *= 1.25
        sizes = np.concatenate([sizes, wh * factor, wh / factor])
    return sizes


def _one_start(wh: NDArray[np.float64], k: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """k-means++ start (far sizes are likelier), then Lloyd's rounds until no box changes its anchor."""
    anchors = wh[[int(rng.integers(len(wh)))]]
    while len(anchors) < k:
        far = (1 - shape_iou(wh, anchors).max(axis=1)) ** 2
        far = np.where(far > 1e-12, far, 0)  # rounding must not choose a size twice
        share = far / far.sum() if far.any() else None  # all sizes are taken: any of them again
        anchors = np.concatenate([anchors, wh[[int(rng.choice(len(wh), p=share))]]])
    nearest = np.full(len(wh), -1)
    for _ in range(_ROUNDS):
        before, nearest = nearest, shape_iou(wh, anchors).argmax(axis=1)
        if np.array_equal(before, nearest):
            break
        # A centre that lost all its boxes stays where it is.
        anchors = np.array([wh[nearest == i].mean(axis=0) if (nearest == i).any() else anchors[i] for i in range(k)])
    return anchors
