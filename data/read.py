"""A folder on disk -> a Dataset with all three splits: find the format, read, cut the splits that are missing."""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

from data import chance
from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.pictures import is_picture
from data.readers import voc, yolo

READERS: Mapping[str, Callable[[Path], Dataset]] = {"voc": voc.read, "yolo": yolo.read}

# What a search does not train on: someone meant these labels and pictures, and not what would be left of them.
FATAL = frozenset(
    {"broken_annotation", "malformed_line", "malformed_box", "polygon", "class_out_of_range", "truncated_picture"}
)

_LOOK_AT_MOST = 20_000  # files, in search of a picture
_CUT_SHARE = 0.15  # of the training pictures, for each missing split


def detect(root: Path) -> str:
    """The format of the data set in this folder: "voc" or "yolo"."""
    if not root.is_dir():
        what = "a file" if root.exists() else "nothing there"
        raise DatasetError(f"{root}: expected the folder of a data set, got {what}")
    found = []
    if (root / voc.ANNOTATIONS).is_dir():
        found.append("voc")
    if yolo.config_file(root) is not None:
        found.append("yolo")
    if len(found) > 1:
        raise DatasetError(
            f"{root}: expected one format, found marks of {' and '.join(found)}: point to a folder that holds one "
            "(`python -m data check DIR --format ...` tells what each would read)"
        )
    if found:
        return found[0]
    # Not the whole disk, when someone names a folder far too high up.
    if not any(is_picture(path) for path in islice(root.rglob("*"), _LOOK_AT_MOST)):
        raise DatasetError(f"{root}: expected a data set, got a folder without pictures")
    raise DatasetError(
        f"{root}: expected Annotations and JPEGImages (Pascal VOC) or data.yaml (YOLO), got pictures without either"
    )


def load(root: Path, format: str | None = None, *, split_seed: int = 0, strict: bool = True) -> Dataset:
    """The data set in this folder, with train, val and test.

    A broken annotation is an error when strict, and otherwise one of the problems. A cut split is a note among them.
    """
    if format is not None and format not in READERS:
        raise DatasetError(f"format: expected one of {sorted(READERS)}, got '{format}'")
    detected = detect(root) if format is None or not root.is_dir() else format
    try:
        dataset = READERS[detected](root)
    except DatasetError as error:
        if strict:
            _refuse_broken(root, error.problems)
        raise
    if strict:
        _refuse_broken(root, dataset.problems)
    dataset = _cut_missing(dataset, split_seed)
    if strict:
        _refuse_without_boxes(dataset)
    return dataset


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


def _cut_missing(dataset: Dataset, seed: int) -> Dataset:
    """Missing val and test splits are cut from train, by seed."""
    missing = [split for split in ("test", "val") if split not in dataset.splits]
    if not missing:
        return dataset
    if "train" not in dataset.splits:
        raise DatasetError(
            f"{dataset.root}: expected a train split, found only {list(dataset.splits)}", dataset.problems
        )
    train = dataset.splits["train"]
    if len(train) <= len(missing):
        raise DatasetError(
            f"{dataset.root}: expected more than {len(missing)} training pictures to cut {' and '.join(missing)} from, "
            f"got {len(train)}",
            dataset.problems,
        )
    count = max(1, round(len(train) * _CUT_SHARE)) if len(train) > 2 * len(missing) else 1
    order = chance.generator(chance.Stream.SPLIT, seed).permutation(len(train)).tolist()
    splits: dict[str, tuple[Example, ...]] = dict(dataset.splits)
    parts = {split: order[place * count : (place + 1) * count] for place, split in enumerate(missing)}
    parts["train"] = order[len(missing) * count :]
    _share_boxes(list(parts.values()), {index for index in order if len(train[index].boxes)})
    for split, chosen in parts.items():
        splits[split] = tuple(train[index] for index in sorted(chosen))
    notes = [
        Problem("split_cut", "", f"no {split} split: {count} of {len(train)} training pictures, by seed {seed}")
        for split in missing
    ]
    return Dataset(
        root=dataset.root,
        format=dataset.format,
        class_names=dataset.class_names,
        splits={split: splits[split] for split in SPLITS},
        problems=(*dataset.problems, *notes),
        fingerprint=dataset.fingerprint,
    )


def _share_boxes(parts: list[list[int]], boxed: set[int]) -> None:
    """Where chance left a part without any of the boxed pictures, exchange one with the part that has the most."""
    for part in parts:
        if boxed.isdisjoint(part):
            giver = max(parts, key=lambda other: len(boxed.intersection(other)))
            if len(boxed.intersection(giver)) > 1:
                place = next(place for place, index in enumerate(giver) if index in boxed)
                part[0], giver[place] = giver[place], part[0]
