"""The files of a data set, found by a walk through its folder."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data.dataset import DatasetError, Problem
from data.pictures.picture_files import is_picture, is_unread
from data.readers import foreign, unread
from data.readers.files import LIST_SUFFIXES, File
from data.readers.folder import Folder

_SUFFIXES = frozenset({".xml", ".json", ".yaml", ".yml", ".data", ".names", ".labels", *LIST_SUFFIXES})
_OF_SYSTEMS = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN"})  # archives, network disks, waste baskets
_LOOK_AT_MOST = (
    500_000  # files, in search of a picture: not the whole disk, when someone names a folder far too high up
)


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
        found = foreign.describe_first(strange)
        what = unread.in_words(left) + (f", but {found}" if found and not left else "")
        raise DatasetError(f"{root}: expected a data set, got {what}", tuple(problems))
    read, rest = (tuple(sorted(files, key=_order)) for files in (pictures, others))
    return Folder(root, read, rest, tuple(problems), tuple(left), tuple(sorted(strange, key=_order)))


def _no_folder(path: Path) -> str:
    """What is there instead of a folder, and what to do about it."""
    if not path.exists():
        return "nothing there"
    what = foreign.describe_ending(path.suffix)
    return f"a file, {what}" if what else "a file: name the folder that it lies in"


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
