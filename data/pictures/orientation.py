"""Turn a picture, its size and its boxes by its EXIF orientation, so that they are upright.

The orientation says how the stored picture must be turned to be seen as it was taken (EXIF 2.3, 4.6.4): 1 not at all,
2 mirrored, 3 by 180 degrees, 4 upside down, 5 transposed, 6 by 90 degrees clockwise, 7 transposed on the other
diagonal, 8 by 90 degrees counter-clockwise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.pictures.headers import UPRIGHT

_SIDES_SWAPPED = frozenset({5, 6, 7, 8})

Box = tuple[float, float, float, float]


def turned_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """(width, height) of the picture once it is turned."""
    return (height, width) if orientation in _SIDES_SWAPPED else (width, height)


def turned_image(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The picture [h, w, ...] turned upright, contiguous."""
    if orientation == UPRIGHT:
        return image
    if orientation in _SIDES_SWAPPED:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def turned_box(box: Box, width: int, height: int, orientation: int) -> Box:
    """A box of the stored picture (xyxy, pixels) -> the same box on the turned one. width, height: as stored."""
    left, top, right, bottom = box
    if orientation in _SIDES_SWAPPED:
        left, top, right, bottom = top, left, bottom, right
        width, height = height, width
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom
