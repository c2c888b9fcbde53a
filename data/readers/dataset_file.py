"""One file of a data set, with its name in the normalized forms by which readers look it up."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from data.readers import name_matching

LIST_SUFFIXES = (".txt", ".list", ".lst")  # of files that may list pictures; .txt may also be labels


@dataclass(frozen=True, eq=False)
class DatasetFile:
    """One file of a data set. Files are compared by identity: each is created once, by the walk through the folder.

    path: as found under the root, links kept. relative_path: from the data set's root. resolved_path: the absolute path
    with links resolved, equal for two links to one file. The other forms of the name are computed once, since many
    lookups use them and pathlib is slow.
    """

    path: Path
    relative_path: PurePosixPath
    resolved_path: Path

    @cached_property
    def folder(self) -> PurePosixPath:
        """Its folder, relative to the data set's root."""
        return _interned(self.relative_path.parent)

    @cached_property
    def name(self) -> str:
        """Its name, in Unicode NFC."""
        return name_matching.composed(self.relative_path.name)

    @cached_property
    def stem(self) -> str:
        """Its name without the suffix, in Unicode NFC."""
        return name_matching.composed(self.relative_path.stem)

    @cached_property
    def suffix(self) -> str:
        """Its suffix, in lower case, with the dot."""
        return self.relative_path.suffix.lower()


@cache
def _interned(folder: PurePosixPath) -> PurePosixPath:
    """One object per folder for the life of the process, so that lookups in mappings compare by identity first."""
    return folder
