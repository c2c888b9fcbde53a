"""Compare what picture files of one name show: are they copies, or a mask and its picture?"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures import thumbnails
from data.pictures.picture_files import PictureError, read_picture

LOOK_AT = 5  # groups; a folder holds copies or masks of all its pictures, or of none

_MIN_CORRELATION = 0.9  # of thumbnails; drawn boxes and another compression lower it
_MASK_COLOURS = 32  # a mask has at most so many, one for each class; a photograph of any size has more

Image = NDArray[np.uint8]


def are_copies(groups: Sequence[Sequence[Path]]) -> bool:
    """Whether the files of each group show the same; only LOOK_AT groups, spread over all, are compared."""
    pictures = _read(groups)
    return bool(pictures) and all(_are_alike(images) for images in pictures)


def are_masks(groups: Sequence[Sequence[Path]]) -> list[bool]:
    """For the first, second ... file of the groups, whether it is a mask (few colours); empty if one is unreadable."""
    pictures = _read(groups)
    return (
        [all(_is_mask(images[column]) for images in pictures) for column in range(len(groups[0]))] if pictures else []
    )


def preferred_column(groups: Sequence[Sequence[Path]]) -> int | None:
    """The index of the file to use in each group: the first of equal copies, or the only one that is no mask."""
    pictures = _read(groups)
    if pictures and all(_are_alike(images) and len({image.shape for image in images}) == 1 for images in pictures):
        return 0
    masks = are_masks(groups)
    return masks.index(False) if masks.count(False) == 1 else None


def _read(groups: Sequence[Sequence[Path]]) -> list[list[Image]]:
    """The pictures of LOOK_AT groups; empty if one cannot be read."""
    step = max(1, len(groups) // LOOK_AT)
    try:
        return [[read_picture(path) for path in group] for group in groups[::step][:LOOK_AT]]
    except PictureError:
        return []


def _are_alike(images: Sequence[Image]) -> bool:
    first, *others = (thumbnails.of_grey(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in images)
    return all(_correlate(first, other) for other in others)


def _correlate(one: Image, other: Image) -> bool:
    if min(one.std(), other.std()) < thumbnails.FLAT:
        return np.array_equal(one, other)
    return thumbnails.correlation(one, other) >= _MIN_CORRELATION


def _is_mask(image: Image) -> bool:
    codes = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return len(np.unique(codes)) <= _MASK_COLOURS
