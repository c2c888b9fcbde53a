"""CutMix for detection: a rectangle of another picture is pasted, and the labels stay true.

Yun et al., "CutMix", arXiv 1905.04899, defines it for classifiers; for boxes neither the paper nor Darknet does (which
refuses cutmix=1 for detectors). Ours: the other picture is augmented on its own and laid out on the same canvas; its
rectangle replaces the same place of the first one. A box stays when at least a least share of it can be seen: of the
first picture's outside the rectangle, of the other's inside. The share is that of the box as it lies on the canvas,
already cut to its edges. Sides of the rectangle: Darknet's for classifiers, 0.3 to 0.8, anywhere inside.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data import letterbox
from data.batches import augment
from data.batches.augment import Change, Window
from data.config import AugmentConfig
from data.letterbox import Size

_NUM_DRAWS = 6
_LEAST_SIDE = 1.0  # pixels: of a box, of which less is left along one axis, nothing is left


@dataclass(frozen=True)
class CutMix:
    """The rectangle (shares of the canvas), the other picture, and what happens to that one."""

    width: float
    height: float
    left: float  # share of the room that the rectangle leaves: 0 is the left edge, 1 the right one
    top: float
    partner: int
    change: Change


def draw_cutmix(rng: np.random.Generator, config: AugmentConfig, num_pictures: int) -> CutMix | None:
    """A CutMix, or None; takes the same count of numbers from rng either way."""
    draws: list[float] = rng.random(_NUM_DRAWS).tolist()
    change = augment.draw_resized_change(rng, config)
    if draws[0] >= config.cutmix_prob:
        return None
    low, high = config.cutmix_min_side, config.cutmix_max_side
    return CutMix(
        width=low + draws[1] * (high - low),
        height=low + draws[2] * (high - low),
        left=draws[3],
        top=draws[4],
        partner=int(draws[5] * num_pictures),
        change=change,
    )


def rectangle(cutmix: CutMix, size: Size) -> Window:
    """Where the other picture is pasted; at least a pixel, never outside the canvas."""
    height, width = letterbox.sides(size)
    rectangle_width, rectangle_height = (
        max(1, round(share * side)) for share, side in ((cutmix.width, width), (cutmix.height, height))
    )
    left = round(cutmix.left * (width - rectangle_width))
    top = round(cutmix.top * (height - rectangle_height))
    return Window(left, top, left + rectangle_width, top + rectangle_height)


def inside(
    boxes: NDArray[np.float32], window: Window, min_visible: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes [n, 4] of the other picture -> (cut to the rectangle, which to keep)."""
    cut = _cut(boxes, window)
    size = cut[:, 2:] - cut[:, :2]
    return cut, (size >= _LEAST_SIDE).all(axis=1) & (_area(cut) >= min_visible * _area(boxes))


def outside(
    boxes: NDArray[np.float32], window: Window, min_visible: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes [n, 4] of the first picture -> (cut where the rectangle hides a whole strip at an edge, which to keep).

    A hidden corner, hole or band leaves the box as it is: what can be seen still reaches to all of its edges.
    """
    hidden = _cut(boxes, window)
    is_visible = _area(hidden) <= (1 - min_visible) * _area(boxes)
    # What can be seen beside the rectangle on each of the four sides; less than a pixel is not seen.
    seen = np.stack([hidden[:, :2] - boxes[:, :2], boxes[:, 2:] - hidden[:, 2:]], axis=1) >= _LEAST_SIDE
    left, top, right, bottom = seen.reshape(-1, 4).T
    touches = ((hidden[:, 2:] - hidden[:, :2]) > 0).all(axis=1)
    across, along = touches & ~left & ~right, touches & ~top & ~bottom  # hidden over its whole width, height
    left_edge, top_edge, right_edge, bottom_edge = hidden.T
    x1, y1, x2, y2 = boxes.T.copy()
    y1 = np.where(across & ~top, bottom_edge, y1)
    y2 = np.where(across & ~bottom, top_edge, y2)
    x1 = np.where(along & ~left, right_edge, x1)
    x2 = np.where(along & ~right, left_edge, x2)
    return np.stack([x1, y1, x2, y2], axis=1), is_visible & ~(across & along)


def _cut(boxes: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    """Boxes cut to the window; one that lies outside becomes a line or a point on its edge."""
    low = np.array(window[:2], dtype=np.float32)
    high = np.array(window[2:], dtype=np.float32)
    return np.concatenate([np.clip(boxes[:, :2], low, high), np.clip(boxes[:, 2:], low, high)], axis=1)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
