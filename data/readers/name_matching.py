"""What a name of another machine means here: its parts, and which of several files of that name fits it best."""

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Generic, Protocol, TypeVar

from data.readers import derived
from data.readers.split_names import split_of


class _HasPlace(Protocol):
    @property
    def place(self) -> PurePosixPath: ...

    @property
    def folder(self) -> PurePosixPath: ...


Placed = TypeVar("Placed", bound=_HasPlace)
Key = TypeVar("Key", bound=Hashable)

COMPARE_AT_MOST = 32  # files of one name: frames of a thousand films may all be called 00001


def parts(name: str) -> list[str]:
    """The parts of a path of any system, composed."""
    return [part for part in composed(name.strip()).replace("\\", "/").split("/") if part not in ("", ".")]


def composed(text: str) -> str:
    """Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


class Namesakes(Generic[Placed]):
    """The files of one name, in all folders."""

    def __init__(self, files: Sequence[Placed] = ()) -> None:
        self.files = files

    def best(
        self,
        folders: Sequence[str],
        near: PurePosixPath | None,
        split: str | None = None,
        *,
        near_first: bool = False,
    ) -> list[Placed]:
        """The files whose folders fit best; more than one if nothing decides between them.

        Folders count that agree with the last ones of a name's `folders`; then any that are not called as those of
        masks and the like; then one of the split; then those that lie on the way to `near`. near_first: these two the
        other way round, after those of other splits are put last.
        """
        if len(self.files) < 2:
            return list(self.files)
        near_parts = near.parts if near else ()
        found = self.files
        if len(found) > COMPARE_AT_MOST:
            found = self._likely([*folders, *near_parts], near)
        scores = []
        for file in found:
            agreeing = _common(file.folder.parts[::-1], folders[::-1])
            its_split = split_of(file.folder)
            in_split = split is not None and its_split == split
            near_by = nearness(file.folder.parts, near_parts)
            ranks = (its_split in (None, split), near_by, in_split) if near_first else (in_split, near_by)
            scores.append((agreeing, not derived.is_derived(file.folder), *ranks))
        return [file for file, score in zip(found, scores, strict=True) if score == max(scores)]

    def right_in(self, folder: PurePosixPath) -> Sequence[Placed]:
        """Those that lie in this folder itself."""
        return self._in_folder.get(folder, ())

    def _likely(self, folders: Iterable[str], near: PurePosixPath | None) -> list[Placed]:
        """Those in `near` itself, and those in folders of these names that few lie in."""
        groups = [self._by_folder.get(folder, []) for folder in folders]
        few = [self.right_in(near) if near else (), *(g for g in groups if len(g) <= COMPARE_AT_MOST)]
        return list({file.place: file for group in few for file in group}.values())

    @cached_property
    def _in_folder(self) -> Mapping[PurePosixPath, list[Placed]]:
        """A folder -> those right in it."""
        return grouped((file.folder, file) for file in self.files)

    @cached_property
    def _by_folder(self) -> Mapping[str, list[Placed]]:
        """The name of a folder -> those that lie in one of that name, however deep."""
        return grouped((folder, file) for file in self.files for folder in set(file.folder.parts))


def grouped(pairs: Iterable[tuple[Key, Placed]]) -> dict[Key, list[Placed]]:
    """Key -> what has it."""
    groups: dict[Key, list[Placed]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def nearness(folder: Sequence[str], other: Sequence[str]) -> int:
    """How many parts of two folders agree, from the start and from the end."""
    return _common(folder, other) + _common(folder[::-1], other[::-1])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts agree from the start."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
