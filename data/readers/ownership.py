"""Each picture once: in the split that is scored last, so that nothing scored was trained on, and under one name."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from data.example import SPLITS, Problem
from data.readers.folder import File


def owners(found: Mapping[str, Iterable[File]]) -> dict[Path, str]:
    """A picture's original -> its split. Two links to one file are one picture, wherever they lie."""
    owner: dict[Path, str] = {}
    for split in reversed(SPLITS):
        for picture in found.get(split, ()):
            owner.setdefault(picture.original, split)
    return owner


def each_once(
    found: Mapping[str, Iterable[File]], is_labelled: Callable[[File], bool], problems: list[Problem]
) -> dict[str, list[File]]:
    """Split -> the pictures that stay in it; those that do not join the problems."""
    owner = owners(found)
    kept: dict[str, list[File]] = {}
    for split in reversed(SPLITS):
        for picture in found.get(split, ()):
            first = owner[picture.original]
            if first == split:
                kept.setdefault(split, []).append(picture)
            else:
                problems.append(
                    Problem("in_two_splits", str(picture.place), f"in {split} and {first}; left in {first}")
                )
    return {split: under_one_name(kept[split], is_labelled, problems) for split in SPLITS if split in kept}


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
