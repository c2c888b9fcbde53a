"""Walk through a folder and find the files of a data set."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data.dataset import DatasetError
from data.pictures.picture_files import is_picture, is_unread
from data.problems import Report
from data.readers import foreign, unread
from data.readers.dataset_file import LIST_SUFFIXES, DatasetFile
from data.readers.folder import Folder

_SUFFIXES = frozenset({".xml", ".json", ".yaml", ".yml", ".data", ".names", ".labels", *LIST_SUFFIXES})
_OF_SYSTEMS = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN"})  # archives, network disks, waste baskets
_LOOK_AT_MOST = (
    500_000  # files to look at for a first picture, so that a folder far too high up does not mean the whole disk
)


def walk(root: Path) -> Folder:
    """The files under root; DatasetError if root is no folder or holds no picture.

    A link to a folder is followed once, if the walk would not reach its files otherwise: outside of root, or hidden in
    it. A link to a folder that contains the data set or the link is not followed.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: expected the folder of a data set, got {_no_folder(root)}")
    report = Report()
    pictures, others, not_read, strange = [], [], [], []
    for index, file in enumerate(_files(root, report)):
        if is_picture(file.path):
            pictures.append(file)
        elif file.suffix in _SUFFIXES:
            others.append(file)
        elif is_unread(file.path):
            not_read.append(file)
        elif file.suffix in foreign.ENDINGS:
            strange.append(file)
        if index >= _LOOK_AT_MOST and not pictures:
            break
    unconverted = unread.unconverted(not_read, pictures)
    unread.report_each(unconverted, report)
    if not pictures:
        foreign_file = foreign.describe_first(strange)
        what = unread.describe_folder(unconverted)
        what += f", but {foreign_file}" if foreign_file and not unconverted else ""
        broken = [problem for problem in report.problems if problem.kind == "broken_link"]
        what += f", and links that lead to nothing ({len(broken)}, the first {broken[0].file})" if broken else ""
        raise report.error(f"{root}: expected a data set, got {what}")
    readable, rest = (tuple(sorted(files, key=_order)) for files in (pictures, others))
    return Folder(root, readable, rest, tuple(report.problems), tuple(unconverted), tuple(sorted(strange, key=_order)))


def _no_folder(path: Path) -> str:
    """In words, what the path is instead of a folder, and what to do about it."""
    if not path.exists():
        return "nothing there"
    what = foreign.describe_ending(path.suffix)
    return f"a file, {what}" if what else "a file: name the folder that it is in"


def _order(file: DatasetFile) -> tuple[str, ...]:
    return file.relative_path.parts


def _files(root: Path, report: Report) -> Iterator[DatasetFile]:
    """Every regular file, depth first; hidden files and folders (.git, macOS' ._ files) are left out."""
    true_root = root.resolve()
    walked = {true_root}
    waiting = [(PurePosixPath(), true_root)]
    while waiting:
        folder, true_folder = waiting.pop()
        try:
            with os.scandir(root / folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            report.add("unreadable_folder", folder, f"cannot be listed: {error.strerror}; skipped")
            continue
        subfolders = []
        for entry in entries:
            if _is_hidden(entry.name):
                continue
            path = folder / entry.name
            try:
                is_file, is_dir = entry.is_file(), entry.is_dir()
            except OSError as error:  # a link to itself, say
                report.add("link_loop", path, f"cannot be followed: {error.strerror}")
                continue
            # Only links are resolved, since that asks the disk about every folder on the path.
            original = (root / path).resolve() if entry.is_symlink() else true_folder / entry.name
            if is_file:
                yield DatasetFile(root / path, path, original)
            elif is_dir and (
                not entry.is_symlink() or _leads_on(path, original, true_folder, true_root, walked, report)
            ):
                subfolders.append((path, original))
            elif not is_dir and entry.is_symlink() and not original.exists():
                detail = f"leads to {str(original)[:200]}, where nothing is; skipped"
                report.add("broken_link", path, detail)
        waiting += reversed(
            subfolders
        )  # walked in the order of names, so that the first of two links to one folder is followed


def _leads_on(
    link: PurePosixPath, target: Path, true_folder: Path, true_root: Path, walked: set[Path], report: Report
) -> bool:
    """Whether a link to a folder leads to files that the walk would not reach; if not, that is a problem."""
    if true_root.is_relative_to(target) or true_folder.is_relative_to(target):
        report.add("link_loop", link, "a link to a folder that it is in; not followed")
        return False
    inside = target.is_relative_to(true_root) and not any(map(_is_hidden, target.relative_to(true_root).parts))
    if inside or target in walked:
        report.add("repeated_link", link, "a link to a folder that is read anyway; not followed")
        return False
    walked.add(target)
    return True


def _is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is no part of a data set: .git, macOS' ._ files."""
    return name.startswith(".") or name in _OF_SYSTEMS
