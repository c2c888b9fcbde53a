"""The detection loss: box, objectness and class terms, returned by name.

Reduction: each term is summed over cells, anchors, truths and classes, and averaged over the batch only,
as Darknet does (yolo_layer.c). Gradients come from autodiff of the true loss, where Darknet writes deltas by
hand and leaves out the decoder's Jacobian. So its iou_normalizer of 0.07 does not carry over; box_weight 1 to 8 is
the range that fits this reduction (docs/decisions/0003-loss-reduction.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from model.config import LossConfig
from model.network import decode
from model.network.scales import Scale
from model.training import assign, box_loss

Tensor = Any

IGNORE_CLASS_PROB = 0.25  # as in Darknet, a negative is ignored only if it also shows some class


class LossSettings(NamedTuple):
    """The loss's settings as scalar tensors (see LossConfig in model/config.py)."""

    box: Tensor  # index into box_loss.KINDS, so that another kind traces nothing new
    box_weight: Tensor
    objectness_weight: Tensor
    class_weight: Tensor
    iou_threshold: Tensor
    ignore_threshold: Tensor
    label_smoothing: Tensor
    objectness_gamma: Tensor


def settings(config: LossConfig) -> LossSettings:
    """The configuration as floats, for the compiled step's vector of scalars."""
    numbers = {name: float(getattr(config, name)) for name in LossSettings._fields if name != "box"}
    return LossSettings(box=float(box_loss.KINDS.index(config.box)), **numbers)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Element-wise sigmoid cross entropy, in a form that cannot overflow."""
    return ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def negative_objectness(logits: Tensor, gamma: Tensor) -> Tensor:
    """Cross entropy against 0, weighted by the anchor's own score to the power gamma (focal style; 0 is plain)."""
    return ops.exp(gamma * ops.log_sigmoid(logits)) * ops.softplus(logits)


def detection_loss(
    raw_maps: Sequence[Tensor],
    boxes: Tensor,
    classes: Tensor,
    anchors: Tensor,
    scale_xy: Tensor,
    settings: LossSettings,
    maps: Sequence[Scale],
) -> dict[str, Tensor]:
    """The weighted terms "box", "objectness", "class" and their sum "total", each a scalar.

    maps: the network's output maps. raw_maps: [b, gh, gw, a*(5+c)] each, a: the map's number of anchors; boxes:
    [b, m, 4] xyxy network pixels; classes: [b, m], a row of class -1 is padding; anchors: all [n, 2], network pixels;
    scale_xy: one number per map.
    """
    splits = [decode.split_map(raw, len(scale.mask)) for raw, scale in zip(raw_maps, maps, strict=True)]
    grids = [(split.shape[1], split.shape[2]) for split in splits]
    num_classes = splits[0].shape[-1] - 5
    assignment = assign.assign(
        boxes,
        classes,
        anchors,
        settings.iou_threshold,
        num_classes=num_classes,
        maps=maps,
        grids=grids,
    )
    valid = ops.cast(classes >= 0, "float32")
    # Padding becomes a unit box before any division (a masked NaN still makes the gradient NaN).
    truths = ops.where(valid[..., None] > 0, boxes, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]))
    box_term = objectness_term = class_term = 0.0
    end = 0
    for k, (split, scale) in enumerate(zip(splits, maps, strict=True)):
        begin, end = end, end + len(scale.mask)
        of_map = slice(begin, end)
        terms = _map_terms(
            split,
            truths,
            valid,
            decode.anchors_of(anchors, scale),
            scale.stride,
            scale_xy[k],
            assignment.positive[..., of_map],
            assignment.weight[..., of_map],
            assignment.class_targets[:, :, of_map],
            assignment.columns[..., k],
            assignment.rows[..., k],
            settings,
        )
        box_term, objectness_term, class_term = (
            box_term + terms[0],
            objectness_term + terms[1],
            class_term + terms[2],
        )
    per_image = 1.0 / ops.cast(ops.shape(boxes)[0], "float32")
    losses = {
        "box": settings.box_weight * box_term * per_image,
        "objectness": settings.objectness_weight * objectness_term * per_image,
        "class": settings.class_weight * class_term * per_image,
    }
    losses["total"] = losses["box"] + losses["objectness"] + losses["class"]
    return losses


def _map_terms(
    split: Tensor,
    truths: Tensor,
    valid: Tensor,
    anchors: Tensor,
    stride: int,
    scale_xy: Tensor,
    positive: Tensor,
    weight: Tensor,
    class_targets: Tensor,
    columns: Tensor,
    rows: Tensor,
    settings: LossSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """The three unweighted sums of one output map; positive, weight: [b, m, a]; class_targets: [b, m, a, c]."""
    _, height, width, num_anchors, channels = split.shape
    batch = ops.shape(split)[0]
    slots = truths.shape[1]
    cell = rows * width + columns  # [b, m]
    flat = ops.reshape(split, (batch, height * width, num_anchors * channels))
    at_truth = ops.take_along_axis(flat, cell[..., None], axis=1)
    at_truth = ops.reshape(at_truth, (batch, slots, num_anchors, channels))
    cell_xy = ops.cast(ops.stack([columns, rows], axis=-1), "float32")[:, :, None, :]
    predicted = decode.centre_and_size(at_truth[..., :4], cell_xy, anchors, stride, scale_xy)
    truth = truths[:, :, None, :]
    area = float(height * width * stride**2)
    kinds = {kind: 1 - value for kind, value in box_loss.ious(predicted, truth).items()}
    kinds["mse"] = box_loss.mse(at_truth[..., :4], truth, cell_xy, anchors, stride, scale_xy, area)
    box_term = ops.sum(weight * box_loss.select(settings.box, [kinds[kind] for kind in box_loss.KINDS]))

    smooth = class_targets * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    class_term = ops.sum(weight[..., None] * binary_cross_entropy(at_truth[..., 5:], smooth))

    is_positive = _positive_map(positive, cell, height, width)  # [b, gh, gw, a]
    ignored = _ignored(split, truths, valid, anchors, stride, scale_xy, settings.ignore_threshold)
    logits = split[..., 4]
    negative = (1 - is_positive) * (1 - ignored) * negative_objectness(logits, settings.objectness_gamma)
    objectness_term = ops.sum(is_positive * ops.softplus(-logits)) + ops.sum(negative)
    return box_term, objectness_term, class_term


def _positive_map(positive: Tensor, cell: Tensor, height: int, width: int) -> Tensor:
    """1.0 at every positive anchor: [b, gh, gw, a] from positive [b, m, a] and cell [b, m]."""
    at_cell = ops.one_hot(cell, height * width, dtype="float32")  # [b, m, cells]
    counts = ops.einsum("bmn,bma->bna", at_cell, positive)
    return ops.stop_gradient(ops.reshape(ops.minimum(counts, 1.0), (-1, height, width, positive.shape[-1])))


def _ignored(
    split: Tensor,
    truths: Tensor,
    valid: Tensor,
    anchors: Tensor,
    stride: int,
    scale_xy: Tensor,
    ignore_threshold: Tensor,
) -> Tensor:
    """1.0 at boxes that overlap a truth more than the threshold and show some class: they are not negatives."""
    split = ops.stop_gradient(split)
    _, height, width, num_anchors, _ = split.shape
    num_boxes = height * width * num_anchors
    predicted = ops.reshape(decode.map_boxes(split, anchors, stride, scale_xy), (-1, num_boxes, 1, 4))
    overlap = box_loss.iou(predicted, truths[:, None, :, :]) * valid[:, None, :]  # [b, cells * a, m]
    best = ops.reshape(ops.max(overlap, axis=-1), (-1, height, width, num_anchors))
    shows_class = ops.max(ops.sigmoid(split[..., 5:]), axis=-1) > IGNORE_CLASS_PROB
    return ops.cast(ops.logical_and(best > ignore_threshold, shows_class), "float32")
