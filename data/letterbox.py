"""Fit a picture to the network's input, and map boxes there and exactly back.

"stretch" scales width and height by different factors, as Darknet does by default; "letterbox" keeps the
aspect ratio and pads two opposite sides with grey, as Darknet does with letter_box=1.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data.config import Fit

GREY = 127  # Darknet fills with 0.5

Size = int | tuple[int, int]  # of the network's input: a square's side, or (height, width)


def sides(size: Size) -> tuple[int, int]:
    """(height, width) of the network's input, in pixels."""
    return (size, size) if isinstance(size, int) else size


@dataclass(frozen=True)
class Transform:
    """network = picture * scale + offset, per axis, in pixels."""

    scale_x: float
    scale_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0

    def to_network(self, boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        """Boxes [..., 4] xyxy in the picture's pixels -> the network's pixels."""
        return np.asarray(boxes.astype(np.float64) * self._scale() + self._offset(), dtype=np.float32)

    def to_picture(self, boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        """The inverse of to_network. It does not clip: a prediction may reach into the padding."""
        return np.asarray((boxes.astype(np.float64) - self._offset()) / self._scale(), dtype=np.float32)

    def after(self, scale_x: float, scale_y: float) -> "Transform":
        """The transform that scales a picture by these factors first and then applies this one."""
        return Transform(self.scale_x * scale_x, self.scale_y * scale_y, self.offset_x, self.offset_y)

    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])

    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.offset_x, self.offset_y, self.offset_x, self.offset_y])


def fitted_size(width: int, height: int, size: Size, fit: Fit) -> tuple[int, int]:
    """Width and height that a picture takes up inside a network input of this size."""
    input_height, input_width = sides(size)
    if fit == "stretch":
        return input_width, input_height
    scale = min(input_width / width, input_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def transform(width: int, height: int, size: Size, fit: Fit) -> Transform:
    """The transform that fits a picture of this width and height to the network's input."""
    new_width, new_height = fitted_size(width, height, size, fit)
    input_height, input_width = sides(size)
    # Factors are computed from the rounded sides, so that boxes land exactly where the pixels do.
    return Transform(
        new_width / width,
        new_height / height,
        float((input_width - new_width) // 2),
        float((input_height - new_height) // 2),
    )


def fit_picture(image: NDArray[np.uint8], size: Size, fit: Fit) -> tuple[NDArray[np.uint8], Transform]:
    """image [h, w, 3] -> ([input height, input width, 3], the transform for its boxes)."""
    height, width = image.shape[:2]
    new_width, new_height = fitted_size(width, height, size, fit)
    # Averaging over the source pixels keeps thin strokes when shrinking; it cannot enlarge.
    shrinks = new_width <= width and new_height <= height
    resized = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    fitting = transform(width, height, size, fit)
    if fit == "stretch":
        return np.asarray(resized, dtype=np.uint8), fitting
    canvas = np.full((*sides(size), 3), GREY, dtype=np.uint8)
    left, top = int(fitting.offset_x), int(fitting.offset_y)
    canvas[top : top + new_height, left : left + new_width] = resized
    return canvas, fitting
