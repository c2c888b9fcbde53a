"""A file of a data set."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from data.readers import name_matching

LIST_SUFFIXES = (".txt", ".list", ".lst")  # of a list of pictures


@dataclass(frozen=True, eq=False)
class File:
    """place: from the data set's root, with forward slashes. original: the file itself, where links are followed.

    A file is found once, and compared by identity. What many lookups ask for is computed once: pathlib takes its time.
    """

    path: Path
    place: PurePosixPath
    original: Path

    @cached_property
    def folder(self) -> PurePosixPath:
        """Where it lies, from the data set's root."""
        return _one(self.place.parent)

    @cached_property
    def name(self) -> str:
        """Its name in Unicode's composed form."""
        return name_matching.composed(self.place.name)

    @cached_property
    def stem(self) -> str:
        """Its name without the ending, composed."""
        return name_matching.composed(self.place.stem)

    @cached_property
    def suffix(self) -> str:
        """In lower case."""
        return self.place.suffix.lower()


@cache
def _one(folder: PurePosixPath) -> PurePosixPath:
    """The same object for all files of a folder: it is found in mappings without a comparison."""
    return folder
