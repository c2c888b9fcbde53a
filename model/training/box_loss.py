"""The kinds of box loss, CIoU, DIoU, GIoU and MSE, and the choice between them by a scalar tensor.

Boxes are xyxy [..., 4] in the same unit (pixels in training) and broadcast. Each formula has a finite value and
gradient for every pair of boxes, also flat ones: all kinds are computed and one is selected, and a NaN in another kind
would still make its gradient NaN.
"""

import math
from collections.abc import Sequence
from typing import Any, get_args

from keras import ops

from data import boxes
from model.config import BoxLoss
from model.network.decode_arrays import MAX_LOG_SIZE

Tensor = Any

KINDS: tuple[str, ...] = get_args(BoxLoss)  # LossSettings.box is an index into these
SMALLEST_AREA = 1e-9  # smaller areas and squared diagonals count as this, against division by zero
SMALLEST_SIDE = 1e-6  # the same for the sides whose ratio CIoU compares: atan2(0, 0) has no gradient
SMALLEST_TRUTH_SIDE = 1e-3  # pixels; smallest side of a truth in MSE, whose log would be infinite (as in assign.py)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, 0 to 1."""
    overlap, union = _overlap_and_union(a, b)
    return overlap / union


def ious(predicted: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """GIoU, DIoU and CIoU by name, -1 to 1, computed together so that shared parts are computed and traced once.

    GIoU (Rezatofighi et al. 2019, arXiv 1902.09630, algorithm 1): IoU less the share of the smallest enclosing box that
    neither of the two covers. DIoU (Zheng et al. 2020, arXiv 1911.08287, eq. 7): IoU less the squared distance of the
    centres over the squared diagonal of the smallest enclosing box. CIoU (the same paper, eq. 8-11): DIoU less
    alpha * v, v comparing the ratios of the sides.

    alpha is held constant in the backward pass, as the authors do. They also drop the factor
    1/(w^2+h^2) of v's gradient because boxes in 0..1 make it explode; in pixels it is harmless and kept.
    """
    overlap, union = _overlap_and_union(predicted, truth)
    plain = overlap / union
    enclosing = ops.maximum(predicted[..., 2:], truth[..., 2:]) - ops.minimum(predicted[..., :2], truth[..., :2])
    area = ops.maximum(enclosing[..., 0] * enclosing[..., 1], SMALLEST_AREA)
    distance, diagonal = boxes.distance_and_diagonal(predicted, truth, ops)
    by_distance = plain - distance / ops.maximum(diagonal, SMALLEST_AREA)
    aspect = 4 / math.pi**2 * ops.square(_angle(truth) - _angle(predicted))  # v
    alpha = ops.stop_gradient(aspect / ops.maximum(1 - plain + aspect, SMALLEST_AREA))
    return {"giou": plain - (area - union) / area, "diou": by_distance, "ciou": by_distance - alpha * aspect}


def mse(
    raw_xywh: Tensor,
    truth: Tensor,
    cell_xy: Tensor,
    anchors: Tensor,
    stride: int,
    scale_xy: Tensor,
    network_area: float,
) -> Tensor:
    """Half the squared error of a box in the head's own units, times 2 - (the truth's share of the picture).

    raw_xywh: raw values [..., 4]; truth: xyxy network pixels [..., 4]; cell_xy [..., 2] and anchors [..., 2] as for
    decode.centre_and_size; network_area: square pixels. Four errors are added: the centre's two, in cells after the
    sigmoid and grid sensitivity, and those of the log of each side over the anchor's.

    After Darknet's MSE branch (yolo_layer.c: delta_yolo_box), which makes small boxes count up to twice as much.
    For tw and th the gradient equals Darknet's delta; for tx and ty it is the true one, while Darknet leaves out
    the sigmoid's derivative. A raw size is bounded as in decoding, so beyond the bound its gradient is zero.
    """
    centre = scale_xy * ops.sigmoid(raw_xywh[..., :2]) - (scale_xy - 1) / 2
    log_size = ops.clip(raw_xywh[..., 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE)
    truth_size = ops.maximum(truth[..., 2:] - truth[..., :2], SMALLEST_TRUTH_SIDE)
    truth_centre = (truth[..., :2] + truth[..., 2:]) / (2 * stride) - cell_xy
    errors = ops.square(centre - truth_centre) + ops.square(log_size - ops.log(truth_size / anchors))
    share = ops.minimum(truth_size[..., 0] * truth_size[..., 1] / network_area, 1.0)
    return (2 - share) * ops.sum(errors, axis=-1) / 2


def select(kind: Tensor, losses: Sequence[Tensor]) -> Tensor:
    """Select losses[kind]; `losses` follow the order of KINDS, `kind` is a scalar tensor."""
    selected = losses[0]
    for k in range(1, len(KINDS)):
        selected = ops.where(ops.equal(kind, k), losses[k], selected)
    return selected


def _overlap_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas [...]; the union is at least SMALLEST_AREA."""
    overlap, union = boxes.overlap_and_union(a, b, ops)
    return overlap, ops.maximum(union, SMALLEST_AREA)


def _angle(box: Tensor) -> Tensor:
    """atan(w / h)."""
    size = ops.maximum(box[..., 2:] - box[..., :2], SMALLEST_SIDE)
    return ops.arctan2(size[..., 0], size[..., 1])
