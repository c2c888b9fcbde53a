"""Match a name from another machine to files here: its parts, and which of several files of that name fits best."""

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Generic, Protocol, TypeVar

from data.readers import derived
from data.readers.split_names import split_of_folder


class _HasPath(Protocol):
    @property
    def relative_path(self) -> PurePosixPath: ...

    @property
    def folder(self) -> PurePosixPath: ...


AnyFile = TypeVar("AnyFile", bound=_HasPath)
Key = TypeVar("Key", bound=Hashable)

COMPARE_AT_MOST = 32  # files of one name: the frames of a thousand films may all be called 00001


def parts(name: str) -> list[str]:
    """The parts of a path of any system, in Unicode's composed form."""
    return [part for part in composed(name.strip()).replace("\\", "/").split("/") if part not in ("", ".")]


def composed(text: str) -> str:
    """The text in Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


class Namesakes(Generic[AnyFile]):
    """The files of one name, in all folders of the data set."""

    def __init__(self, files: Sequence[AnyFile] = ()) -> None:
        self.files = files

    def best(
        self,
        folders: Sequence[str],
        near: PurePosixPath | None,
        split: str | None = None,
        *,
        near_first: bool = False,
    ) -> list[AnyFile]:
        """The files whose folders fit best; more than one if nothing decides between them.

        Files are ranked by how many of their last folders agree with `folders`, those of the name; then by whether
        their folder is not one of masks and the like; then by whether it is one of the split; then by nearness to
        `near`. near_first: the last two are exchanged, and files in folders of other splits rank last among these.
        """
        if len(self.files) < 2:
            return list(self.files)
        near_parts = near.parts if near else ()
        candidates = self.files
        if len(candidates) > COMPARE_AT_MOST:
            candidates = self._likely([*folders, *near_parts], near)
        scores = []
        for file in candidates:
            agreeing = num_agreeing(file.folder, folders)
            its_split = split_of_folder(file.folder)
            in_split = split is not None and its_split == split
            near_by = nearness(file.folder.parts, near_parts)
            ranks = (its_split in (None, split), near_by, in_split) if near_first else (in_split, near_by)
            scores.append((agreeing, not derived.is_derived(file.folder), *ranks))
        return [file for file, score in zip(candidates, scores, strict=True) if score == max(scores)]

    def directly_in(self, folder: PurePosixPath) -> Sequence[AnyFile]:
        """The files directly in this folder."""
        return self._in_folder.get(folder, ())

    def _likely(self, folders: Iterable[str], near: PurePosixPath | None) -> list[AnyFile]:
        """The files directly in `near`, and those below a folder of one of these names that holds few of them."""
        groups = [self._by_folder.get(folder, []) for folder in folders]
        few = [self.directly_in(near) if near else (), *(g for g in groups if len(g) <= COMPARE_AT_MOST)]
        return list({file.relative_path: file for group in few for file in group}.values())

    @cached_property
    def _in_folder(self) -> Mapping[PurePosixPath, list[AnyFile]]:
        """Folder -> the files directly in it."""
        return grouped((file.folder, file) for file in self.files)

    @cached_property
    def _by_folder(self) -> Mapping[str, list[AnyFile]]:
        """Name of a folder -> the files anywhere below a folder of that name."""
        return grouped((folder, file) for file in self.files for folder in set(file.folder.parts))


def grouped(pairs: Iterable[tuple[Key, AnyFile]]) -> dict[Key, list[AnyFile]]:
    """Key -> the values that come with it, in order."""
    groups: dict[Key, list[AnyFile]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def num_agreeing(folder: PurePosixPath, folders: Sequence[str]) -> int:
    """How many of a folder's last parts agree with those of a name from another machine."""
    return _common(folder.parts[::-1], folders[::-1])


def nearness(folder: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two folders have in common at the start, plus at the end."""
    return _common(folder, other) + _common(folder[::-1], other[::-1])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts agree at the start."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
