"""Assigns truths to anchors and cells: several anchors per truth (YOLOv4 paper 3.4; Darknet yolo_layer.c).

On every output map a truth belongs to the cell that contains its centre. Its best anchor by shape IoU (both centred at
the origin) is always positive; so is every other anchor whose shape IoU exceeds the threshold.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from data.boxes import shape_iou
from model.network import scales
from model.network.scales import Scale

Tensor = Any


class Assignment(NamedTuple):
    """Positive anchors of each truth.

    m: truth slots; n: anchors of all output maps, finest map first: 9, for yolov4-tiny 6, as released.

    positive: [b, m, n] 1.0 where the anchor is assigned to the truth, else 0.
    weight: [b, m, n] positive divided by the number of truths that share that anchor of that cell, so
        that sums over slots count an anchor once, and a box term averages over its truths (Darknet
        divides by the number of positive class deltas instead, which label smoothing inflates).
    class_targets: [b, m, n, c] the classes of all truths on that anchor of that cell (multi-label).
    columns, rows: [b, m, maps] the truth's cell on each output map, int32.
    """

    positive: Tensor
    weight: Tensor
    class_targets: Tensor
    columns: Tensor
    rows: Tensor


def positive_anchors(sizes: Tensor, anchors: Tensor, iou_threshold: Tensor) -> Tensor:
    """1.0 for the best anchor of each size and for each whose shape IoU exceeds the threshold; [..., n]."""
    iou = shape_iou(sizes, anchors, ops)
    best = ops.one_hot(ops.argmax(iou, axis=-1), anchors.shape[0], dtype="float32")
    return ops.maximum(best, ops.cast(iou > iou_threshold, "float32"))


def assign(
    boxes: Tensor,
    classes: Tensor,
    anchors: Tensor,
    iou_threshold: Tensor,
    *,
    num_classes: int,
    maps: Sequence[Scale],
    grids: list[tuple[int, int]],
) -> Assignment:
    """Assign truths to anchors and cells.

    boxes: [b, m, 4] xyxy network pixels; classes: [b, m], -1 is padding; anchors: [n, 2] network pixels, all of the
    network; maps: its output maps; grids: (rows, columns) of each. An anchor that is on no map takes no truth
    from the others (in Darknet's training of yolov4-tiny it does, and the truth is lost); one on two maps is positive
    on both.
    """
    valid = ops.cast(classes >= 0, "float32")
    # Padding becomes a unit box: a division by its zero area would make the gradient NaN even when masked.
    sizes = ops.where(valid[..., None] > 0, boxes[..., 2:] - boxes[..., :2], 1.0)
    sizes = ops.maximum(sizes, 1e-3)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    used = scales.anchor_indices(maps)
    positive = positive_anchors(sizes, ops.take(anchors, used, axis=0), iou_threshold) * valid[..., None]
    anchor_columns = [used.index(anchor) for scale in maps for anchor in scale.mask]
    positive = ops.take(positive, anchor_columns, axis=-1)
    columns, rows = [], []
    for scale, (height, width) in zip(maps, grids, strict=True):
        cell = ops.cast(ops.floor(centres / scale.stride), "int32")
        columns.append(ops.clip(cell[..., 0], 0, width - 1))
        rows.append(ops.clip(cell[..., 1], 0, height - 1))
    column, row = ops.stack(columns, axis=-1), ops.stack(rows, axis=-1)
    return _divide_shared_anchors(positive, classes, column, row, num_classes, [len(scale.mask) for scale in maps])


def _divide_shared_anchors(
    positive: Tensor, classes: Tensor, columns: Tensor, rows: Tensor, num_classes: int, anchors_of_maps: Sequence[int]
) -> Assignment:
    """Find truths on the same anchor of the same cell: each gets its share of the weight, and the classes of all.

    anchors_of_maps: the number of anchors of each output map, in the order of the last axis of `positive`.
    """
    one_hot = ops.one_hot(ops.maximum(classes, 0), num_classes, dtype="float32")
    counts, targets = [], []
    end = 0
    for k, num_anchors in enumerate(anchors_of_maps):
        begin, end = end, end + num_anchors
        same_column = columns[:, :, None, k] == columns[:, None, :, k]
        same_row = rows[:, :, None, k] == rows[:, None, :, k]
        same_cell = ops.cast(ops.logical_and(same_column, same_row), "float32")  # [b, m, m]
        for a in range(begin, end):
            meets = same_cell * positive[:, None, :, a]  # [b, m, m]: truth 2 has anchor a in the cell of truth 1
            counts.append(ops.sum(meets, axis=-1))
            targets.append(ops.minimum(ops.matmul(meets, one_hot), 1.0))
    weight = positive / ops.maximum(ops.stack(counts, axis=-1), 1.0)
    return Assignment(positive, weight, ops.stack(targets, axis=2), columns, rows)
