"""What all writers share: file names that every format can hold, copies of pictures, the check of class names."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from data.dataset import Dataset, Example

NamedExamples = list[tuple[str, Example]]


def unique_names(examples: Sequence[Example], taken: set[str] | None = None) -> NamedExamples:
    """(file name, example) for each example: stems made unique, characters that a list or XML cannot hold replaced.

    taken: case-folded stems that are in use; the new ones are added. (Labels are named by the stem, and some file
    systems ignore case.)
    """
    taken = set() if taken is None else taken
    named = []
    numbers: dict[str, int] = {}  # stem -> the number to try next
    for example in examples:
        stem, suffix = _clean(example.path.stem) or "_", _clean(example.path.suffix)
        free = stem
        while free.casefold() in taken:
            number = numbers.get(stem, 2)
            free, numbers[stem] = f"{stem}_{number}", number + 1
        taken.add(free.casefold())
        named.append((free + suffix, example))
    return named


def copy_picture(example: Example, folder: Path, name: str) -> None:
    """Copy the picture's file, unchanged, into this folder."""
    shutil.copyfile(example.path, folder / name)


def require_printable(dataset: Dataset) -> None:
    """ValueError for a class name with line breaks or other control characters, which label files cannot hold."""
    for name in dataset.class_names:
        if not name.isprintable():
            raise ValueError(f"{dataset.root}: class {name!r}: expected a name without control characters")


def _clean(text: str) -> str:
    """The text without control characters and bytes that are no text (file names may hold any bytes)."""
    printable = "".join(sign if sign.isprintable() and sign not in "\\:" else "_" for sign in text)
    return printable.strip()
