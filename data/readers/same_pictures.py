"""What picture files of one name show: the same, as copies do, or a mask and what it was made from."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures.picture_files import PictureError, read_picture

LOOK_AT = 5  # groups: copies and masks are made of all pictures in a folder, or of none

_SIDE = 32  # of a thumbnail
_FLAT = 2.0  # standard deviation in grey levels below which a thumbnail shows nothing to compare by
_MIN_CORRELATION = 0.9  # of thumbnails; drawn boxes and another compression cost some of it
_MASK_COLOURS = 32  # at most: a class has one, and a photograph of any size has more

Image = NDArray[np.uint8]


def are_copies(groups: Sequence[Sequence[Path]]) -> bool:
    """Whether the files of each group show the same. Of many groups a few are looked at, spread over all."""
    read = _read(groups)
    return bool(read) and all(_are_alike(images) for images in read)


def are_masks(groups: Sequence[Sequence[Path]]) -> list[bool]:
    """Whether the first, the second ... of each group is a mask, by the number of its colours; none if unreadable."""
    read = _read(groups)
    return [all(_is_mask(images[column]) for images in read) for column in range(len(groups[0]))] if read else []


def preferred(groups: Sequence[Sequence[Path]]) -> int | None:
    """Which of each group to use: the first of equal copies, or what is no mask; None if nothing decides."""
    read = _read(groups)
    if read and all(_are_alike(images) and len({image.shape for image in images}) == 1 for images in read):
        return 0
    masks = are_masks(groups)
    return masks.index(False) if masks.count(False) == 1 else None


def _read(groups: Sequence[Sequence[Path]]) -> list[list[Image]]:
    """The pictures of some groups; none if one cannot be read."""
    step = max(1, len(groups) // LOOK_AT)
    try:
        return [[read_picture(path) for path in group] for group in groups[::step][:LOOK_AT]]
    except PictureError:
        return []


def _are_alike(images: Sequence[Image]) -> bool:
    first, *others = (_thumbnail(image) for image in images)
    return all(_correlate(first, other) for other in others)


def _thumbnail(image: Image) -> NDArray[np.float64]:
    """In grey, [_SIDE, _SIDE]."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), dtype=np.float64)


def _correlate(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    if min(one.std(), other.std()) < _FLAT:
        return np.array_equal(one, other)
    return bool(np.corrcoef(one.ravel(), other.ravel())[0, 1] >= _MIN_CORRELATION)


def _is_mask(image: Image) -> bool:
    codes = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return len(np.unique(codes)) <= _MASK_COLOURS
