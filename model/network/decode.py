"""Decodes raw output maps into boxes by grid, stride, anchor and grid sensitivity (YOLOv4, 3.4; Darknet yolo_layer.c).

For a cell (i, j) of stride s, an anchor (aw, ah) in network pixels and grid sensitivity k:
    cx = s * (i + k * sigmoid(tx) - (k - 1) / 2)        w = aw * exp(tw)
    cy = s * (j + k * sigmoid(ty) - (k - 1) / 2)        h = ah * exp(th)
Everything here is float32, whatever the network computes in. decode_arrays.py has the same in numpy.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from model.network.decode_arrays import MAX_LOG_SIZE
from model.network.scales import Scale

Tensor = Any  # a tensor of whichever backend Keras runs on


def split_map(raw: Tensor, num_anchors: int) -> Tensor:
    """A raw map [b, gh, gw, a*(5+c)] as [b, gh, gw, a, 5+c], float32; a: its number of anchors, three as released."""
    channels = raw.shape[-1] // num_anchors
    height, width = ops.shape(raw)[1], ops.shape(raw)[2]
    return ops.cast(ops.reshape(raw, (-1, height, width, num_anchors, channels)), "float32")


def anchors_of(anchors: Tensor, scale: Scale) -> Tensor:
    """The sizes [a, 2] of one output map's anchors, from all anchors [n, 2]."""
    return ops.take(anchors, list(scale.mask), axis=0)


def centre_and_size(raw_xywh: Tensor, cell_xy: Tensor, anchors: Tensor, stride: int, scale_xy: Tensor) -> Tensor:
    """Boxes xyxy in network pixels, [..., 4], from raw values [..., 4], cells [..., 2] and anchors [..., 2]."""
    centre = stride * (cell_xy + scale_xy * ops.sigmoid(raw_xywh[..., :2]) - (scale_xy - 1) / 2)
    half = anchors * ops.exp(ops.clip(raw_xywh[..., 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE)) / 2
    return ops.concatenate([centre - half, centre + half], axis=-1)


def cell_grid(height: int, width: int) -> Tensor:
    """Cell coordinates (i, j) as float32 [height, width, 1, 2]: x first."""
    columns = ops.broadcast_to(ops.arange(width, dtype="float32")[None, :], (height, width))
    rows = ops.broadcast_to(ops.arange(height, dtype="float32")[:, None], (height, width))
    return ops.stack([columns, rows], axis=-1)[:, :, None, :]


def map_boxes(split: Tensor, anchors: Tensor, stride: int, scale_xy: Tensor) -> Tensor:
    """Boxes of one split map [b, gh, gw, a, 5+c] as [b, gh, gw, a, 4] xyxy network pixels; anchors [a, 2]."""
    grid = cell_grid(ops.shape(split)[1], ops.shape(split)[2])
    return centre_and_size(split[..., :4], grid, anchors, stride, scale_xy)


def boxes(
    raw_maps: Sequence[Tensor], anchors: Tensor, scale_xy: Tensor, maps: Sequence[Scale]
) -> tuple[Tensor, Tensor, Tensor]:
    """Decode the candidates of all maps, in the order: finest map first, cells row by row, anchors of a cell.

    maps: the network's output maps. raw_maps: [b, gh, gw, a*(5+c)] each, a: the map's number of anchors; anchors: all
    [n, 2], network pixels; scale_xy: one number per map. As released, three maps and nine anchors, for yolov4-tiny two
    and six.
    Returns boxes [b, n, 4] xyxy network pixels, objectness [b, n] and class probabilities [b, n, c], both 0..1.
    """
    anchors = ops.cast(anchors, "float32")
    scale_xy = ops.cast(scale_xy, "float32")
    all_boxes, objectness, classes = [], [], []
    for k, (raw, scale) in enumerate(zip(raw_maps, maps, strict=True)):
        split = split_map(raw, len(scale.mask))
        num_classes = split.shape[-1] - 5
        per_map = map_boxes(split, anchors_of(anchors, scale), scale.stride, scale_xy[k])
        candidates = ops.shape(split)[1] * ops.shape(split)[2] * len(scale.mask)
        all_boxes.append(ops.reshape(per_map, (-1, candidates, 4)))
        objectness.append(ops.reshape(ops.sigmoid(split[..., 4]), (-1, candidates)))
        classes.append(ops.reshape(ops.sigmoid(split[..., 5:]), (-1, candidates, num_classes)))
    return ops.concatenate(all_boxes, axis=1), ops.concatenate(objectness, axis=1), ops.concatenate(classes, axis=1)
