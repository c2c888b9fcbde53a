"""Darknet's lists of pictures, train.txt and the like: a path a line, of whatever machine they were written on."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from data.dataset import DatasetError, Problem
from data.readers import text_files, yolo_labels
from data.readers.files import LIST_SUFFIXES, File
from data.readers.folder import Folder
from data.readers.split_names import NAMES, split_called

Pictures = dict[PurePosixPath, File]

_NUMBERS = re.compile(r"(?:\s+[-+0-9.,]+)+$")  # columns behind a name: VOC's flags, classes, boxes


def of_split(folder: Folder, home: PurePosixPath, split: str, problems: list[Problem]) -> Pictures:
    """What train.txt and the like list, beside the settings or at the root, or in the one folder that has some.

    A list whose name is the split's alone comes before train_list.txt; of 2007_train.txt and 2012_train.txt both count.
    """
    named = [file for file in folder.of_kind(*LIST_SUFFIXES) if split_called(file.stem) == split]
    lists = [file for file in named if lists_pictures(folder, file)]
    for place in (home, PurePosixPath(), *nearest(lists)):
        files = [file for file in lists if file.folder == place]
        exact = [file for file in files if file.stem.lower() in NAMES[split]]
        found: Pictures = {}
        for file in exact[:1] or files:
            found |= read(folder, file, split, problems)
        if files:
            return found
    return {}


def nearest(lists: Sequence[File]) -> Sequence[PurePosixPath]:
    """The folder nearest to the root that has some of these lists; none if there are several such folders."""
    depth = min((len(file.place.parts) for file in lists), default=0)
    folders = {file.folder for file in lists if len(file.place.parts) == depth}
    return list(folders) if len(folders) == 1 else []


def lists_pictures(folder: Folder, file: File) -> bool:
    """Whether one of the first lines is a picture: the label file of a picture can have a list's name."""
    if yolo_labels.looks_like_labels(file):
        return False
    try:
        content = text_files.decode(text_files.read_bytes(file.path, text_files.MAX_LIST_BYTES))[0]
    except text_files.TextError:
        return False
    return any(folder.knows(name) for line in content.splitlines()[:100] for name in spellings(line))


def read(folder: Folder, file: File, split: str, problems: list[Problem]) -> Pictures:
    """The pictures of a split's list, joined by their names; a line without one joins the problems.

    DatasetError for a list without any picture, unless it is an empty one for val or test.
    """
    try:
        lines = text_files.read(file.path, str(file.place), problems, text_files.MAX_LIST_BYTES).splitlines()
    except text_files.TextError as error:
        raise DatasetError(f"{file.path}: expected a list of pictures: {error}", tuple(problems)) from error
    pictures: Pictures = {}
    lines = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    for line in lines:
        found = (folder.listed(name, file.folder, split) for name in spellings(line))
        picture = next(filter(None, found), None)
        if picture is None and any(map(folder.means_unread, spellings(line))):
            continue
        if picture is None:
            detail = f"'{line[:80]}': no picture of this name, or several; skipped"
            problems.append(Problem("missing_picture", str(file.place), detail))
        else:
            pictures[picture.place] = picture
    if not lines and split != "train":
        problems.append(Problem("missing_split", str(file.place), f"{split}: an empty list"))
    elif not pictures:
        raise DatasetError(
            f"{file.path}: expected a list of pictures for split '{split}', got {len(lines)} lines and none that names "
            "one",
            tuple(problems),
        )
    return dict(sorted(pictures.items(), key=lambda item: item[0].parts))


def spellings(line: str) -> list[str]:
    """What a line may name: itself, without quotes, and without the numbers behind it."""
    bare = line.strip().strip("\"'")
    return list(dict.fromkeys((bare, _NUMBERS.sub("", bare))))
