"""Read the text files of a Pascal VOC data set: the lists of its splits' pictures, and CVAT's label map."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from data.dataset import SPLITS, Problem
from data.problems import Report
from data.readers import name_matching, ownership, text_files, yolo_lists
from data.readers.claims import Pairs
from data.readers.dataset_file import LIST_SUFFIXES, DatasetFile
from data.readers.folder import Folder
from data.readers.split_names import split_from_name

LISTS = ("ImageSets", "Main")
ANNOTATIONS, PICTURES = "Annotations", "JPEGImages"  # folders beside ImageSets, as the format names them
LABEL_MAP = "labelmap.txt"  # lines `name:colour:parts:actions`, in the order of the classes

_WITH_VAL = "trainval"


def splits(folder: Folder, pairs: Pairs, report: Report) -> dict[str, list[DatasetFile]]:
    """Split -> pictures, as the lists say; a missing train is trainval without val and test."""
    files = _files(folder)
    lists_of = {split: [file for file in files if split_from_name(file.stem) == split] for split in SPLITS}
    listed = {split: _all_listed(folder, lists, split, pairs, report) for split, lists in lists_of.items()}
    if not lists_of["train"]:
        with_val = [file for file in files if file.stem.lower() == _WITH_VAL]
        pictures = _all_listed(folder, with_val, "train", pairs, report)
        scored = {picture.resolved_path for split in ("val", "test") for picture in listed[split]}
        listed["train"] = [picture for picture in pictures if picture.resolved_path not in scored] or pictures
    first_list = {split: str(lists[0].relative_path) for split, lists in lists_of.items() if lists}

    def in_two(split: str, first: str, picture: DatasetFile) -> Problem:
        detail = f"'{picture.stem}' is in {first} too, and stays there"
        return Problem("listed_twice", first_list.get(split, ""), detail)

    source = next(iter(first_list.values()), "")
    with_labels = ownership.without_unlabelled_test(listed, pairs.is_labelled, report)
    return ownership.each_picture_in_one_split(with_labels, pairs.is_labelled, report, source=source, in_two=in_two)


def _files(folder: Folder) -> list[DatasetFile]:
    """The lists in ImageSets/Main; else those in the folder nearest to the root that has lists, if it is only one."""
    named = [file for file in folder.with_suffixes(*LIST_SUFFIXES) if _is_name_of_list(file.stem)]
    main = [file for file in named if file.folder.parts[-2:] == LISTS]
    if main:
        return main
    other_tasks = {file.folder for file in named if file.folder.parts[-2:-1] == LISTS[:1]}
    lists = [f for f in named if f.folder not in other_tasks and yolo_lists.lists_pictures(folder, f)]
    return [file for file in lists if file.folder in yolo_lists.nearest(lists)]


def _is_name_of_list(stem: str) -> bool:
    return split_from_name(stem) is not None or stem.lower() == _WITH_VAL


def _all_listed(
    folder: Folder, files: Sequence[DatasetFile], split: str, pairs: Pairs, report: Report
) -> list[DatasetFile]:
    return [picture for file in files for picture in _listed(folder, file, split, pairs, report)]


def _listed(folder: Folder, file: DatasetFile, split: str, pairs: Pairs, report: Report) -> list[DatasetFile]:
    """The pictures of a list, each once; a line without a picture is reported."""
    try:
        lines = text_files.read(file, report, text_files.MAX_LIST_BYTES).splitlines()
    except text_files.TextError as error:
        raise report.error(f"{file.path}: expected a list of names: {error}") from error
    in_main = file.folder.parts[-2:] == LISTS
    home = PurePosixPath(*file.relative_path.parts[: -len(LISTS) - 1]) if in_main else file.folder
    listed: dict[PurePosixPath, DatasetFile] = {}
    for line in dict.fromkeys(line.strip() for line in lines if line.strip()):
        pictures = (_picture(folder, name, home, split, pairs) for name in yolo_lists.spellings(line))
        picture = next(filter(None, pictures), None)
        if picture is None:
            annotation = home / ANNOTATIONS / f"{line}.xml"
            detail = f"no picture '{line[:80]}', which {file.relative_path} lists; skipped"
            # Otherwise the annotation or the picture is reported already.
            if annotation not in folder.by_path and not folder.means_unread(line):
                report.add("missing_picture", annotation, detail)
        else:
            listed[picture.relative_path] = picture
    if not listed and not any(line.strip() for line in lines):
        report.add("missing_split", file.relative_path, f"{split}: an empty list")
    return list(listed.values())


def _picture(folder: Folder, name: str, home: PurePosixPath, split: str, pairs: Pairs) -> DatasetFile | None:
    """The picture of this name, labelled ones first; else the picture of the annotation of this name; else None."""
    beside = folder.directly_in(home / PICTURES, name)
    labelled = [picture for picture in beside if pairs.is_labelled(picture)]
    picture = folder.choose(labelled or beside) or folder.find_listed(name, home, split)
    if picture is None and (file := folder.by_path.get(home / ANNOTATIONS / f"{name_matching.composed(name)}.xml")):
        picture = pairs.picture_of.get(file)
    return picture


def label_map(file: DatasetFile, report: Report) -> list[str]:
    """The names of a label map; none, and a problem, if it is no text."""
    try:
        lines = text_files.read(file, report).splitlines()
    except text_files.TextError as error:
        report.add("broken_annotation", file.relative_path, str(error))
        return []
    names = [line.rsplit(":", 3)[0].strip() for line in lines if not line.startswith("# label:")]
    return [name for name in names if name]
