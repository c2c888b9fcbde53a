"""Anchor sizes from the training boxes: k-means where the distance is 1 - IoU.

Redmon and Farhadi, YOLO9000, arXiv 1612.08242, section 2: boxes are compared as if they had the same centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data import boxes, chance, letterbox
from data.config import Fit
from data.dataset import Example

NUM_ANCHORS = 9  # three heads with three each
MAX_CELLS = 8  # of an anchor's side, on every output map but the coarsest
_ROUNDS = 100
_STARTS = 5


def mean_iou(wh: NDArray[np.floating], anchors: NDArray[np.floating]) -> float:
    """The mean over all boxes of the IoU with the best anchor: how well the anchors fit."""
    return float(boxes.shape_iou(wh, anchors, np).max(axis=1).mean())


def kmeans(wh: NDArray[np.floating], k: int = NUM_ANCHORS, seed: int = 0) -> NDArray[np.float64]:
    """k sizes [k, 2] (width, height) sorted by area, for box sizes wh [n, 2], all above 0; the best of 5 starts."""
    if len(wh) == 0:
        raise ValueError("anchors: expected at least one box, got none")
    sizes = _at_least(wh.astype(np.float64), k)
    clusterings = [_one_start(sizes, k, chance.generator(chance.Stream.ANCHORS, seed, index=i)) for i in range(_STARTS)]
    best = max(clusterings, key=lambda anchors: mean_iou(sizes, anchors))
    return best[np.argsort(best[:, 0] * best[:, 1], kind="stable")]


def for_dataset(
    examples: Sequence[Example], size: int, fit: Fit, *, k: int = NUM_ANCHORS
) -> tuple[tuple[float, float], ...]:
    """k anchors (width, height) in network pixels, sorted by area, from the boxes of these examples."""
    wh = network_sizes(examples, size, fit)
    # One decimal is finer than any anchor needs, and keeps the numbers readable in reports and journals.
    anchors = np.maximum(np.round(kmeans(wh, k), 1), 1.0)
    return tuple((float(width), float(height)) for width, height in anchors)


def network_sizes(examples: Sequence[Example], size: int, fit: Fit) -> NDArray[np.float64]:
    """Width and height of every box in network pixels: [n, 2], all above 0."""
    per_picture = []
    for example in examples:
        transform = letterbox.transform(example.width, example.height, size, fit)
        sides = example.boxes[:, 2:] - example.boxes[:, :2]
        per_picture.append(sides * np.array([transform.scale_x, transform.scale_y]))
    wh = np.concatenate(per_picture) if per_picture else np.zeros((0, 2))
    return np.asarray(wh[(wh > 0).all(axis=1)], dtype=np.float64)


@dataclass(frozen=True)
class AnchorMask:
    """The anchors of one output map (Darknet's mask).

    share: of all boxes, those that fit one of these anchors best. warning: why the anchors do not suit the map; None if
    they do.
    """

    stride: int
    anchors: tuple[tuple[float, float], ...]
    share: float
    warning: str | None


def anchor_masks(
    anchors: Sequence[tuple[float, float]], wh: NDArray[np.floating], strides: Sequence[int] = (8, 16, 32)
) -> list[AnchorMask]:
    """Assign the anchors, sorted by area, to the output maps as the detector does, and warn of unsuitable ones.

    An anchor's side is the root of its area. It does not suit its map if it is smaller than one cell, or larger than
    eight cells while there is a coarser map. (YOLOv4's own nine have 1.7 to 13 cells: at most 4.2 on stride 8 and 6.4
    on stride 16.)
    """
    per_map = len(anchors) // len(strides)
    nearest = boxes.shape_iou(wh, np.array(anchors), np).argmax(axis=1)
    masks = []
    for index, stride in enumerate(strides):
        first = index * per_map
        own = tuple(anchors[first : first + per_map])
        share = float(((nearest >= first) & (nearest < first + per_map)).mean())
        masks.append(AnchorMask(stride, own, share, _misfit(own, stride, coarsest=stride == max(strides))))
    return masks


def _misfit(anchors: Sequence[tuple[float, float]], stride: int, *, coarsest: bool) -> str | None:
    small = [anchor for anchor in anchors if anchor[0] * anchor[1] < stride**2]
    if small:
        return f"stride {stride}: expected anchors of at least one cell ({stride} px), got {_spell(small)}"
    large = [anchor for anchor in anchors if anchor[0] * anchor[1] > (MAX_CELLS * stride) ** 2]
    if large and not coarsest:
        return f"stride {stride}: expected anchors of at most {MAX_CELLS} cells, got {_spell(large)}"
    return None


def _spell(anchors: Sequence[tuple[float, float]]) -> str:
    return ", ".join(f"{width:g}x{height:g}" for width, height in anchors)


def _at_least(wh: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """The sizes; if fewer than k differ, with scaled copies of them until k do."""
    # Corners are float32, so equal boxes may differ in the sixth digit and must not count as different sizes.
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
    """Start by k-means++ (far sizes are likelier), then iterate as Lloyd until no box changes its anchor."""
    anchors = wh[[int(rng.integers(len(wh)))]]
    while len(anchors) < k:
        far = (1 - boxes.shape_iou(wh, anchors, np).max(axis=1)) ** 2
        far = np.where(far > 1e-12, far, 0)  # rounding errors must not let a size be chosen twice
        share = far / far.sum() if far.any() else None  # None if all sizes are taken: any size again
        anchors = np.concatenate([anchors, wh[[int(rng.choice(len(wh), p=share))]]])
    nearest = np.full(len(wh), -1)
    for _ in range(_ROUNDS):
        before, nearest = nearest, boxes.shape_iou(wh, anchors, np).argmax(axis=1)
        if np.array_equal(before, nearest):
            break
        # A centre that lost all its boxes stays as it is.
        anchors = np.array([wh[nearest == i].mean(axis=0) if (nearest == i).any() else anchors[i] for i in range(k)])
    return anchors
