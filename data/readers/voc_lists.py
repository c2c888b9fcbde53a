"""The text files of a Pascal VOC data set: ImageSets/Main, which pictures are in which split, and CVAT's label map."""

from pathlib import Path, PurePosixPath

from data.example import SPLITS, DatasetError, Problem
from data.readers import text
from data.readers.folder import File, Folder
from data.readers.split_names import FOLDER_NAMES

LISTS = ("ImageSets", "Main")
ANNOTATIONS, PICTURES = "Annotations", "JPEGImages"  # beside ImageSets: the names that the format gives
LABEL_MAP = "labelmap.txt"  # a line `name:colour:parts:actions` a class, which keeps the classes' order

_FLAGS = ("1", "-1", "0")  # the second column of VOC's lists for one class


def splits(folder: Folder, problems: list[Problem]) -> dict[str, list[File]]:
    """Split -> pictures, as the lists say; trainval, less val, stands in for a missing train."""
    files = [file for file in folder.of_kind(".txt") if file.place.parent.parts[-2:] == LISTS]
    named = {split: [f for f in files if f.place.stem.lower() in FOLDER_NAMES[split]] for split in SPLITS}
    stands_in = not named["train"]
    if stands_in:
        named["train"] = [file for file in files if file.place.stem.lower() == "trainval"]
    found: dict[str, list[File]] = {}
    owner: dict[Path, str] = {}
    for split in reversed(SPLITS):  # a name in two lists stays in the one that is scored
        for file in named[split]:
            pictures = found.setdefault(split, [])
            for picture in _listed(folder, file, split, problems):
                first = owner.setdefault(picture.original, split)
                if first == split:
                    pictures.append(picture)
                elif not stands_in or split != "train":
                    detail = f"'{picture.place.stem}' is in {first} too, and left there"
                    problems.append(Problem("listed_twice", str(file.place), detail))
    return {split: found[split] for split in SPLITS if split in found}


def _listed(folder: Folder, file: File, split: str, problems: list[Problem]) -> list[File]:
    """The pictures of a list, each once; a line without one joins the problems."""
    try:
        lines = text.read(file.path, str(file.place), problems, text.MAX_LIST_BYTES).splitlines()
    except text.TextError as error:
        raise DatasetError(f"{file.path}: expected a list of names: {error}", tuple(problems)) from error
    home = PurePosixPath(*file.place.parts[: -len(LISTS) - 1])  # where ImageSets lies
    found: dict[PurePosixPath, File] = {}
    for line in dict.fromkeys(line.strip() for line in lines if line.strip()):
        name, _, flag = line.rpartition(" ")
        picture = _picture(folder, line, home, split)
        if picture is None and flag in _FLAGS:
            picture = _picture(folder, name, home, split)
        if picture is None:
            place = home / ANNOTATIONS / f"{line}.xml"
            detail = f"no picture '{line[:80]}', which {file.place} lists; skipped"
            # Else the annotation itself was named already, or the picture.
            if place not in folder.by_place and not folder.means_unread(line):
                problems.append(Problem("missing_picture", str(place), detail))
        else:
            found[picture.place] = picture
    return list(found.values())


def _picture(folder: Folder, name: str, home: PurePosixPath, split: str) -> File | None:
    return folder.right_in(home / PICTURES, name) or folder.listed(name, home, split)


def label_map(file: File, problems: list[Problem]) -> list[str]:
    """The names of a label map; none, and a problem, when it is no text."""
    try:
        lines = text.read(file.path, str(file.place), problems).splitlines()
    except text.TextError as error:
        problems.append(Problem("broken_annotation", str(file.place), str(error)))
        return []
    names = [line.rsplit(":", 3)[0].strip() for line in lines if not line.startswith("# label:")]
    return [name for name in names if name]
