"""Folders of a YOLO data set that are named after splits, in either order: SPLIT/images or images/SPLIT."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from data.problems import Report
from data.readers import yolo_labels
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.split_names import split_from_name, split_of_folder
from data.readers.yolo_lists import PicturesByPath


def group_by_split(
    pictures: Iterable[DatasetFile], label_of: Mapping[DatasetFile, DatasetFile] = MappingProxyType({})
) -> dict[str | None, PicturesByPath]:
    """Split (None: no split) -> the pictures whose folder, or else whose label's folder, names it."""
    grouped: dict[str | None, PicturesByPath] = {}
    for picture in pictures:
        label = label_of.get(picture)
        split = split_of_folder(picture.folder) or (split_of_folder(label.folder) if label else None)
        grouped.setdefault(split, {})[picture.relative_path] = picture
    return grouped


def pictures_of_split(
    folder: Folder,
    home: PurePosixPath,
    split: str,
    by_name: Mapping[str | None, PicturesByPath],
    report: Report,
) -> PicturesByPath:
    """The pictures in folders that name the split. A folder without any is a problem, or for train a DatasetError."""
    if by_name.get(split):
        return by_name[split]
    for parent in (home, home / "images"):
        for name in _folders_in(folder.root / parent):
            if split_from_name(name) == split:
                inside = parent / name / "images"
                return report_empty_folder(
                    folder, inside if (folder.root / inside).is_dir() else parent / name, split, report
                )
    return {}


def _folders_in(path: Path) -> list[str]:
    """The names of the folders in this one, without links to folders, which are reported elsewhere."""
    if not path.is_dir():
        return []
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def report_empty_folder(folder: Folder, path: PurePosixPath, split: str, report: Report) -> PicturesByPath:
    """Report an empty folder of a split; DatasetError for train, or if there are labels for it.

    Exporters make a folder for val and leave it empty. If its labels are there, its pictures are missing.
    """
    label_folders = {path, path.parent / "labels", *_counterparts(path)}
    labels = [
        file
        for file in folder.with_suffixes(".txt")
        if file.folder in label_folders and yolo_labels.looks_like_labels(file)
    ]
    unusable = any(picture.relative_path.is_relative_to(path) for picture in folder.pictures)
    if split == "train" or labels:
        usable = " that can be used" if unusable else ""
        but = f", but {len(labels)} label files for them" if labels else ""
        raise report.error(
            f"{folder.root / path}: expected pictures (.jpg, .png ...) for split '{split}', found none{usable}{but}"
        )
    what = "none of its pictures can be used" if unusable else "an empty folder"
    report.add("missing_split", path, f"{split}: {what}")
    return {}


def _counterparts(images: PurePosixPath) -> list[PurePosixPath]:
    """The folders of labels for a folder of pictures: labels/val for images/val."""
    parts = images.parts
    return [PurePosixPath(*parts[:n], "labels", *parts[n + 1 :]) for n, part in enumerate(parts) if part == "images"]


def common_folder(pictures: PicturesByPath) -> str:
    """The innermost folder that contains all of the pictures."""
    return Path(os.path.commonpath([path.parent for path in pictures])).as_posix()
