"""Read a folder into a Dataset with all three splits: detect the format, read it, cut the missing splits."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from data.dataset import SPLITS, Dataset, DatasetError, Problem
from data.pictures import looks
from data.problems import FATAL, Report
from data.readers import coco, dataset_builder, foreign, voc, walking, yolo
from data.readers.folder import Folder
from data.sets import splits


@dataclass(frozen=True)
class Reader:
    """How a format is read.

    recognizes: whether the folder has labels of this format for its pictures. read: the data set with those of its
    splits that are needed; the others are only named. describe_unjoined: in words, a label without a picture, if no
    label of the format has one.
    """

    recognizes: Callable[[Folder], bool]
    read: Callable[[Folder, Collection[str]], Dataset]
    describe_unjoined: Callable[[Folder], str | None]


READERS: Mapping[str, Reader] = {
    "coco": Reader(coco.recognizes, coco.read, coco.describe_unjoined),
    "voc": Reader(voc.recognizes, voc.read, voc.describe_unjoined),
    "yolo": Reader(yolo.recognizes, yolo.read, yolo.describe_unjoined),
}


def detect(root: Path) -> str:
    """The format of the data set in this folder: "coco", "voc" or "yolo"."""
    return _detect(walking.walk(root))


def load(root: Path, format: str | None = None, *, split_seed: int = 0, strict: bool = True) -> Dataset:
    """The data set in this folder, with train, val and test.

    A broken annotation is an error if strict, and otherwise a problem. So is a missing train split, from which others
    could be cut. Each split that was cut is noted in the problems.
    """
    dataset = load_own_splits(root, format, strict=strict)
    if not strict and "train" not in dataset.splits:
        detail = f"no train split, only {', '.join(dataset.splits)}: usable for evaluation alone"
        return replace(dataset, problems=(*dataset.problems, Problem("missing_split", "", detail)))
    dataset = splits.cut_missing(dataset, split_seed)
    if strict:
        _refuse_without_boxes(dataset)
    return dataset


def load_own_splits(
    root: Path, format: str | None = None, *, strict: bool = True, needed: Collection[str] = SPLITS
) -> Dataset:
    """The data set in this folder with the splits that it has; none is cut.

    needed: the splits whose pictures and labels are read. Problems of other splits are no errors.
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
    """The data set without the pictures that cannot be decoded, so that no trial meets them."""
    intact, findings = looks.without_damaged_pictures(dataset)
    report = Report((*dataset.problems, *findings, *dataset_builder.similar_names(dataset.class_names)))
    if all(len(intact[split]) == len(members) for split, members in dataset.splits.items()):
        return replace(dataset, splits=intact, problems=tuple(report.problems))
    return dataset_builder.finish(
        dataset.root, dataset.format, dataset.class_names, intact, report, dataset.unread_splits
    )


def load_split(root: Path, split: str, format: str | None = None) -> Dataset:
    """The data set in this folder with at least this split; broken annotations are problems, not errors.

    Missing splits are cut from train, as `load` does, if `split` is one of them or is train itself. A train split with
    too few pictures stays whole. DatasetError if there is neither the split nor a train split to cut it from.
    """
    dataset = load_own_splits(root, format, strict=False, needed=(split,))
    own = (*dataset.splits, *dataset.unread_splits)
    if split != "train" and split in own:
        return dataset
    if "train" not in own:
        cut = "" if split == "train" else ", or 'train' to cut it from"
        raise DatasetError(f"{root}: expected a split '{split}'{cut}, found only {list(own)}", dataset.problems)
    if split != "train":
        dataset = load_own_splits(root, format, strict=False, needed=("train",))
    elif not splits.can_cut(dataset):
        return dataset
    return splits.cut_missing(dataset, seed=0)


def _detect(folder: Folder) -> str:
    formats = [name for name, reader in READERS.items() if reader.recognizes(folder)]
    if len(formats) > 1:
        raise DatasetError(
            f"{folder.root}: expected labels of one format, got {' and '.join(formats)} labels for its pictures: "
            "choose one with --format (`python -m data check DIR --format ...` shows what each would read)",
            folder.problems,
        )
    if formats:
        return formats[0]
    counts = ", ".join(f"{len(folder.with_suffixes(suffix))} {suffix}" for suffix in (".xml", ".json", ".txt"))
    known = coco.describe_file_without_boxes(folder) or foreign.describe_first(
        [*folder.other_files, *folder.foreign_files]
    )
    known = f"there is {known}" if known else _describe_unjoined(folder)
    raise DatasetError(
        f"{folder.root}: expected labels of its pictures, as .xml (Pascal VOC), .json (COCO) or .txt (YOLO), got none "
        f"for {len(folder.pictures)} pictures among {counts} files" + (f"; {known}" if known else ""),
        folder.problems,
    )


def _describe_unjoined(folder: Folder) -> str | None:
    """In words, a label without a picture, with the likeliest one; None if there is no label at all."""
    described = (reader.describe_unjoined(folder) for reader in READERS.values())
    return next(filter(None, described), None)


def _refuse_broken(root: Path, problems: tuple[Problem, ...]) -> None:
    broken = [problem for problem in problems if problem.kind in FATAL]
    if broken:
        more = f" ({len(broken) - 1} more; `python -m data check` lists them)" if len(broken) > 1 else ""
        raise DatasetError(f"{root / broken[0].file}: {broken[0].detail}{more}", problems)


def _refuse_without_boxes(dataset: Dataset) -> None:
    """DatasetError for a split without boxes: it can neither be learned from nor scored on."""
    for split, examples in dataset.splits.items():
        if not any(len(example.boxes) for example in examples):
            raise DatasetError(
                f"{dataset.root}: split '{split}': expected at least one box, got {len(examples)} pictures without any",
                dataset.problems,
            )
