"""The folders of a YOLO data set that are called after splits, in either order: SPLIT/images or images/SPLIT."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from data.dataset import DatasetError, Problem
from data.readers import yolo_labels
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.split_names import split_called, split_of
from data.readers.yolo_lists import Pictures


def by_names(
    pictures: Iterable[File], label_of: Mapping[File, File] = MappingProxyType({})
) -> dict[str | None, Pictures]:
    """Split -> the pictures whose folder, or else whose label's folder, is called so."""
    grouped: dict[str | None, Pictures] = {}
    for picture in pictures:
        label = label_of.get(picture)
        split = split_of(picture.folder) or (split_of(label.folder) if label else None)
        grouped.setdefault(split, {})[picture.place] = picture
    return grouped


def of_split(
    folder: Folder,
    home: PurePosixPath,
    split: str,
    by_name: Mapping[str | None, Pictures],
    problems: list[Problem],
) -> Pictures:
    """The pictures in folders of the split's name; such a folder without any is told, or refused for train."""
    if by_name.get(split):
        return by_name[split]
    for parent in (home, home / "images"):
        for name in _folders_in(folder.root / parent):
            if split_called(name) == split:
                inside = parent / name / "images"
                return empty(folder, inside if (folder.root / inside).is_dir() else parent / name, split, problems)
    return {}


def _folders_in(path: Path) -> list[str]:
    """The names of the folders in this one; not of links to a folder, which are named themselves."""
    if not path.is_dir():
        return []
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def empty(folder: Folder, place: PurePosixPath, split: str, problems: list[Problem]) -> Pictures:
    """Exporters make a folder for val and leave it empty. One whose labels are there has lost its pictures."""
    labels = {place, place.parent / "labels", *_counterparts(place)}
    waiting = [file for file in folder.of_kind(".txt") if file.folder in labels and yolo_labels.looks_like_labels(file)]
    if split == "train" or waiting:
        but = f", but {len(waiting)} label files for them" if waiting else ""
        raise DatasetError(
            f"{folder.root / place}: expected pictures (.jpg, .png ...) for split '{split}', found none{but}",
            tuple(problems),
        )
    problems.append(Problem("missing_split", str(place), f"{split}: an empty folder"))
    return {}


def _counterparts(place: PurePosixPath) -> list[PurePosixPath]:
    """labels/val for images/val."""
    parts = place.parts
    return [PurePosixPath(*parts[:n], "labels", *parts[n + 1 :]) for n, part in enumerate(parts) if part == "images"]


def common_folder(pictures: Pictures) -> str:
    """The innermost folder that all of them lie in."""
    return Path(os.path.commonpath([place.parent for place in pictures])).as_posix()
