"""Compares the pixels of pictures with the same name: are they copies, or is one the mask of the other?

rows: the files of each name, always in the same order of kinds (such as jpg, png). A column has one kind's files.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures import thumbnails
from data.pictures.picture_files import PictureError, read_picture

MAX_ROWS = 5  # enough to compare: a folder holds copies or masks of all its pictures, or of none

_MIN_CORRELATION = 0.9  # of two thumbnails; below 1, as copies may have drawn boxes or another compression
_MASK_COLOURS = 32  # a mask has at most so many, one for each class; a photograph of any size has more

Image = NDArray[np.uint8]


def are_copies(rows: Sequence[Sequence[Path]]) -> bool:
    """Whether the files of each row show the same; at most MAX_ROWS rows, spread over all, are compared."""
    pictures = _read(rows)
    return bool(pictures) and all(_all_show_the_same(images) for images in pictures)


def mask_columns(rows: Sequence[Sequence[Path]]) -> list[bool]:
    """For each column, whether all its pictures compared are masks (few colours); empty if one cannot be read."""
    pictures = _read(rows)
    return [all(_is_mask(images[column]) for images in pictures) for column in range(len(rows[0]))] if pictures else []


def preferred_column(rows: Sequence[Sequence[Path]]) -> int | None:
    """The column to use: 0 if all show the same at the same size, else the only one without masks; None: undecided."""
    pictures = _read(rows)
    same_size = all(len({image.shape for image in images}) == 1 for images in pictures)
    if pictures and same_size and all(_all_show_the_same(images) for images in pictures):
        return 0
    masks = mask_columns(rows)
    return masks.index(False) if masks.count(False) == 1 else None


def _read(rows: Sequence[Sequence[Path]]) -> list[list[Image]]:
    """The pictures of at most MAX_ROWS rows, spread evenly over all; empty if one cannot be read."""
    count = min(MAX_ROWS, len(rows))
    try:
        return [[read_picture(path) for path in rows[k * len(rows) // count]] for k in range(count)]
    except PictureError:
        return []


def _all_show_the_same(images: Sequence[Image]) -> bool:
    first, *others = (thumbnails.of_grey(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in images)
    return all(_show_the_same(first, other) for other in others)


def _show_the_same(one: Image, other: Image) -> bool:
    if min(one.std(), other.std()) < thumbnails.FLAT:
        return np.array_equal(one, other)
    return thumbnails.correlation(one, other) >= _MIN_CORRELATION


def _is_mask(image: Image) -> bool:
    packed_rgb = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return len(np.unique(packed_rgb)) <= _MASK_COLOURS
