"""Keys that a label and its picture share: forms of their name, and of their folder."""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from pathlib import PurePosixPath

from data.readers import derived, name_forms
from data.readers.dataset_file import DatasetFile

FolderKey = tuple[str, ...] | None  # None: there is no such folder for the file
FolderKeyOf = Callable[[DatasetFile], FolderKey]

_PICTURES = ("images", "jpegimages")  # the formats' names for the folder of pictures, in lower case


def spelled(file: DatasetFile) -> str:
    """The stem without differences of spelling."""
    return name_forms.spelled(file.stem)


# (form of the label's name, form of the picture's name): a.txt and a.jpg; a.jpg.txt and a.jpg; A.txt and a.jpg.
_STEM, _NAME = attrgetter("stem"), attrgetter("name")
NAMES: tuple[tuple[Callable[[DatasetFile], str], Callable[[DatasetFile], str]], ...] = (
    (_STEM, _STEM),
    (_STEM, _NAME),
    (spelled, spelled),
)


def folder(file: DatasetFile) -> FolderKey:
    """The file's folder, in lower case."""
    return _lower(file.folder)


def parallel(file: DatasetFile) -> FolderKey:
    """The file's folder without the words for pictures and labels; never equal to a key of `folder`."""
    return _parallel(file.folder)


def counterpart(home: str) -> FolderKeyOf:
    """A key for pictures: the format's folder for the label, with `home` instead of the last images or JPEGImages."""
    return lambda picture: _counterpart(picture.folder, home)


@cache
def _lower(folder: PurePosixPath) -> tuple[str, ...]:
    return tuple(part.lower() for part in folder.parts)


@cache
def _parallel(folder: PurePosixPath) -> tuple[str, ...]:
    return ("...", *derived.parallel(folder))


@cache
def _counterpart(folder: PurePosixPath, home: str) -> FolderKey:
    parts = _lower(folder)
    last = max((index for index, part in enumerate(parts) if part in _PICTURES), default=None)
    return None if last is None else (*parts[:last], home, *parts[last + 1 :])
