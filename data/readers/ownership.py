"""Each picture once: in the split that is scored last, so that nothing scored was trained on, and under one name."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from data.dataset import SPLITS, Problem
from data.readers.files import File

_SAME_SHARE = 0.9  # of the larger of two splits: with so many pictures in common they are one, named twice


def _in_two_splits(split: str, first: str, picture: File) -> Problem:
    return Problem("in_two_splits", str(picture.place), f"in {split} and {first}; left in {first}")


def each_once(
    found: Mapping[str, Iterable[File]],
    is_labelled: Callable[[File], bool],
    problems: list[Problem],
    *,
    source: str = "",
    in_two: Callable[[str, str, File], Problem] = _in_two_splits,
) -> dict[str, list[File]]:
    """Split -> the pictures that stay in it; those that do not join the problems.

    Two splits of the same pictures are one: train keeps them, or else test, and the other is none, so that it is cut
    from train. A split whose pictures are all in others that have more keeps them. source: the file that names the
    splits.
    """
    splits = {split: list(found[split]) for split in SPLITS if found.get(split)}
    for keeper, other in (("train", "val"), ("train", "test"), ("test", "val")):
        if keeper in splits and other in splits and _are_same(splits[keeper], splits[other]):
            splits[keeper] += splits.pop(other)
            problems.append(_same(keeper, other, len(_originals(splits[keeper])), source))
    owner: dict[Path, str] = {}
    kept: dict[str, list[File]] = {}
    for split in _order(splits):
        for picture in splits.get(split, ()):
            first = owner.setdefault(picture.original, split)
            if first == split:
                kept.setdefault(split, []).append(picture)
            else:
                problems.append(in_two(split, first, picture))
    problems += [
        Problem("same_pictures", source, f"{split} has no picture of its own: it is cut from train")
        for split in splits
        if split not in kept
    ]
    return {split: under_one_name(kept[split], is_labelled, problems) for split in SPLITS if split in kept}


def _order(splits: Mapping[str, Iterable[File]]) -> list[str]:
    """Which split is served first: the one scored last, unless an earlier one would be left with nothing."""
    train, val, test = (_originals(splits.get(split, ())) for split in SPLITS)
    scored = ["val", "test"] if val <= test else ["test", "val"]
    return ["train", *scored] if train <= val | test else [*scored, "train"]


def _are_same(one: Iterable[File], other: Iterable[File]) -> bool:
    a, b = _originals(one), _originals(other)
    return len(a & b) >= _SAME_SHARE * max(len(a), len(b))


def _same(keeper: str, other: str, count: int, source: str) -> Problem:
    detail = f"{keeper} and {other} are the same {count} pictures: read as {keeper}; {other} is cut from train"
    return Problem("same_pictures", source, detail)


def _originals(pictures: Iterable[File]) -> set[Path]:
    """Two links to one file are one picture, wherever they lie."""
    return {picture.original for picture in pictures}


def without_bare_test(
    found: Mapping[str, Sequence[File]], is_labelled: Callable[[File], bool], problems: list[Problem]
) -> dict[str, Sequence[File]]:
    """The splits but for a test set without any label, as organizers of challenges publish it; that is told."""
    test = found.get("test")
    if not test or any(map(is_labelled, test)):
        return dict(found)
    folder = Path(os.path.commonpath([picture.folder for picture in test])).as_posix()
    problems.append(Problem("missing_split", folder, f"test: {len(test)} pictures and no label: not used"))
    return {split: pictures for split, pictures in found.items() if split != "test"}


def under_one_name(
    pictures: Iterable[File], is_labelled: Callable[[File], bool], problems: list[Problem]
) -> list[File]:
    """The pictures of one split, each file once; its other names join the problems.

    Of several names it is the first that has labels, or else the first. A picture read twice would count twice.
    """
    names: dict[Path, dict[PurePosixPath, File]] = {}
    for picture in pictures:
        names.setdefault(picture.original, {})[picture.place] = picture
    kept = []
    for same in names.values():
        first = next(iter(same.values()))
        chosen = next(filter(is_labelled, same.values()), first) if len(same) > 1 else first
        kept.append(chosen)
        for place in [place for place in same if place != chosen.place]:
            problems.append(Problem("repeated_link", str(place), f"another name of {chosen.place}; not used"))
    return kept
