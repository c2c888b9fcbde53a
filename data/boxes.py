"""How much boxes overlap: the formulas that training, evaluation, NMS, exported graphs and anchors share.

Beside them, the boxes of a picture that do not count.

Boxes are xyxy [..., 4] in one unit, and broadcast. `ops` is the module that computes: numpy, or keras.ops, so that the
same lines run on arrays and inside a compiled or exported graph.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any  # an array of numpy, or a tensor of Keras' backend


@dataclass(frozen=True, eq=False)
class IgnoredBoxes:
    """Labelled boxes of a picture that training leaves out and that evaluation counts neither as missed nor as wrong.

    boxes: [n, 4] float32 xyxy. classes: [n] int32. crowd: [n] bool: True for a region with many objects of the class
    (COCO's iscrowd), False for one object that is hard to recognize (Pascal VOC's difficult).
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    crowd: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or self.classes.shape != (count,) or self.crowd.shape != (count,):
            raise ValueError(
                "ignored boxes: expected boxes [n, 4], classes [n] and crowd [n], got "
                f"{self.boxes.shape}, {self.classes.shape} and {self.crowd.shape}"
            )

    def __len__(self) -> int:
        return len(self.boxes)


NONE_IGNORED = IgnoredBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.bool_))


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
