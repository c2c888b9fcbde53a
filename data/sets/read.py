"""A folder on disk -> a Dataset with all three splits: find the format, read, cut the splits that are missing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from data.dataset import SPLITS, Dataset, DatasetError, Problem
from data.pictures import looks
from data.problems import FATAL
from data.readers import coco, dataset_builder, foreign, voc, walking, yolo
from data.readers.folder import Folder
from data.sets import splits


@dataclass(frozen=True)
class Reader:
    """joins: whether one of the format's labels belongs to one of the folder's pictures.

    read: the data set with the splits that are needed of those that it has; the others are only named.
    """

    joins: Callable[[Folder], bool]
    read: Callable[[Folder, Collection[str]], Dataset]


READERS: Mapping[str, Reader] = {
    "coco": Reader(coco.joins, coco.read),
    "voc": Reader(voc.joins, voc.read),
    "yolo": Reader(yolo.joins, yolo.read),
}


def detect(root: Path) -> str:
    """The format of the data set in this folder: "coco", "voc" or "yolo"."""
    return _detect(walking.walk(root))


def load(root: Path, format: str | None = None, *, split_seed: int = 0, strict: bool = True) -> Dataset:
    """The data set in this folder, with train, val and test.

    A broken annotation is an error when strict, and otherwise one of the problems. So is a missing train split, of
    which others could be cut. A cut split is a note among the problems.
    """
    dataset = load_as_it_is(root, format, strict=strict)
    if not strict and "train" not in dataset.splits:
        detail = f"no train split, only {', '.join(dataset.splits)}: of use for evaluation alone"
        return replace(dataset, problems=(*dataset.problems, Problem("missing_split", "", detail)))
    dataset = splits.cut_missing(dataset, split_seed)
    if strict:
        _refuse_without_boxes(dataset)
    return dataset


def load_as_it_is(
    root: Path, format: str | None = None, *, strict: bool = True, needed: Collection[str] = SPLITS
) -> Dataset:
    """The data set in this folder with its own splits, which may be one alone.

    needed: the splits whose pictures and labels are read. What is wrong with the others is no error.
    """
    if format is not None and format not in READERS:
        raise DatasetError(f"format: expected one of {sorted(READERS)}, got '{format}'")
    folder = walking.walk(root)
    try:
        dataset = READERS[format or _detect(folder)].read(folder, needed)
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
    problems = (*dataset.problems, *found, *dataset_builder.similar_names(dataset.class_names))
    if all(len(sound[split]) == len(members) for split, members in dataset.splits.items()):
        return replace(dataset, splits=sound, problems=problems)
    return dataset_builder.finish(
        dataset.root, dataset.format, dataset.class_names, sound, problems, dataset.unread_splits
    )


def load_split(root: Path, split: str, format: str | None = None, *, split_seed: int = 0) -> Dataset:
    """The data set in this folder with this split, whatever becomes of its others; problems are told, not raised.

    A val or test that the data set lacks is cut from train, as `load` cuts it. So is train what is left then, unless it
    has too few pictures to be cut. DatasetError if there is neither the split nor a train to cut it from.
    """
    dataset = load_as_it_is(root, format, strict=False, needed=(split,))
    own = (*dataset.splits, *dataset.unread_splits)
    if split != "train" and split in own:
        return dataset
    if "train" not in own:
        cut = "" if split == "train" else ", or 'train' to cut it from"
        raise DatasetError(f"{root}: expected a split '{split}'{cut}, found only {list(own)}", dataset.problems)
    if split != "train":
        dataset = load_as_it_is(root, format, strict=False, needed=("train",))
    elif not splits.can_cut(dataset):
        return dataset
    return splits.cut_missing(dataset, split_seed)


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
    known = coco.instead(folder) or foreign.in_words([*folder.others, *folder.strange])
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
