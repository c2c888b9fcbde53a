"""The pictures given to a command: files, folders, patterns and arrays, each fitted to the network's input."""

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
class FittedImage:
    """picture: uint8 [h, w, 3] RGB, for drawing. network: the network's input, uint8, or float32 in 0..1."""

    picture: NDArray[np.uint8]
    network: NDArray[Any]
    transform: Transform


@dataclass(frozen=True)
class ImageFile:
    """A picture or array on disk, not yet read; named: given by its own name, not by a folder or pattern."""

    path: Path
    named: bool

    def fitted(self, size: tuple[int, int], fit: Fit) -> FittedImage:
        """Read the picture and fit it to the network's size (height, width); an array has that size already."""
        if self.path.suffix != ARRAY:
            picture = picture_files.read_picture(self.path)
            return FittedImage(picture, *letterbox.fit_picture(picture, size, fit))
        array = read_array(self.path)
        return FittedImage(np.round(array * 255).astype(np.uint8), array, Transform(1.0, 1.0))


def expand(names: Sequence[str]) -> list[Path]:
    """The files that the names stand for, in order, each once: of a folder its pictures, of a pattern its matches."""
    files: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            files += _not_empty([p for p in sorted(path.iterdir()) if _is_input(p)], f"{name}: expected pictures in it")
        elif not path.exists() and glob.has_magic(name):
            # not Path.glob, which takes no absolute patterns
            matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
            files += _not_empty(
                [p for p in matches if _is_input(p)], f"{name}: expected a pattern that matches pictures"
            )
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def check(
    paths: Sequence[Path], named: Collection[Path], size: tuple[int, int] | None, skip: Callable[[ValueError], None]
) -> list[ImageFile]:
    """Open each file once, so that those that are not pictures, or arrays of another size, show at once.

    named: the files given by their own names; one that is unfit raises ValueError. An unfit file of a folder or pattern
    is left out, and `skip` is called with the error; ValueError if no file is left.
    """
    image_files = []
    for path in paths:
        try:
            _check(path, size)
        except ValueError as error:
            if path in named:
                raise
            skip(error)
            continue
        image_files.append(ImageFile(path, path in named))
    return _not_empty(
        image_files, f"{', '.join(sorted({str(path.parent) for path in paths}))}: expected pictures that can be read"
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
        # Memory-mapped: a false size in the header takes no memory.
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


def _is_input(path: Path) -> bool:
    return path.is_file() and (picture_files.is_picture(path) or path.suffix == ARRAY)


def _not_empty(items: list[T], expected: str) -> list[T]:
    if not items:
        raise ValueError(f"{expected}, got none")
    return items
