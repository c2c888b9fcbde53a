"""The text files of a Pascal VOC data set: the lists of pictures of its splits, and CVAT's label map."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from data.dataset import SPLITS, DatasetError, Problem
from data.readers import name_matching, ownership, text_files, yolo_lists
from data.readers.claims import Pairs
from data.readers.files import LIST_SUFFIXES, File
from data.readers.folder import Folder
from data.readers.split_names import split_called

LISTS = ("ImageSets", "Main")
ANNOTATIONS, PICTURES = "Annotations", "JPEGImages"  # beside ImageSets: the names that the format gives
LABEL_MAP = "labelmap.txt"  # a line `name:colour:parts:actions` a class, which keeps the classes' order

_WITH_VAL = "trainval"


def splits(folder: Folder, pairs: Pairs, problems: list[Problem]) -> dict[str, list[File]]:
    """Split -> pictures, as the lists say; trainval, less val and test, stands in for a missing train."""
    files = _files(folder)
    of_split = {split: [file for file in files if split_called(file.stem) == split] for split in SPLITS}
    found = {split: _all_listed(folder, lists, split, pairs, problems) for split, lists in of_split.items()}
    if not of_split["train"]:
        with_val = [file for file in files if file.stem.lower() == _WITH_VAL]
        pictures = _all_listed(folder, with_val, "train", pairs, problems)
        scored = {picture.original for split in ("val", "test") for picture in found[split]}
        found["train"] = [picture for picture in pictures if picture.original not in scored] or pictures
    named = {split: str(lists[0].place) for split, lists in of_split.items() if lists}

    def in_two(split: str, first: str, picture: File) -> Problem:
        detail = f"'{picture.stem}' is in {first} too, and left there"
        return Problem("listed_twice", named.get(split, ""), detail)

    source = next(iter(named.values()), "")
    with_labels = ownership.without_bare_test(found, pairs.is_labelled, problems)
    return ownership.each_once(with_labels, pairs.is_labelled, problems, source=source, in_two=in_two)


def _files(folder: Folder) -> list[File]:
    """The lists in ImageSets/Main; else those of the one folder that has some, the nearest to the root."""
    named = [file for file in folder.of_kind(*LIST_SUFFIXES) if _is_name_of_list(file.stem)]
    main = [file for file in named if file.folder.parts[-2:] == LISTS]
    if main:
        return main
    own_kinds = {file.folder for file in named if file.folder.parts[-2:-1] == LISTS[:1]}  # of other tasks
    lists = [f for f in named if f.folder not in own_kinds and yolo_lists.lists_pictures(folder, f)]
    return [file for file in lists if file.folder in yolo_lists.nearest(lists)]


def _is_name_of_list(stem: str) -> bool:
    return split_called(stem) is not None or stem.lower() == _WITH_VAL


def _all_listed(folder: Folder, files: Sequence[File], split: str, pairs: Pairs, problems: list[Problem]) -> list[File]:
    return [picture for file in files for picture in _listed(folder, file, split, pairs, problems)]


def _listed(folder: Folder, file: File, split: str, pairs: Pairs, problems: list[Problem]) -> list[File]:
    """The pictures of a list, each once; a line without one joins the problems."""
    try:
        lines = text_files.read(file.path, str(file.place), problems, text_files.MAX_LIST_BYTES).splitlines()
    except text_files.TextError as error:
        raise DatasetError(f"{file.path}: expected a list of names: {error}", tuple(problems)) from error
    in_main = file.folder.parts[-2:] == LISTS
    home = PurePosixPath(*file.place.parts[: -len(LISTS) - 1]) if in_main else file.folder
    found: dict[PurePosixPath, File] = {}
    for line in dict.fromkeys(line.strip() for line in lines if line.strip()):
        pictures = (_picture(folder, name, home, split, pairs) for name in yolo_lists.spellings(line))
        picture = next(filter(None, pictures), None)
        if picture is None:
            place = home / ANNOTATIONS / f"{line}.xml"
            detail = f"no picture '{line[:80]}', which {file.place} lists; skipped"
            # Else the annotation itself was named already, or the picture.
            if place not in folder.by_place and not folder.means_unread(line):
                problems.append(Problem("missing_picture", str(place), detail))
        else:
            found[picture.place] = picture
    if not found and not any(line.strip() for line in lines):
        problems.append(Problem("missing_split", str(file.place), f"{split}: an empty list"))
    return list(found.values())


def _picture(folder: Folder, name: str, home: PurePosixPath, split: str, pairs: Pairs) -> File | None:
    """By its own name, with its annotation where there are several; else by its annotation's."""
    beside = folder.right_in(home / PICTURES, name)
    labelled = [picture for picture in beside if pairs.is_labelled(picture)]
    picture = folder.foremost(labelled or beside) or folder.listed(name, home, split)
    if picture is None and (file := folder.by_place.get(home / ANNOTATIONS / f"{name_matching.composed(name)}.xml")):
        picture = pairs.picture_of.get(file)
    return picture


def label_map(file: File, problems: list[Problem]) -> list[str]:
    """The names of a label map; none, and a problem, when it is no text."""
    try:
        lines = text_files.read(file.path, str(file.place), problems).splitlines()
    except text_files.TextError as error:
        problems.append(Problem("broken_annotation", str(file.place), str(error)))
        return []
    names = [line.rsplit(":", 3)[0].strip() for line in lines if not line.startswith("# label:")]
    return [name for name in names if name]
