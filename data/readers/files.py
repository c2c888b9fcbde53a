"""One file of a data set, with the forms of its name that readers ask for."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from data.readers import name_matching

LIST_SUFFIXES = (".txt", ".list", ".lst")  # of files that list pictures


@dataclass(frozen=True, eq=False)
class DatasetFile:
    """One file of a data set. Files are compared by identity: each is created once, by the walk through the folder.

    relative_path: from the data set's root. original: the absolute path with links resolved. The other forms of the
    name are computed once, since many lookups use them and pathlib is slow.
    """

    path: Path
    relative_path: PurePosixPath
    original: Path

    @cached_property
    def folder(self) -> PurePosixPath:
        """Its folder, relative to the data set's root."""
        return _shared(self.relative_path.parent)

    @cached_property
    def name(self) -> str:
        """Its name, in Unicode's composed form."""
        return name_matching.composed(self.relative_path.name)

    @cached_property
    def stem(self) -> str:
        """Its name without the suffix, in Unicode's composed form."""
        return name_matching.composed(self.relative_path.stem)

    @cached_property
    def suffix(self) -> str:
        """Its suffix, in lower case, with the dot."""
        return self.relative_path.suffix.lower()


@cache
def _shared(folder: PurePosixPath) -> PurePosixPath:
    """The same object for all files of a folder, which makes lookups in mappings faster."""
    return folder
