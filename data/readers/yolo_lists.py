"""Read Darknet's lists of pictures, train.txt and the like: a path on each line, from the machine that wrote them."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from data.problems import Report
from data.readers import text_files, yolo_labels
from data.readers.dataset_file import LIST_SUFFIXES, DatasetFile
from data.readers.folder import Folder
from data.readers.split_names import NAMES, split_from_name

PicturesByPath = dict[PurePosixPath, DatasetFile]

_NUMBERS = re.compile(r"(?:\s+[-+0-9.,]+)+$")  # columns after a name: VOC's flags, classes, boxes


def pictures_of_split(folder: Folder, home: PurePosixPath, split: str, report: Report) -> PicturesByPath:
    """The pictures in lists such as train.txt, beside the settings, at the root, or in the only folder with such lists.

    train.txt is used rather than train_list.txt; 2007_train.txt and 2012_train.txt are used together.
    """
    named = [file for file in folder.with_suffixes(*LIST_SUFFIXES) if split_from_name(file.stem) == split]
    lists = [file for file in named if lists_pictures(folder, file)]
    for list_folder in (home, PurePosixPath(), *nearest(lists)):
        files = [file for file in lists if file.folder == list_folder]
        exact = [file for file in files if file.stem.lower() in NAMES[split]]
        pictures: PicturesByPath = {}
        for file in exact[:1] or files:
            pictures |= read(folder, file, split, report)
        if files:
            return pictures
    return {}


def nearest(lists: Sequence[DatasetFile]) -> Sequence[PurePosixPath]:
    """The folder nearest to the root with some of these lists, alone; empty if there are several."""
    depth = min((len(file.relative_path.parts) for file in lists), default=0)
    folders = {file.folder for file in lists if len(file.relative_path.parts) == depth}
    return list(folders) if len(folders) == 1 else []


def lists_pictures(folder: Folder, file: DatasetFile) -> bool:
    """Whether one of the first lines names a picture; a label file may have the name of a list."""
    if yolo_labels.looks_like_labels(file):
        return False
    try:
        content = text_files.decode(text_files.read_bytes(file.path, text_files.MAX_LIST_BYTES))[0]
    except text_files.TextError:
        return False
    return any(folder.has_picture(name) for line in content.splitlines()[:100] for name in spellings(line))


def read(folder: Folder, file: DatasetFile, split: str, report: Report) -> PicturesByPath:
    """The pictures of a split's list, found by name; a line without a picture is reported.

    DatasetError for a list without any picture, except an empty list for val or test.
    """
    try:
        lines = text_files.read(file, report, text_files.MAX_LIST_BYTES).splitlines()
    except text_files.TextError as error:
        raise report.error(f"{file.path}: expected a list of pictures: {error}") from error
    pictures: PicturesByPath = {}
    lines = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    for line in lines:
        candidates = (folder.find_listed(name, file.folder, split) for name in spellings(line))
        picture = next(filter(None, candidates), None)
        if picture is None and any(map(folder.means_unread, spellings(line))):
            continue
        if picture is None:
            detail = f"'{line[:80]}': no picture of this name, or several; skipped"
            report.add("missing_picture", file.relative_path, detail)
        else:
            pictures[picture.relative_path] = picture
    if not lines and split != "train":
        report.add("missing_split", file.relative_path, f"{split}: an empty list")
    elif not pictures:
        raise report.error(
            f"{file.path}: expected a list of pictures for split '{split}', got {len(lines)} lines and none that names "
            "one"
        )
    return dict(sorted(pictures.items(), key=lambda item: item[0].parts))


def spellings(line: str) -> list[str]:
    """The names that a line may mean: without quotes, and without the numbers after the name."""
    bare = line.strip().strip("\"'")
    return list(dict.fromkeys((bare, _NUMBERS.sub("", bare))))
