"""Each picture in one split: the one that is scored last, so that nothing scored was trained on."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from data.example import SPLITS, Problem
from data.readers.folder import File


def owners(found: Mapping[str, Iterable[File]]) -> dict[Path, str]:
    """A picture's original -> its split. Two links to one file are one picture, wherever they lie."""
    owner: dict[Path, str] = {}
    for split in reversed(SPLITS):
        for picture in found.get(split, ()):
            owner.setdefault(picture.original, split)
    return owner


def each_once(found: Mapping[str, Iterable[File]], problems: list[Problem]) -> dict[str, list[File]]:
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
    return {split: kept[split] for split in SPLITS if split in kept}
