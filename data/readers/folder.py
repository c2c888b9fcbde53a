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
from data.pictures import is_picture, is_unread
from data.readers import foreign, joining, unread
from data.readers.joining import Key, Namesakes
from data.readers.split_names import split_of

_SUFFIXES = frozenset({".xml", ".json", ".txt", ".yaml", ".yml", ".data", ".names", ".labels"})
_LOOK_AT_MOST = (
    500_000  # files, in search of a picture: not the whole disk, when someone names a folder far too high up
)


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


_NONE: Namesakes[File] = Namesakes()


@dataclass(frozen=True, eq=False)
class Folder:
    """All pictures and possible labels under root, sorted by place. documents: what a reader parsed while looking.

    unread: pictures of formats that are not read, and that were not converted; they are among the problems.
    strange: files that may hold labels or pictures in a form that is not read.
    """

    root: Path
    pictures: tuple[File, ...]
    others: tuple[File, ...]
    problems: tuple[Problem, ...] = ()
    unread: tuple[File, ...] = ()
    strange: tuple[File, ...] = ()
    documents: dict[Path, Any] = field(default_factory=dict)

    def of_kind(self, *suffixes: str) -> list[File]:
        """The files that end so."""
        return [file for file in self.others if file.suffix in suffixes]

    def picture(self, name: str, near: PurePosixPath | None = None, split: str | None = None) -> File | None:
        """The picture that a label means by this name or path; the stem will do where the name is not found.

        Of several, the one whose folders agree with the name's last ones; else one in a folder of this split; else the
        one nearest to the folder `near`. None where there is none, or no way to choose.
        """
        return self._named(name).best(joining.parts(name)[:-1], near, split)

    def listed(self, name: str, home: PurePosixPath, split: str) -> File | None:
        """The picture that a split's list in the folder `home` means by this name.

        As `picture`, but that nearness counts before the split: a copy of the data set in another format, beside it,
        has folders of splits too. A list that lies among another split's pictures does not mean these.
        """
        at_home = split_of(home / "_") in (None, split)
        return self._named(name).best(joining.parts(name)[:-1], home, split, near_first=at_home)

    def right_in(self, folder: PurePosixPath, name: str) -> File | None:
        """The first picture of this name, or stem, in this folder itself; None where the name tells of folders."""
        found = self._named(name).right_in(folder) if len(joining.parts(name)) == 1 else ()
        return found[0] if found else None

    def knows(self, name: str) -> bool:
        """Whether a picture has this name, or several have."""
        return bool(self._named(name).files)

    def means_unread(self, name: str) -> bool:
        """Whether a label of this name, or stem, belongs to a picture that is not read, and was reported already."""
        last = PurePosixPath(*joining.parts(name)[-1:])
        return (_stem(last) if last.name else "") in self._unread_stems

    def _named(self, name: str) -> Namesakes[File]:
        parts = joining.parts(name)
        if not parts:
            return _NONE
        last = PurePosixPath(parts[-1])
        stem = _stem(last)
        return (
            self._pictures_by_name.get(last.name)
            or self._pictures_by_stem.get(stem)
            or self._pictures_by_folded_stem.get(stem.casefold(), _NONE)
        )

    def pictures_of_stem(self, stem: str) -> Sequence[File]:
        """All pictures of this stem."""
        return self._pictures_by_stem.get(joining.composed(stem), _NONE).files

    def twins(self, picture: File) -> Sequence[File]:
        """The pictures of the same stem in the same folder, this one too."""
        return self._pictures_by_stem[joining.composed(picture.place.stem)].right_in(picture.place.parent)

    def labels_of_stem(self, picture: File, suffix: str) -> Sequence[File]:
        """All files of this ending with the picture's stem, wherever they lie."""
        return self._others_by_stem.get((joining.composed(picture.place.stem), suffix), _NONE).files

    def label(self, picture: File, suffix: str) -> File | None:
        """The label file with the picture's stem: the nearest one of this ending."""
        found = self._others_by_stem.get((joining.composed(picture.place.stem), suffix), _NONE)
        return found.best((), picture.place.parent, split_of(picture.place))

    @cached_property
    def _unread_stems(self) -> frozenset[str]:
        return frozenset(joining.composed(file.place.stem) for file in self.unread)

    @cached_property
    def by_place(self) -> Mapping[PurePosixPath, File]:
        """Every file by where it lies."""
        return {file.place: file for file in (*self.others, *self.pictures)}

    @cached_property
    def _pictures_by_name(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((joining.composed(file.place.name), file) for file in self.pictures)

    @cached_property
    def _pictures_by_stem(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((joining.composed(file.place.stem), file) for file in self.pictures)

    @cached_property
    def _pictures_by_folded_stem(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((joining.composed(file.place.stem).casefold(), file) for file in self.pictures)

    @cached_property
    def _others_by_stem(self) -> Mapping[tuple[str, str], Namesakes[File]]:
        return _namesakes(((joining.composed(file.place.stem), file.suffix), file) for file in self.others)


def walk(root: Path) -> Folder:
    """The files under root; DatasetError when it is no folder, or holds no picture.

    A link to a folder is followed, once, where the walk would not come to its files otherwise: outside of root, or
    hidden in it. One to a folder that holds the data set, or itself, is not.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: expected the folder of a data set, got {_no_folder(root)}")
    problems: list[Problem] = []
    pictures, others, not_read, strange = [], [], [], []
    for number, file in enumerate(_files(root, problems)):
        if is_picture(file.path):
            pictures.append(file)
        elif file.suffix in _SUFFIXES:
            others.append(file)
        elif is_unread(file.path):
            not_read.append(file)
        elif file.suffix in foreign.ENDINGS:
            strange.append(file)
        if number >= _LOOK_AT_MOST and not pictures:
            break
    left = unread.unconverted(not_read, pictures)
    problems += unread.problems(left)
    if not pictures:
        found = foreign.in_words(strange)
        what = unread.in_words(left) + (f", but {found}" if found and not left else "")
        raise DatasetError(f"{root}: expected a data set, got {what}", tuple(problems))
    read, rest = (tuple(sorted(files, key=_order)) for files in (pictures, others))
    return Folder(root, read, rest, tuple(problems), tuple(left), tuple(sorted(strange, key=_order)))


def _no_folder(path: Path) -> str:
    """What is there instead of a folder, and what to do about it."""
    if not path.exists():
        return "nothing there"
    what = foreign.of_ending(path.suffix)
    return f"a file, {what}" if what else "a file: name the folder that it lies in"


def _stem(name: PurePosixPath) -> str:
    """Without the ending of a picture; stems have dots of their own."""
    return name.stem if is_picture(Path(name)) or is_unread(Path(name)) else name.name


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
    return name.startswith(".") or name == "__MACOSX"


def _namesakes(pairs: Iterable[tuple[Key, File]]) -> dict[Key, Namesakes[File]]:
    return {key: Namesakes(files) for key, files in joining.grouped(pairs).items()}
