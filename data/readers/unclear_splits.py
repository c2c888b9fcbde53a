"""Report pictures that are read as train because no name says otherwise, but that may be meant for another split."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from data.problems import Report
from data.readers.dataset_file import DatasetFile
from data.readers.split_names import split_from_words, split_of_folder


def report_folders(pictures: Iterable[DatasetFile], report: Report) -> None:
    """Report each folder that has a word for val or test among others in its name (val_data, my-test).

    pictures: those of no split, which are read as train.
    """
    counts = Counter(hint for picture in pictures if (hint := _hint(picture.folder)))
    for (folder, split), count in sorted(counts.items()):
        detail = f"may be meant as {split}: its {count} pictures are read as train"
        report.add("unclear_split", folder, detail)


def report_files(unnamed: Mapping[DatasetFile, int], named_train: Iterable[DatasetFile], report: Report) -> None:
    """Report each JSON file whose name says no split (minival), if another one's says train.

    unnamed: file -> how many pictures of it are read as train.
    """
    other = next(iter(named_train), None)
    if other is None:
        return
    for file, count in unnamed.items():
        detail = f"its name says no split, unlike that of {other.relative_path}: its {count} pictures are read as train"
        report.add("unclear_split", file.relative_path, detail)


def report_contradictions(files: Iterable[DatasetFile], report: Report) -> None:
    """Report each JSON file whose name says another split than its folder; the name counts."""
    for file in files:
        by_name, by_folder = split_from_words(file.stem), split_of_folder(file.folder)
        if by_name and by_folder and by_name != by_folder:
            detail = f"its name says {by_name}, its folder says {by_folder}: its pictures are read as {by_name}"
            report.add("unclear_split", file.relative_path, detail)


def _hint(folder: PurePosixPath) -> tuple[PurePosixPath, str] | None:
    """The innermost folder on the path with a word for a split in its name, if it is one for val or test."""
    for place in (folder, *folder.parents):
        split = split_from_words(place.name)
        if split:
            return (place, split) if split != "train" else None
    return None
