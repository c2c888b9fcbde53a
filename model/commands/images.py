"""The pictures that a command is given: files, folders, patterns and arrays, each made fit for a network."""

import glob
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from data import letterbox
from data.config import Fit
from data.letterbox import Transform
from data.pictures import picture_files

T = TypeVar("T")
ARRAY = ".npy"
STEP = 32  # network inputs are multiples of it


@dataclass(frozen=True, eq=False)
class Fitted:
    """picture: uint8 [h, w, 3] RGB, for people. network: what the network sees, uint8, or float32 in 0..1."""

    picture: NDArray[np.uint8]
    network: NDArray[Any]
    transform: Transform


@dataclass(frozen=True)
class Source:
    """A file that can be read when its turn comes; named: by itself, and not as one of a folder or pattern."""

    path: Path
    named: bool

    def fitted(self, size: tuple[int, int], fit: Fit) -> Fitted:
        """The picture at the network's size (height, width); an array has that already."""
        if self.path.suffix != ARRAY:
            picture = picture_files.read_picture(self.path)
            return Fitted(picture, *letterbox.fit_picture(picture, size, fit))
        array = read_array(self.path)
        return Fitted(np.round(array * 255).astype(np.uint8), array, Transform(1.0, 1.0))


def expand(given: Sequence[str]) -> list[Path]:
    """The files that are named, in order, each once: a folder stands for its pictures, a pattern for what it meets."""
    found: list[Path] = []
    for name in given:
        path = Path(name)
        if path.is_dir():
            found += _some([p for p in sorted(path.iterdir()) if _wanted(p)], f"{name}: expected pictures in it")
        elif not path.exists() and glob.has_magic(name):
            met = [Path(one) for one in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207  # Path's has no root
            found += _some([p for p in met if _wanted(p)], f"{name}: expected a pattern that meets pictures")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def check(
    paths: Sequence[Path], named: Collection[Path], size: tuple[int, int] | None, skip: Callable[[ValueError], None]
) -> list[Source]:
    """The files, each opened once.

    named: those that were named by themselves. One of them that is no picture, or no array of that size where one is
    set, is a ValueError; of a folder's or a pattern's it is handed to `skip` and left out, as long as others are left.
    """
    found = []
    for path in paths:
        try:
            _check(path, size)
        except ValueError as error:
            if path in named:
                raise
            skip(error)
            continue
        found.append(Source(path, path in named))
    return _some(
        found, f"{', '.join(sorted({str(path.parent) for path in paths}))}: expected pictures that can be read"
    )


def _check(path: Path, size: tuple[int, int] | None) -> None:
    if path.suffix != ARRAY:
        picture_files.picture_size(path)
        return
    height, width = read_array(path).shape[:2]
    if size is not None and size != (height, width):
        raise ValueError(
            f"{path}: expected an array at the network's size {size[0]}x{size[1]} (height x width), "
            f"got {height}x{width}"
        )


def read_array(path: Path) -> NDArray[np.float32]:
    """A picture as an array: float32 [h, w, 3] RGB in 0..1, sides multiples of 32; ValueError for anything else."""
    expected = f"{path}: expected an array of float32 [h, w, 3] in 0..1, h and w multiples of {STEP}"
    try:
        # Mapped from the disk, a size that the header only claims takes no memory.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{expected}, got a file that cannot be read as one: {error}") from error
    if not isinstance(mapped, np.ndarray) or mapped.dtype != np.float32 or mapped.ndim != 3 or mapped.shape[2] != 3:
        raise ValueError(f"{expected}, got {getattr(mapped, 'dtype', 'an archive')} {getattr(mapped, 'shape', '')}")
    if not mapped.shape[0] or not mapped.shape[1] or mapped.shape[0] % STEP or mapped.shape[1] % STEP:
        raise ValueError(f"{expected}, got {mapped.shape}")
    array = np.array(mapped)
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"{expected}, got values from {array.min():g} to {array.max():g}")
    return array


def _wanted(path: Path) -> bool:
    return path.is_file() and (picture_files.is_picture(path) or path.suffix == ARRAY)


def _some(found: list[T], expected: str) -> list[T]:
    if not found:
        raise ValueError(f"{expected}, got none")
    return found
