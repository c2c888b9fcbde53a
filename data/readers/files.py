"""A file of a data set."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LIST_SUFFIXES = (".txt", ".list", ".lst")  # of a list of pictures


@dataclass(frozen=True)
class File:
    """place: from the data set's root, with forward slashes. original: the file itself, where links are followed."""

    path: Path
    place: PurePosixPath
    original: Path

    @property
    def suffix(self) -> str:
        """In lower case."""
        return self.place.suffix.lower()
