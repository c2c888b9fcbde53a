"""Assign the pictures of a YOLO or Darknet data set to its splits.

The settings decide, then lists, then the names of folders. What the settings name for one split is not used for another
one, whatever its name: `valid = test.txt`.
"""

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from data.dataset import SPLITS, DatasetError, Problem
from data.problems import Report
from data.readers import ownership, unclear_splits, yolo_folders, yolo_lists, yolo_paths
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.yolo_config import YoloConfig
from data.readers.yolo_lists import PicturesByPath


def assign_pictures(
    folder: Folder,
    config: YoloConfig | None,
    named: Mapping[str, PicturesByPath],
    label_of: Mapping[DatasetFile, DatasetFile],
    unused: Mapping[DatasetFile, Problem],
    needed: Collection[str],
    report: Report,
) -> dict[str, list[DatasetFile]]:
    """Split -> its pictures, each in one split; pictures without a split are reported.

    named: the pictures that the settings name; other splits are found by lists and by folders of pictures or labels.
    unused: picture that must not be used -> why.
    """
    home = config.source.folder if config else PurePosixPath()
    splits = {split: pictures for split, pictures in named.items() if pictures}
    by_name = yolo_folders.group_by_split((picture for picture in folder.pictures if picture not in unused), label_of)

    def is_labelled(picture: DatasetFile) -> bool:
        return picture in label_of

    for split in SPLITS:
        if split in named:
            continue
        try:
            listed = yolo_lists.pictures_of_split(folder, home, split, report)
            pictures = listed or yolo_folders.pictures_of_split(folder, home, split, by_name, report)
        except DatasetError as error:
            if split in needed:
                raise
            report.include(yolo_paths.absent_split("", error, folder))
            continue
        if free := _not_taken(pictures, named):
            splits[split] = free
    if "train" not in splits and "train" not in named:
        rest = {path: file for path, file in by_name.get(None, {}).items() if not _is_in(path, splits)}
        unclear_splits.report_folders(rest.values(), report)
        splits |= {"train": rest} if rest else {}
    splits = {
        split: {path: file for path, file in pictures.items() if file not in unused}
        for split, pictures in splits.items()
    }
    pictures_of = ownership.without_unlabelled_test(
        {split: list(pictures.values()) for split, pictures in splits.items()}, is_labelled, report
    )
    used = {picture.resolved_path for pictures in pictures_of.values() for picture in pictures}
    for picture in folder.pictures:
        if picture.resolved_path not in used:
            unlisted = Problem("unlisted_picture", str(picture.relative_path), "in no split; not used")
            report.include(unused.get(picture, unlisted))
    source = str(config.source.relative_path) if config and named else ""
    return ownership.each_picture_in_one_split(pictures_of, is_labelled, report, source=source)


def _not_taken(pictures: PicturesByPath, named: Mapping[str, PicturesByPath]) -> PicturesByPath:
    """The pictures that the settings do not name for val or test; none if they include all of the settings' train."""
    scored = {p.resolved_path for split, taken in named.items() if split != "train" for p in taken.values()}
    free = {path: picture for path, picture in pictures.items() if picture.resolved_path not in scored}
    train = {picture.resolved_path for picture in named.get("train", {}).values()}
    return {} if train and train <= {picture.resolved_path for picture in free.values()} else free


def _is_in(path: PurePosixPath, splits: Mapping[str, PicturesByPath]) -> bool:
    return any(path in pictures for pictures in splits.values())
