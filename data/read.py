"""A folder on disk -> a Dataset with all three splits: find the format, read, cut the splits that are missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from data import looks, splits
from data.example import Dataset, DatasetError, Problem
from data.problems import FATAL
from data.readers import assemble, coco, foreign, voc, yolo
from data.readers import folder as folders
from data.readers.folder import Folder


@dataclass(frozen=True)
class Reader:
    """joins: whether one of the format's labels belongs to one of the folder's pictures."""

    joins: Callable[[Folder], bool]
    read: Callable[[Folder], Dataset]


READERS: Mapping[str, Reader] = {
    "coco": Reader(coco.joins, coco.read),
    "voc": Reader(voc.joins, voc.read),
    "yolo": Reader(yolo.joins, yolo.read),
}


def detect(root: Path) -> str:
    """The format of the data set in this folder: "coco", "voc" or "yolo"."""
    return _detect(folders.walk(root))


def load(root: Path, format: str | None = None, *, split_seed: int = 0, strict: bool = True) -> Dataset:
    """The data set in this folder, with train, val and test.

    A broken annotation is an error when strict, and otherwise one of the problems. A cut split is a note among them.
    """
    dataset = splits.cut_missing(load_as_it_is(root, format, strict=strict), split_seed)
    if strict:
        _refuse_without_boxes(dataset)
    return dataset


def load_as_it_is(root: Path, format: str | None = None, *, strict: bool = True) -> Dataset:
    """The data set in this folder with its own splits, which may be one alone."""
    if format is not None and format not in READERS:
        raise DatasetError(f"format: expected one of {sorted(READERS)}, got '{format}'")
    folder = folders.walk(root)
    try:
        dataset = READERS[format or _detect(folder)].read(folder)
    except DatasetError as error:
        if strict:
            _refuse_broken(root, error.problems)
        raise
    if strict:
        _refuse_broken(root, dataset.problems)
    return _without_damaged(dataset)


def _without_damaged(dataset: Dataset) -> Dataset:
    """The data set without the pictures that cannot be decoded: found now, and not by every trial."""
    sound, found = looks.sound(dataset)
    problems = (*dataset.problems, *found, *assemble.similar_names(dataset.class_names))
    if all(len(sound[split]) == len(members) for split, members in dataset.splits.items()):
        return replace(dataset, splits=sound, problems=problems)
    return assemble.finish(dataset.root, dataset.format, dataset.class_names, sound, problems)


def _detect(folder: Folder) -> str:
    found = [name for name, reader in READERS.items() if reader.joins(folder)]
    if len(found) > 1:
        raise DatasetError(
            f"{folder.root}: expected labels of one format, got {' and '.join(found)} labels for its pictures: choose "
            "one with --format (`python -m data check DIR --format ...` tells what each would read)",
            folder.problems,
        )
    if found:
        return found[0]
    counts = ", ".join(f"{len(folder.of_kind(suffix))} {suffix}" for suffix in (".xml", ".json", ".txt"))
    known = yolo.undecided(folder) or coco.instead(folder) or foreign.in_words([*folder.others, *folder.strange])
    raise DatasetError(
        f"{folder.root}: expected labels that belong to its pictures, as .xml (Pascal VOC), .json (COCO) or .txt "
        f"(YOLO), got {len(folder.pictures)} pictures and none that does among {counts} files"
        + (f"; there is {known}" if known else ""),
        folder.problems,
    )


def _refuse_broken(root: Path, problems: tuple[Problem, ...]) -> None:
    broken = [problem for problem in problems if problem.kind in FATAL]
    if broken:
        more = f" ({len(broken) - 1} more; `python -m data check` lists them)" if len(broken) > 1 else ""
        raise DatasetError(f"{root / broken[0].file}: {broken[0].detail}{more}", problems)


def _refuse_without_boxes(dataset: Dataset) -> None:
    """Nothing can be learned from a split without boxes, and nothing scored on one."""
    for split, examples in dataset.splits.items():
        if not any(len(example.boxes) for example in examples):
            raise DatasetError(
                f"{dataset.root}: split '{split}': expected at least one box, got {len(examples)} pictures without any",
                dataset.problems,
            )
