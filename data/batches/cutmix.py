"""CutMix for detection: paste a rectangle of another picture, and keep the labels true.

Yun et al., "CutMix", arXiv 1905.04899, defines it for classifiers. Neither the paper nor Darknet, which refuses
cutmix=1 for detectors, defines it for boxes. Here the other picture is augmented on its own and laid out on the same
canvas; its rectangle replaces the same part of the first picture. A box is kept if a minimum share of it can be seen:
for the first picture outside the rectangle, for the other picture inside it. The share is taken of the box after it was
cut to the canvas. The sides of the rectangle are those of Darknet's classifier, 0.3 to 0.8, anywhere on the canvas.
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
_MIN_SIDE = 1.0  # pixels; a box with a shorter side is dropped


@dataclass(frozen=True)
class CutMix:
    """The rectangle (width and height as shares of the canvas), the other picture, and the change to it."""

    width: float
    height: float
    left: float  # share of the free width: 0 puts the rectangle at the left edge, 1 at the right
    top: float
    partner: int
    change: Change


def draw_cutmix(rng: np.random.Generator, config: AugmentConfig, num_pictures: int) -> CutMix | None:
    """Draw a CutMix, or None; takes equally many numbers from rng either way."""
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
    """The rectangle that is pasted: at least a pixel, never outside the canvas."""
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
    return cut, (size >= _MIN_SIDE).all(axis=1) & (_area(cut) >= min_visible * _area(boxes))


def outside(
    boxes: NDArray[np.float32], window: Window, min_visible: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes [n, 4] of the first picture -> (cut where the rectangle hides a whole strip at an edge, which to keep).

    A hidden corner, hole or band leaves the box as it is: what can be seen still reaches to all of its edges.
    """
    hidden = _cut(boxes, window)
    is_visible = _area(boxes) - _area(hidden) >= min_visible * _area(boxes)
    # Whether a strip of a pixel or more can be seen beside the rectangle, on each of the four sides.
    visible = np.stack([hidden[:, :2] - boxes[:, :2], boxes[:, 2:] - hidden[:, 2:]], axis=1) >= _MIN_SIDE
    left, top, right, bottom = visible.reshape(-1, 4).T
    touches = ((hidden[:, 2:] - hidden[:, :2]) > 0).all(axis=1)
    across, along = touches & ~left & ~right, touches & ~top & ~bottom  # hidden over the whole width, or height
    left_edge, top_edge, right_edge, bottom_edge = hidden.T
    x1, y1, x2, y2 = boxes.T.copy()
    y1 = np.where(across & ~top, bottom_edge, y1)
    y2 = np.where(across & ~bottom, top_edge, y2)
    x1 = np.where(along & ~left, right_edge, x1)
    x2 = np.where(along & ~right, left_edge, x2)
    return np.stack([x1, y1, x2, y2], axis=1), is_visible & ~(across & along)


def _cut(boxes: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    """Boxes cut to the window; a box outside it becomes a line or a point on its edge."""
    low = np.array(window[:2], dtype=np.float32)
    high = np.array(window[2:], dtype=np.float32)
    return np.concatenate([np.clip(boxes[:, :2], low, high), np.clip(boxes[:, 2:], low, high)], axis=1)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Areas in float64: a share of exactly the minimum is not lost to rounding."""
    sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    return np.asarray(sides[:, 0] * sides[:, 1])
