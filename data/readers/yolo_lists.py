"""Darknet's lists of pictures, train.txt and the like: a path a line, of whatever machine they were written on."""

from pathlib import PurePosixPath

from data.example import DatasetError, Problem
from data.readers import text
from data.readers.folder import File, Folder
from data.readers.split_names import FOLDER_NAMES

Pictures = dict[PurePosixPath, File]


def of_split(folder: Folder, home: PurePosixPath, split: str, problems: list[Problem]) -> Pictures:
    """What train.txt and the like list, beside the settings or at the root."""
    for place in dict.fromkeys((home, PurePosixPath())):
        for name in FOLDER_NAMES[split]:
            file = folder.by_place.get(place / f"{name}.txt")
            if file is not None and _lists_pictures(folder, file):
                return read(folder, file, split, problems)
    return {}


def _lists_pictures(folder: Folder, file: File) -> bool:
    """Whether one of the first lines is a picture: a label file can have a list's name."""
    try:
        content = text.decode(text.read_bytes(file.path, text.MAX_LIST_BYTES))[0]
    except text.TextError:
        return False
    return any(folder.knows(line) for line in content.splitlines()[:100])


def read(folder: Folder, file: File, split: str, problems: list[Problem]) -> Pictures:
    """The pictures of a split's list, joined by their names; a line without one joins the problems."""
    try:
        lines = text.read(file.path, str(file.place), problems, text.MAX_LIST_BYTES).splitlines()
    except text.TextError as error:
        raise DatasetError(f"{file.path}: expected a list of pictures: {error}", tuple(problems)) from error
    pictures: Pictures = {}
    for line in dict.fromkeys(line.strip() for line in lines if line.strip()):
        picture = folder.listed(line, file.place.parent, split)
        if picture is None and folder.means_unread(line):
            continue
        if picture is None:
            detail = f"'{line[:80]}': no picture of this name, or several; skipped"
            problems.append(Problem("missing_picture", str(file.place), detail))
        else:
            pictures[picture.place] = picture
    return dict(sorted(pictures.items(), key=lambda item: item[0].parts))
