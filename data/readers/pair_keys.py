"""What a label and its picture have in common: how they are called, and where they lie."""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from pathlib import PurePosixPath

from data.readers import derived, name_forms
from data.readers.files import File

FolderKey = tuple[str, ...] | None  # None: a file in this folder has no such counterpart
Keyed = Callable[[File], FolderKey]

_PICTURES = ("images", "jpegimages")  # the formats' names for the folder of pictures, in lower case


def spelled(file: File) -> str:
    """The stem without what only spells it differently."""
    return name_forms.spelled(file.stem)


# How a label and its picture are called: a and a.jpg; a.jpg.txt and a.jpg; A.txt and a.jpg.
_STEM, _NAME = attrgetter("stem"), attrgetter("name")
NAMES: tuple[tuple[Callable[[File], str], Callable[[File], str]], ...] = (
    (_STEM, _STEM),
    (_STEM, _NAME),
    (spelled, spelled),
)


def folder(file: File) -> FolderKey:
    """Where the file lies, in any case."""
    return _lower(file.folder)


def parallel(file: File) -> FolderKey:
    """Where it lies but for the words for pictures and labels. It equals no other key."""
    return _parallel(file.folder)


def counterpart(home: str) -> Keyed:
    """Of a picture, the folder where its format has the label: `home` in place of the last images, or JPEGImages."""
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
    last = max((at for at, part in enumerate(parts) if part in _PICTURES), default=None)
    return None if last is None else (*parts[:last], home, *parts[last + 1 :])
