"""A labelled picture, and the data set that holds its splits."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.boxes import NONE_IGNORED, IgnoredBoxes

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Example:
    """One picture and its boxes.

    boxes: [n, 4] float32, xyxy in pixels of the picture as it is decoded ((0, 0) is the top left corner).
    classes: [n] int32, an index into the data set's class names.
    digest: of the picture file when it was read (data/pictures/picture_files.py); None if it was not computed.
    ignored: boxes beside these that are neither trained on nor counted in evaluation.
    thumbnail: uint8 [32, 32] grey, if the picture was decoded in this process (data/pictures/looks.py); else None.
    """

    path: Path
    width: int
    height: int
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    digest: bytes | None = None
    thumbnail: NDArray[np.uint8] | None = None
    ignored: IgnoredBoxes = NONE_IGNORED

    @classmethod
    def without_boxes(cls, path: Path, width: int, height: int, digest: bytes) -> "Example":
        """A picture without objects, or one whose objects do not matter."""
        return cls(path, width, height, np.zeros((0, 4), np.float32), np.zeros(0, np.int32), digest)

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4 or len(self.boxes) != len(self.classes):
            raise ValueError(
                f"{self.path}: expected boxes [n, 4] and classes [n], got {self.boxes.shape} and {self.classes.shape}"
            )


def relative(path: Path, root: Path) -> str:
    """A file's name as problems show it: relative to the data set's root, with forward slashes."""
    return Path(os.path.relpath(path, root)).as_posix()


@dataclass(frozen=True)
class Problem:
    """Something wrong with a data set. kind: a key of data/problems.py, which says what became of it."""

    kind: str
    file: str
    detail: str


class DatasetError(ValueError):
    """A data set cannot be used; the message is one sentence. problems: those found until then."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


@dataclass(frozen=True)
class Dataset:
    """What a reader returns: examples by split (train, val, test), class names, and problems.

    unread_splits: splits that the data set has but that were not asked for; the fingerprint leaves them out.
    """

    root: Path
    format: str
    class_names: tuple[str, ...]
    splits: Mapping[str, tuple[Example, ...]]
    problems: tuple[Problem, ...]
    fingerprint: str  # sha256 over names, sizes and labels, and over the bytes of the pictures
    unread_splits: tuple[str, ...] = ()
