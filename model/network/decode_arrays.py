"""decode.boxes in numpy, for exported files that run without Keras. A test compares the two on random maps."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.network.scales import Scale

Floats = NDArray[np.float32]
# Decoded candidates of a batch: boxes [b, n, 4] xyxy network pixels, objectness [b, n], class_probs [b, n, c].
DecodedArrays = tuple[Floats, Floats, Floats]

# exp() of the raw size is bounded so that a diverging head gives a huge box instead of infinity. Darknet has no bound,
# and no trained head comes near this one (a box 22,000 times its anchor).
MAX_LOG_SIZE = 10.0


def boxes(
    raw_maps: Sequence[Floats],
    anchors: Sequence[tuple[float, float]],
    scale_xy: Sequence[float],
    maps: Sequence[Scale],
) -> DecodedArrays:
    """Boxes [b, n, 4] xyxy network pixels, objectness [b, n], class probabilities [b, n, c]: as decode.boxes."""
    sizes = np.asarray(anchors, np.float32)
    parts = [
        _decode_map(raw, sizes[list(scale.mask)], scale.stride, np.float32(grid))
        for raw, scale, grid in zip(raw_maps, maps, scale_xy, strict=True)
    ]
    all_boxes, objectness, class_probs = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    return all_boxes, objectness, class_probs


def _decode_map(raw: Floats, anchors: Floats, stride: int, scale_xy: np.float32) -> DecodedArrays:
    batch, rows, columns, channels = raw.shape
    split = raw.astype(np.float32, copy=False).reshape(batch, rows, columns, len(anchors), -1)
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)[:, :, None]
    centre = stride * (cells + scale_xy * _sigmoid(split[..., :2]) - (scale_xy - 1) / 2)
    half = anchors * np.exp(np.clip(split[..., 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE)) / 2
    num_boxes = rows * columns * len(anchors)
    return (
        np.concatenate([centre - half, centre + half], axis=-1).reshape(batch, num_boxes, 4),
        _sigmoid(split[..., 4]).reshape(batch, num_boxes),
        _sigmoid(split[..., 5:]).reshape(batch, num_boxes, channels // len(anchors) - 5),
    )


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(-x) = inf gives 0, as it should
        return np.asarray(1 / (1 + np.exp(-x)), np.float32)
