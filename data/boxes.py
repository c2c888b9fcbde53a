"""How much boxes overlap: the formulas that training, evaluation, NMS, exported graphs and anchors share.

Boxes are xyxy [..., 4] in one unit, and broadcast. `ops` is the module that computes: numpy, or keras.ops, so that the
same lines run on arrays and inside a compiled or exported graph.
"""

from typing import Any

Array = Any  # an array of numpy, or a tensor of Keras' backend


def areas(boxes: Array) -> Array:
    """The area of each box: [...]."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlap_and_union(a: Array, b: Array, ops: Any) -> tuple[Array, Array]:
    """The areas of the overlap and of the union of two boxes: [...] each. Their quotient is the IoU."""
    sides = ops.maximum(ops.minimum(a[..., 2:], b[..., 2:]) - ops.maximum(a[..., :2], b[..., :2]), 0.0)
    overlap = sides[..., 0] * sides[..., 1]
    return overlap, areas(a) + areas(b) - overlap


def distance_and_diagonal(a: Array, b: Array, ops: Any) -> tuple[Array, Array]:
    """Of two boxes, the distance of the centres and the diagonal of the smallest box around both, squared: [...] each.

    Their quotient is DIoU's distance term (Zheng et al. 2020, arXiv 1911.08287).
    """
    between = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    around = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    return ops.sum(ops.square(between), axis=-1), ops.sum(ops.square(around), axis=-1)


def shape_iou(sizes: Array, anchors: Array, ops: Any) -> Array:
    """IoU of sizes [..., 2] with anchors [k, 2], all centred at one point: [..., k]."""
    common = ops.minimum(sizes[..., None, 0], anchors[:, 0]) * ops.minimum(sizes[..., None, 1], anchors[:, 1])
    union = (sizes[..., 0] * sizes[..., 1])[..., None] + anchors[:, 0] * anchors[:, 1] - common
    return common / union
