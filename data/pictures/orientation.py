"""Turning a picture, its size and its boxes by the orientation of EXIF (1 upright, 3 half, 6 and 8 a quarter turn).

The orientation names how the stored picture must be turned to be seen as it was taken (EXIF 2.3, 4.6.4): 2 mirrored,
3 by 180 degrees, 4 upside down, 5 transposed, 6 by 90 degrees clockwise, 7 transposed on the other diagonal,
8 by 90 degrees counter-clockwise.
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
    """The picture [h, w, ...] as it is to be seen, contiguous."""
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
    """A box of the stored picture (xyxy, pixels; width and height as stored) in the turned one."""
    left, top, right, bottom = box
    if orientation in _SIDES_SWAPPED:
        left, top, right, bottom = top, left, bottom, right
        width, height = height, width
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom
