"""Thumbnails, by which pictures are compared."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32
FLAT = 2.0  # standard deviation in grey levels; below it a thumbnail shows nothing to compare


def of_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture [h, w] as a thumbnail: uint8 [SIDE, SIDE]."""
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The correlation of two thumbnails that are not flat, -1 to 1; brightness and contrast do not change it."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
