"""Whether picture files of one name show the same: a converted, shrunk or drawn-on copy, as far as thumbnails tell."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures import PictureError, read_picture

LOOK_AT = 5  # groups: copies are made of all pictures in a folder, or of none

_SIDE = 32  # of a thumbnail
_FLAT = 2.0  # standard deviation in grey levels below which a thumbnail shows nothing to compare by
_MIN_CORRELATION = 0.9  # of thumbnails; drawn boxes and another compression cost some of it


def all_show_the_same(groups: Sequence[Sequence[Path]]) -> bool:
    """Whether the files of each group show the same. Of many groups a few are looked at, spread over all."""
    step = max(1, len(groups) // LOOK_AT)
    return bool(groups) and all(_show_the_same(group) for group in groups[::step][:LOOK_AT])


def _show_the_same(files: Sequence[Path]) -> bool:
    try:
        first, *others = (_thumbnail(path) for path in files)
    except PictureError:
        return False
    return all(_are_alike(first, other) for other in others)


def _thumbnail(path: Path) -> NDArray[np.float64]:
    """The picture in grey, [_SIDE, _SIDE]."""
    grey = cv2.cvtColor(read_picture(path), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), dtype=np.float64)


def _are_alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    if min(one.std(), other.std()) < _FLAT:
        return np.array_equal(one, other)
    return bool(np.corrcoef(one.ravel(), other.ravel())[0, 1] >= _MIN_CORRELATION)
