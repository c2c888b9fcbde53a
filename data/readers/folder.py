"""The files of a data set, walked once: which pictures and labels there are, and which of them a name means.

Labels name pictures by paths of other machines, Windows or not, so names are joined by their last part alone and what a
name says of folders only decides between files of one name. So no name leads out of the data set. Names are compared in
Unicode's composed form: an archive made on macOS spells an accented letter with two characters.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from data.example import DatasetError, Problem
from data.pictures import is_picture
from data.readers import joining, name_forms
from data.readers.files import File
from data.readers.joining import Key, Namesakes
from data.readers.namesake_pictures import NamesakePictures
from data.readers.split_names import split_of

__all__ = ["LIST_SUFFIXES", "File", "Folder", "walk"]

LIST_SUFFIXES = (".txt", ".list", ".lst")  # of a list of pictures

_SUFFIXES = frozenset({".xml", ".json", ".yaml", ".yml", ".data", ".names", *LIST_SUFFIXES})
_OF_SYSTEMS = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN"})  # archives, network disks, waste baskets
_LOOK_AT_MOST = (
    500_000  # files, in search of a picture: not the whole disk, when someone names a folder far too high up
)


@dataclass(frozen=True, eq=False)
class Folder:
    """All pictures and possible labels under root, sorted by place. documents: what a reader parsed while looking."""

    root: Path
    pictures: tuple[File, ...]
    others: tuple[File, ...]
    problems: tuple[Problem, ...] = ()
    documents: dict[Path, Any] = field(default_factory=dict)

    def of_kind(self, *suffixes: str) -> list[File]:
        """The files that end so."""
        return [file for file in self.others if file.suffix in suffixes]

    def picture(self, name: str, near: PurePosixPath | None = None, split: str | None = None) -> File | None:
        """The picture that a label means by this name or path; the stem will do where the name is not found.

        Of several, the one whose folders agree with the name's last ones; else one in a folder of this split; else the
        one nearest to the folder `near`. None if there is none, or no way to choose.
        """
        return self.foremost(self._named(name).best(joining.parts(name)[:-1], near, split))

    def listed(self, name: str, home: PurePosixPath, split: str) -> File | None:
        """The picture that a split's list in the folder `home` means by this name.

        As `picture`, but that nearness counts before the split: a copy of the data set in another format, beside it,
        has folders of splits too. A list that lies among another split's pictures does not mean these.
        """
        at_home = split_of(home / "_") in (None, split)
        return self.foremost(self._named(name).best(joining.parts(name)[:-1], home, split, near_first=at_home))

    def right_in(self, folder: PurePosixPath, name: str) -> Sequence[File]:
        """The pictures of this name, or stem, in this folder itself; none if the name tells of folders."""
        return self._named(name).right_in(folder) if len(joining.parts(name)) == 1 else ()

    def knows(self, name: str) -> bool:
        """Whether a picture has this name, or several have."""
        return bool(self._named(name).files)

    def candidates(self, name: str) -> Sequence[File]:
        """All pictures that a name may mean, whatever it says of folders."""
        return self._named(name).files

    def foremost(self, files: Sequence[File], *, anywhere: bool = False) -> File | None:
        """Of pictures of one name in one folder, or anywhere, the one that is meant; None if nothing decides."""
        return self._namesakes.foremost(files, anywhere=anywhere)

    def _named(self, name: str) -> Namesakes[File]:
        parts = joining.parts(name)
        if not parts:
            return _NONE
        last = PurePosixPath(parts[-1])
        stem = last.stem if is_picture(Path(last)) else last.name
        bare, marked = name_forms.unmarked(stem)
        return (
            self._by_name.get(last.name)
            or self._by_stem.get(stem)
            or self._by_spelling.get(name_forms.spelled(stem))
            or self._unmarked.get((bare, not marked), _NONE)
        )

    @cached_property
    def by_place(self) -> Mapping[PurePosixPath, File]:
        """Every file by where it lies."""
        return {file.place: file for file in (*self.others, *self.pictures)}

    @cached_property
    def _by_name(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((joining.composed(file.place.name), file) for file in self.pictures)

    @cached_property
    def _by_stem(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((joining.composed(file.place.stem), file) for file in self.pictures)

    @cached_property
    def _by_spelling(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((name_forms.spelled(file.place.stem), file) for file in self.pictures)

    @cached_property
    def _unmarked(self) -> Mapping[tuple[str, bool], Namesakes[File]]:
        """By the name without a tool's marks, and whether it had some: what has none is meant by one that has."""
        return _namesakes((name_forms.unmarked(file.place.stem), file) for file in self.pictures)

    @cached_property
    def _namesakes(self) -> NamesakePictures:
        return NamesakePictures(self.pictures)


_NONE: Namesakes[File] = Namesakes()


def walk(root: Path) -> Folder:
    """The files under root; DatasetError when it is no folder, or holds no picture.

    A link to a folder is followed, once, where the walk would not come to its files otherwise: outside of root, or
    hidden in it. One to a folder that holds the data set, or itself, is not.
    """
    if not root.is_dir():
        what = "a file" if root.exists() else "nothing there"
        raise DatasetError(f"{root}: expected the folder of a data set, got {what}")
    problems: list[Problem] = []
    pictures, others = [], []
    for number, file in enumerate(_files(root, problems)):
        if is_picture(file.path):
            pictures.append(file)
        elif file.suffix in _SUFFIXES:
            others.append(file)
        if number >= _LOOK_AT_MOST and not pictures:
            break
    if not pictures:
        raise DatasetError(f"{root}: expected a data set, got a folder without pictures", tuple(problems))
    return Folder(root, tuple(sorted(pictures, key=_order)), tuple(sorted(others, key=_order)), tuple(problems))


def _order(file: File) -> tuple[str, ...]:
    return file.place.parts


def _files(root: Path, problems: list[Problem]) -> Iterator[File]:
    """Every regular file, with folders depth first; hidden ones (.git, macOS' ._ files) are none of a data set's."""
    true_root = root.resolve()
    walked = {true_root}
    waiting = [(PurePosixPath(), true_root)]
    while waiting:
        place, true_folder = waiting.pop()
        try:
            with os.scandir(root / place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            problems.append(Problem("unreadable_folder", str(place), f"cannot be listed: {error.strerror}; skipped"))
            continue
        folders = []
        for entry in found:
            if _is_hidden(entry.name):
                continue
            inside = place / entry.name
            try:
                is_file, is_dir = entry.is_file(), entry.is_dir()
            except OSError as error:  # a link to itself, say
                problems.append(Problem("link_loop", str(inside), f"cannot be followed: {error.strerror}"))
                continue
            # Only links are resolved: it takes a question to the disk for every folder on the way.
            original = (root / inside).resolve() if entry.is_symlink() else true_folder / entry.name
            if is_file:
                yield File(root / inside, inside, original)
            elif is_dir and (
                not entry.is_symlink() or _leads_on(inside, original, true_folder, true_root, walked, problems)
            ):
                folders.append((inside, original))
        waiting += reversed(folders)  # the first by name is walked first: of two links to one folder it is the one


def _leads_on(
    place: PurePosixPath, target: Path, true_folder: Path, true_root: Path, walked: set[Path], problems: list[Problem]
) -> bool:
    """Whether a link to a folder leads to files that the walk would not come to; a loop joins the problems."""
    if true_root.is_relative_to(target) or true_folder.is_relative_to(target):
        problems.append(Problem("link_loop", str(place), "a link to a folder that it lies in; not followed"))
        return False
    inside = target.is_relative_to(true_root) and not any(map(_is_hidden, target.relative_to(true_root).parts))
    if inside or target in walked:
        problems.append(Problem("repeated_link", str(place), "a link to a folder that is read anyway; not followed"))
        return False
    walked.add(target)
    return True


def _is_hidden(name: str) -> bool:
    """Whether files of this name, or in a folder of it, are none of a data set's: .git, macOS' ._ files."""
    return name.startswith(".") or name in _OF_SYSTEMS


def _namesakes(pairs: Iterable[tuple[Key, File]]) -> dict[Key, Namesakes[File]]:
    return {key: Namesakes(files) for key, files in joining.grouped(pairs).items()}
