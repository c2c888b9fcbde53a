"""Keep each picture in one split and under one name, so that no picture is both trained on and scored."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from data.dataset import SPLITS, Problem
from data.problems import Report
from data.readers.dataset_file import DatasetFile

_SAME_SHARE = 0.9  # two splits that share this much of the larger one are the same split under two names


def _in_two_splits(split: str, first: str, picture: DatasetFile) -> Problem:
    return Problem("in_two_splits", str(picture.relative_path), f"in {split} and {first}; left in {first}")


def each_picture_in_one_split(
    pictures_of: Mapping[str, Iterable[DatasetFile]],
    is_labelled: Callable[[DatasetFile], bool],
    report: Report,
    *,
    source: str = "",
    in_two: Callable[[str, str, DatasetFile], Problem] = _in_two_splits,
) -> dict[str, list[DatasetFile]]:
    """Split -> the pictures that stay in it; pictures that are removed are reported.

    A picture in several splits stays in the one that is scored last. Two splits with the same pictures count as one:
    train keeps them, or else test, and the other split is missing, so that it is cut from train. A split whose pictures
    are all in larger splits keeps them. source: the file that names the splits, for the problems.
    """
    splits = {split: list(pictures_of[split]) for split in SPLITS if pictures_of.get(split)}
    for keeper, other in (("train", "val"), ("train", "test"), ("test", "val")):
        if keeper in splits and other in splits and _are_same(splits[keeper], splits[other]):
            splits[keeper] += splits.pop(other)
            report.include(_same(keeper, other, len(_originals(splits[keeper])), source))
    owner: dict[Path, str] = {}
    remaining: dict[str, list[DatasetFile]] = {}
    for split in _order(splits):
        for picture in splits.get(split, ()):
            first = owner.setdefault(picture.resolved_path, split)
            if first == split:
                remaining.setdefault(split, []).append(picture)
            else:
                report.include(in_two(split, first, picture))
    for split in [split for split in splits if split not in remaining]:
        report.add("same_pictures", source, f"{split} has no picture of its own: it is cut from train")
    return {split: each_file_once(remaining[split], is_labelled, report) for split in SPLITS if split in remaining}


def _order(splits: Mapping[str, Iterable[DatasetFile]]) -> list[str]:
    """The splits in the order in which they keep pictures: those scored last first, if that leaves none empty."""
    train, val, test = (_originals(splits.get(split, ())) for split in SPLITS)
    scored = ["val", "test"] if val <= test else ["test", "val"]
    return ["train", *scored] if train <= val | test else [*scored, "train"]


def _are_same(one: Iterable[DatasetFile], other: Iterable[DatasetFile]) -> bool:
    a, b = _originals(one), _originals(other)
    return len(a & b) >= _SAME_SHARE * max(len(a), len(b))


def _same(keeper: str, other: str, count: int, source: str) -> Problem:
    detail = f"{keeper} and {other} are the same {count} pictures: read as {keeper}; {other} is cut from train"
    return Problem("same_pictures", source, detail)


def _originals(pictures: Iterable[DatasetFile]) -> set[Path]:
    """The files behind the pictures: two links to one file are one picture."""
    return {picture.resolved_path for picture in pictures}


def without_unlabelled_test(
    pictures_of: Mapping[str, Sequence[DatasetFile]],
    is_labelled: Callable[[DatasetFile], bool],
    report: Report,
) -> dict[str, Sequence[DatasetFile]]:
    """The splits, without a test split that has no labels, as challenges publish it; that is reported."""
    test = pictures_of.get("test")
    if not test or any(map(is_labelled, test)):
        return dict(pictures_of)
    folder = Path(os.path.commonpath([picture.folder for picture in test])).as_posix()
    report.add("missing_split", folder, f"test: {len(test)} pictures and no label: not used")
    return {split: pictures for split, pictures in pictures_of.items() if split != "test"}


def each_file_once(
    pictures: Iterable[DatasetFile], is_labelled: Callable[[DatasetFile], bool], report: Report
) -> list[DatasetFile]:
    """The pictures of one split, each file once; its other names (links) are reported.

    A file with several names is kept under the first that has a label, or else the first.
    """
    names: dict[Path, dict[PurePosixPath, DatasetFile]] = {}
    for picture in pictures:
        names.setdefault(picture.resolved_path, {})[picture.relative_path] = picture
    pictures_once = []
    for links in names.values():
        first = next(iter(links.values()))
        chosen = next(filter(is_labelled, links.values()), first) if len(links) > 1 else first
        pictures_once.append(chosen)
        for other in [path for path in links if path != chosen.relative_path]:
            report.add("repeated_link", other, f"another name of {chosen.relative_path}; not used")
    return pictures_once
