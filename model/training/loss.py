"""The detection loss: box, objectness and class terms, returned by name.

Reduction: each term is summed over cells, anchors, truths and classes. The sum is divided by the number of pictures, as
in Darknet (yolo_layer.c), or by the number of positive anchors in the batch, as in RetinaNet (arXiv 1708.02002, 4.1),
but at least by the number of pictures: else a batch of pictures without objects would weigh most.
The box term's gradient is that of the true loss, or Darknet's hand-written one (darknet_deltas.py), to which its
iou_normalizer of 0.07 belongs (docs/decisions/0003-loss-reduction.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from model.config import LossConfig
from model.network import decode
from model.network.scales import Scale
from model.training import assign, box_loss, darknet_deltas

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
    per_positive: Tensor  # 1.0: sums are divided by the number of positive anchors; 0.0: by the number of pictures
    darknet_gradient: Tensor  # 1.0: the box term has Darknet's gradient; 0.0: the true one
    max_delta: Tensor  # bound on each of Darknet's box steps; 0: none


def settings(config: LossConfig) -> LossSettings:
    """The configuration as floats, for the compiled step's vector of scalars."""
    coded = {
        "box": float(box_loss.KINDS.index(config.box)),
        "per_positive": float(config.reduction == "positive"),
        "darknet_gradient": float(config.box_gradient == "darknet"),
    }
    plain = {name: float(getattr(config, name)) for name in LossSettings._fields if name not in coded}
    return LossSettings(**coded, **plain)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Element-wise sigmoid cross entropy, in a form that cannot overflow."""
    return ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def negative_objectness(logits: Tensor, gamma: Tensor) -> Tensor:
    """Cross entropy against 0, weighted by the anchor's own score to the power gamma (focal style; 0 is plain)."""
    return ops.exp(gamma * ops.log_sigmoid(logits)) * ops.softplus(logits)


class Truths(NamedTuple):
    """The true boxes of a batch."""

    boxes: Tensor  # [b, m, 4] xyxy network pixels; padding is a unit box
    valid: Tensor  # [b, m] 1.0; 0.0 for padding


class MapView(NamedTuple):
    """One output map: its predictions, and which of its anchors are assigned to a truth."""

    split: Tensor  # [b, gh, gw, a, 5+c]
    at_truth: Tensor  # [b, m, a, 5+c]: the raw values in the cell of each truth
    cell_xy: Tensor  # [b, m, 1, 2]: that cell
    cell: Tensor  # [b, m]: its index, row by row
    anchors: Tensor  # [a, 2] network pixels
    stride: int
    scale_xy: Tensor
    positive: Tensor  # [b, m, a], as in assign.Assignment
    weight: Tensor  # [b, m, a]
    class_targets: Tensor  # [b, m, a, c]

    @property
    def input_size(self) -> tuple[float, float]:
        """Width and height of the network's input in pixels."""
        return float(self.split.shape[2] * self.stride), float(self.split.shape[1] * self.stride)


class BatchCounts(NamedTuple):
    """What the loss of a batch is divided by, scalar tensors."""

    pictures: Tensor
    positives: Tensor  # anchors that are assigned to a truth, over all cells


def batch_counts(
    boxes: Tensor,
    classes: Tensor,
    anchors: Tensor,
    iou_threshold: Tensor,
    maps: Sequence[Scale],
    input_size: tuple[int, int],
) -> BatchCounts:
    """The counts of a batch, from its truths alone. input_size: height and width of the network's input in pixels."""
    grids = [(input_size[0] // scale.stride, input_size[1] // scale.stride) for scale in maps]
    # The classes of an anchor do not matter here: one class stands for all.
    assignment = assign.assign(boxes, classes, anchors, iou_threshold, num_classes=1, maps=maps, grids=grids)
    return BatchCounts(ops.cast(ops.shape(boxes)[0], "float32"), ops.sum(assignment.weight))


def detection_loss(
    raw_maps: Sequence[Tensor],
    boxes: Tensor,
    classes: Tensor,
    anchors: Tensor,
    scale_xy: Tensor,
    settings: LossSettings,
    maps: Sequence[Scale],
    counts: BatchCounts | None = None,
) -> dict[str, Tensor]:
    """The weighted terms "box", "objectness", "class" and their sum "total", each a scalar.

    maps: the network's output maps. raw_maps: [b, gh, gw, a*(5+c)] each, a: the map's number of anchors; boxes:
    [b, m, 4] xyxy network pixels; classes: [b, m], a row of class -1 is padding; anchors: all [n, 2], network pixels;
    scale_xy: one number per map. counts: those of the whole batch, if these pictures are a part of it; the parts' terms
    then add up to the batch's.
    """
    splits = [decode.split_map(raw, len(scale.mask)) for raw, scale in zip(raw_maps, maps, strict=True)]
    grids = [(split.shape[1], split.shape[2]) for split in splits]
    num_classes = splits[0].shape[-1] - 5
    assignment = assign.assign(
        boxes, classes, anchors, settings.iou_threshold, num_classes=num_classes, maps=maps, grids=grids
    )
    valid = ops.cast(classes >= 0, "float32")
    # Padding becomes a unit box before any division (a masked NaN still makes the gradient NaN).
    truths = Truths(ops.where(valid[..., None] > 0, boxes, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0])), valid)
    views = _views(splits, assignment, anchors, scale_xy, maps)
    positive_maps = [_positive_map(view) for view in views]
    counts = counts or BatchCounts(ops.cast(ops.shape(boxes)[0], "float32"), ops.sum(assignment.weight))
    share = 1.0 / ops.where(settings.per_positive > 0, ops.maximum(counts.positives, counts.pictures), counts.pictures)
    objectness = sum(
        _objectness_term(view, positive_map, truths, settings)
        for view, positive_map in zip(views, positive_maps, strict=True)
    )
    true_sums, darknet_sums = zip(*(_box_sums(view, truths, settings) for view in views), strict=True)
    box = ops.where(settings.darknet_gradient > 0, sum(darknet_sums), settings.box_weight * sum(true_sums))
    losses = {
        "box": box * share,
        "objectness": settings.objectness_weight * objectness * share,
        "class": settings.class_weight * sum(_class_term(view, settings) for view in views) * share,
    }
    losses["total"] = losses["box"] + losses["objectness"] + losses["class"]
    return losses


def _views(
    splits: Sequence[Tensor], assignment: assign.Assignment, anchors: Tensor, scale_xy: Tensor, maps: Sequence[Scale]
) -> list[MapView]:
    views, end = [], 0
    for k, (split, scale) in enumerate(zip(splits, maps, strict=True)):
        begin, end = end, end + len(scale.mask)
        columns, rows = assignment.columns[..., k], assignment.rows[..., k]
        _, height, width, num_anchors, channels = split.shape
        cell = rows * width + columns
        flat = ops.reshape(split, (ops.shape(split)[0], height * width, num_anchors * channels))
        at_truth = ops.take_along_axis(flat, cell[..., None], axis=1)
        views.append(
            MapView(
                split=split,
                at_truth=ops.reshape(at_truth, (*ops.shape(cell), num_anchors, channels)),
                cell_xy=ops.cast(ops.stack([columns, rows], axis=-1), "float32")[:, :, None, :],
                cell=cell,
                anchors=decode.anchors_of(anchors, scale),
                stride=scale.stride,
                scale_xy=scale_xy[k],
                positive=assignment.positive[..., begin:end],
                weight=assignment.weight[..., begin:end],
                class_targets=assignment.class_targets[:, :, begin:end],
            )
        )
    return views


def _box_sums(view: MapView, truths: Truths, settings: LossSettings) -> tuple[Tensor, Tensor]:
    """The sums over truths and the anchors assigned to them: unweighted, and weighted with Darknet's gradient."""
    raw, truth = view.at_truth[..., :4], truths.boxes[:, :, None, :]
    predicted = decode.centre_and_size(raw, view.cell_xy, view.anchors, view.stride, view.scale_xy)
    kinds = {kind: 1 - value for kind, value in box_loss.ious(predicted, truth).items()}
    area = view.input_size[0] * view.input_size[1]
    kinds["mse"] = box_loss.mse(raw, truth, view.cell_xy, view.anchors, view.stride, view.scale_xy, area)
    selected = box_loss.select(settings.box, [kinds[kind] for kind in box_loss.KINDS])
    true_sum = ops.sum(view.weight * selected)
    steps = settings.box_weight * darknet_deltas.deltas(raw, predicted, truth, view.input_size)
    steps = ops.where(settings.max_delta > 0, ops.clip(steps, -settings.max_delta, settings.max_delta), steps)
    # Darknet adds up the steps of truths that share an anchor and divides them by the number of their classes.
    shared = view.positive / ops.maximum(ops.sum(view.class_targets, axis=-1), 1.0)
    darknet_sum = ops.sum(shared * darknet_deltas.surrogate(raw, steps, settings.box_weight * kinds["ciou"]))
    return true_sum, darknet_sum


def _class_term(view: MapView, settings: LossSettings) -> Tensor:
    """The unweighted sum over truths, the anchors assigned to them, and classes."""
    smooth = view.class_targets * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    return ops.sum(view.weight[..., None] * binary_cross_entropy(view.at_truth[..., 5:], smooth))


def _objectness_term(view: MapView, positive_map: Tensor, truths: Truths, settings: LossSettings) -> Tensor:
    """The unweighted sum over all cells and anchors."""
    logits = view.split[..., 4]
    negative_map = (1 - positive_map) * (1 - _ignored(view, truths, settings.ignore_threshold))
    negative = negative_map * negative_objectness(logits, settings.objectness_gamma)
    return ops.sum(positive_map * ops.softplus(-logits)) + ops.sum(negative)


def _positive_map(view: MapView) -> Tensor:
    """1.0 at every anchor that is assigned to some truth: [b, gh, gw, a]."""
    _, height, width, num_anchors, _ = view.split.shape
    at_cell = ops.one_hot(view.cell, height * width, dtype="float32")  # [b, m, cells]
    counts = ops.einsum("bmn,bma->bna", at_cell, view.positive)
    return ops.stop_gradient(ops.reshape(ops.minimum(counts, 1.0), (-1, height, width, num_anchors)))


def _ignored(view: MapView, truths: Truths, ignore_threshold: Tensor) -> Tensor:
    """1.0 at boxes that overlap a truth more than the threshold and show some class: they are not negatives."""
    split = ops.stop_gradient(view.split)
    _, height, width, num_anchors, _ = split.shape
    boxes = decode.map_boxes(split, view.anchors, view.stride, view.scale_xy)
    predicted = ops.reshape(boxes, (-1, height * width * num_anchors, 1, 4))
    overlap = box_loss.iou(predicted, truths.boxes[:, None, :, :]) * truths.valid[:, None, :]  # [b, cells * a, m]
    best = ops.reshape(ops.max(overlap, axis=-1), (-1, height, width, num_anchors))
    shows_class = ops.max(ops.sigmoid(split[..., 5:]), axis=-1) > IGNORE_CLASS_PROB
    return ops.cast(ops.logical_and(best > ignore_threshold, shows_class), "float32")
