"""Which pictures belong to which split of a YOLO or Darknet data set.

Its own settings say it, else lists, else the names of folders. What the settings name for one split is no second one,
whatever it is called: `valid = test.txt`.
"""

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from data.dataset import SPLITS, DatasetError, Problem
from data.readers import ownership, yolo_folders, yolo_lists, yolo_paths
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.yolo_config import Config
from data.readers.yolo_lists import Pictures


def complete(
    folder: Folder,
    config: Config | None,
    named: Mapping[str, Pictures],
    label_of: Mapping[File, File],
    unused: Mapping[File, Problem],
    needed: Collection[str],
    problems: list[Problem],
) -> dict[str, list[File]]:
    """Split -> its pictures, each in one split; a picture in none joins the problems.

    named: by the settings; other splits are found by lists and folders, those of labels too. unused: why a picture is
    in no split.
    """
    home = config.source.folder if config else PurePosixPath()
    found = {split: pictures for split, pictures in named.items() if pictures}
    by_name = yolo_folders.by_names((picture for picture in folder.pictures if picture not in unused), label_of)

    def is_labelled(picture: File) -> bool:
        return picture in label_of

    for split in SPLITS:
        if split in named:
            continue
        try:
            listed = yolo_lists.of_split(folder, home, split, problems)
            pictures = listed or yolo_folders.of_split(folder, home, split, by_name, problems)
        except DatasetError as error:
            if split in needed:
                raise
            problems.append(yolo_paths.absent("", error, folder))
            continue
        if left := _not_taken(pictures, named):
            found[split] = left
    if "train" not in found and "train" not in named:
        rest = {place: file for place, file in by_name.get(None, {}).items() if not _is_in(place, found)}
        found |= {"train": rest} if rest else {}
    found = {
        split: {place: file for place, file in pictures.items() if file not in unused}
        for split, pictures in found.items()
    }
    pictures_of = ownership.without_bare_test(
        {split: list(pictures.values()) for split, pictures in found.items()}, is_labelled, problems
    )
    used = {picture.original for pictures in pictures_of.values() for picture in pictures}
    for picture in folder.pictures:
        if picture.original not in used:
            unlisted = Problem("unlisted_picture", str(picture.place), "in no split; not used")
            problems.append(unused.get(picture, unlisted))
    source = str(config.source.place) if config and named else ""
    return ownership.each_once(pictures_of, is_labelled, problems, source=source)


def _not_taken(pictures: Pictures, named: Mapping[str, Pictures]) -> Pictures:
    """What was found by name and is not of a split that the settings name; nothing if it is all of their train."""
    scored = {p.original for split, taken in named.items() if split != "train" for p in taken.values()}
    left = {place: picture for place, picture in pictures.items() if picture.original not in scored}
    train = {picture.original for picture in named.get("train", {}).values()}
    return {} if train and train <= {picture.original for picture in left.values()} else left


def _is_in(place: PurePosixPath, found: Mapping[str, Pictures]) -> bool:
    return any(place in pictures for pictures in found.values())
