"""Darknet's hand-written gradient of its CIoU box loss, to which published values such as iou_normalizer=0.07 belong.

Darknet does not differentiate its box loss with respect to the raw outputs (yolo_layer.c: delta_yolo_box; box.c:
dx_box_iou). Its "deltas", the steps it takes in the raw outputs, differ from the true gradient:

- Boxes are in shares of the picture, and the decoder's derivative is left out: sigmoid, grid sensitivity and anchor
  size do not count, only the exponential of the size does.
- The derivative by the width or height is that of the right minus that of the left edge, without the factor 1/2.
- The part of the centre distance that acts through the enclosing box has the opposite sign for the centre.
- The derivative of the aspect term lacks 1 / (w^2 + h^2), as proposed in the CIoU paper (arXiv 1911.08287, 3.3).
- Without overlap, the IoU part is left out.
- Each delta is clipped to max_delta after it was multiplied by iou_normalizer.
"""

import math
from typing import Any, NamedTuple

from keras import ops

from model.network.decode_arrays import MAX_LOG_SIZE

Tensor = Any

SMALLEST = 1e-20  # of a squared area or diagonal, in shares of the picture: avoids division by zero


class Sides(NamedTuple):
    """A box in shares of the picture, each [...]: centre, size and edges."""

    x: Tensor
    y: Tensor
    w: Tensor
    h: Tensor
    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor


def deltas(raw_xywh: Tensor, predicted: Tensor, truth: Tensor, input_size: tuple[float, float]) -> Tensor:
    """Darknet's steps in raw x, y, w, h [..., 4] towards the truth, before iou_normalizer and max_delta.

    raw_xywh: raw outputs [..., 4]; predicted, truth: boxes xyxy in network pixels [..., 4]; input_size: width and
    height of the network's input in pixels. A step has the opposite sign of a gradient.
    """
    box, target = _sides(predicted, input_size), _sides(truth, input_size)
    dx, dy, dw, dh = (
        overlap + distance for overlap, distance in zip(_iou_part(box, target), _centre_part(box, target), strict=True)
    )
    aspect_w, aspect_h = _aspect_part(box, target)
    growth = ops.exp(ops.clip(raw_xywh[..., 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE))
    return ops.stack([dx, dy, (dw + aspect_w) * growth[..., 0], (dh + aspect_h) * growth[..., 1]], axis=-1)


def surrogate(raw_xywh: Tensor, steps: Tensor, value: Tensor) -> Tensor:
    """A term [...] that has the given value, and minus the given steps [..., 4] as its gradient by raw_xywh."""
    moved = raw_xywh - ops.stop_gradient(raw_xywh)  # zeros with a derivative
    return ops.stop_gradient(value) - ops.sum(ops.stop_gradient(steps) * moved, axis=-1)


def _sides(box: Tensor, input_size: tuple[float, float]) -> Sides:
    width, height = input_size
    left, right = box[..., 0] / width, box[..., 2] / width
    top, bottom = box[..., 1] / height, box[..., 3] / height
    return Sides((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, left, top, right, bottom)


def _intersection(box: Sides, target: Sides) -> tuple[Tensor, Tensor]:
    """Width and height of the intersection; negative without overlap."""
    wide = ops.minimum(box.right, target.right) - ops.maximum(box.left, target.left)
    high = ops.minimum(box.bottom, target.bottom) - ops.maximum(box.top, target.top)
    return wide, high


def _iou_part(box: Sides, target: Sides) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The derivatives of the IoU by the four edges, combined into x, y, w, h; 0 without overlap."""
    wide, high = _intersection(box, target)
    shared = wide * high
    union = box.w * box.h + target.w * target.h - shared

    def derivative(of_shared: Tensor, of_area: Tensor) -> Tensor:
        quotient = (union * of_shared - shared * (of_area - of_shared)) / ops.maximum(ops.square(union), SMALLEST)
        return ops.where(ops.logical_and(wide > 0, high > 0), quotient, ops.zeros_like(quotient))

    left = derivative(-high * _one_if(box.left > target.left), -box.h)
    right = derivative(high * _one_if(box.right < target.right), box.h)
    top = derivative(-wide * _one_if(box.top > target.top), -box.w)
    bottom = derivative(wide * _one_if(box.bottom < target.bottom), box.w)
    return left + right, top + bottom, right - left, bottom - top


def _centre_part(box: Sides, target: Sides) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The steps of minus the squared centre distance over the squared diagonal of the enclosing box."""
    wide = ops.maximum(box.right, target.right) - ops.minimum(box.left, target.left)
    high = ops.maximum(box.bottom, target.bottom) - ops.minimum(box.top, target.top)
    diagonal = ops.square(wide) + ops.square(high)
    distance = ops.square(box.x - target.x) + ops.square(box.y - target.y)
    fourth = ops.maximum(ops.square(diagonal), SMALLEST)
    left, right = _one_if(box.left < target.left), _one_if(box.right > target.right)
    top, bottom = _one_if(box.top < target.top), _one_if(box.bottom > target.bottom)
    return (
        (2 * (target.x - box.x) * diagonal - 2 * wide * (right - left) * distance) / fourth,
        (2 * (target.y - box.y) * diagonal - 2 * high * (bottom - top) * distance) / fourth,
        wide * (right + left) * distance / fourth,
        high * (bottom + top) * distance / fourth,
    )


def _aspect_part(box: Sides, target: Sides) -> tuple[Tensor, Tensor]:
    """The steps in w and h of minus alpha * v; v compares the ratios of width to height."""
    wide, high = _intersection(box, target)
    shared = wide * high
    iou = shared / ops.maximum(box.w * box.h + target.w * target.h - shared, SMALLEST)
    difference = ops.arctan2(target.w, target.h) - ops.arctan2(box.w, box.h)
    aspect = 4 / math.pi**2 * ops.square(difference)
    alpha = aspect / (1 - iou + aspect + 1e-6)
    step = alpha * 8 / math.pi**2 * difference
    return step * box.h, -step * box.w


def _one_if(condition: Tensor) -> Tensor:
    return ops.cast(condition, "float32")
