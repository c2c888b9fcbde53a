"""The box format of the project, xyxy in pixels as float32, and what is measured on boxes.

A box is (left, top, right, bottom); the point (0, 0) is the top left corner of the top left pixel,
so a box that covers exactly one pixel is one pixel wide. No "+1" conventions.
The measures broadcast over the leading axes: iou(a, b) of two [n, 4] arrays is [n];
iou(a[:, None], b[None]) is the [n, m] table of every box with every other.
DIoU and CIoU: Zheng et al., arXiv 1911.08287; GIoU: Rezatofighi et al., arXiv 1902.09630.
"""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.floating]


def xywh_to_xyxy(boxes: Boxes) -> Boxes:
    """Centre, width, height -> corners. boxes: [..., 4]."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def xyxy_to_xywh(boxes: Boxes) -> Boxes:
    """Corners -> centre, width, height. boxes: [..., 4]."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    return np.concatenate([centre, boxes[..., 2:] - boxes[..., :2]], axis=-1)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """The part of each box that lies inside a picture of this width and height."""
    limit = np.array([width, height, width, height], dtype=boxes.dtype)
    return np.clip(boxes, 0, limit)


def area(boxes: Boxes) -> Boxes:
    """Square pixels; an inverted box has none."""
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def intersection(a: Boxes, b: Boxes) -> Boxes:
    """Square pixels that both boxes cover."""
    return area(np.concatenate(np.broadcast_arrays(np.maximum(a[..., :2], b[..., :2]),
                                                   np.minimum(a[..., 2:], b[..., 2:])), axis=-1))  # fmt: skip


def _share(part: Boxes, whole: Boxes) -> Boxes:
    """part / whole, and 0 where the whole is 0 (degenerate boxes must not make NaN)."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def iou(a: Boxes, b: Boxes) -> Boxes:
    """Intersection over union, in [0, 1]."""
    common = intersection(a, b)
    return np.minimum(_share(common, area(a) + area(b) - common), 1)  # rounding may pass 1 by one bit


def _enclosing(a: Boxes, b: Boxes) -> Boxes:
    """The smallest box around both."""
    low, high = np.minimum(a[..., :2], b[..., :2]), np.maximum(a[..., 2:], b[..., 2:])
    return np.concatenate(np.broadcast_arrays(low, high), axis=-1)


def giou(a: Boxes, b: Boxes) -> Boxes:
    """IoU less the share of the enclosing box that neither covers, in [-1, 1]."""
    common = intersection(a, b)
    union = area(a) + area(b) - common
    around = area(_enclosing(a, b))
    return iou(a, b) - _share(around - union, around)


def diou(a: Boxes, b: Boxes) -> Boxes:
    """IoU - rho^2 / c^2: the centres' squared distance over the enclosing box's squared diagonal."""
    offset = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    around = _enclosing(a, b)
    diagonal = np.sum((around[..., 2:] - around[..., :2]) ** 2, axis=-1)
    return iou(a, b) - _share(np.sum(offset**2, axis=-1), diagonal)


def ciou(a: Boxes, b: Boxes) -> Boxes:
    """DIoU - alpha * v, where v compares the aspect ratios: (4 / pi^2) * (difference of atan(w / h))^2."""
    sides_a, sides_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    # arctan2 is atan(w / h) for sides >= 0, and defined where h is 0.
    angle = np.arctan2(sides_a[..., 0], sides_a[..., 1]) - np.arctan2(sides_b[..., 0], sides_b[..., 1])
    v = (4 / np.pi**2) * angle**2
    alpha = _share(v, (1 - iou(a, b)) + v)
    return diou(a, b) - alpha * v
