"""What all writers share: names that every format can hold, copied pictures, checked class names."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from data.dataset import Dataset, Example

Named = list[tuple[str, Example]]


def unique_names(examples: Sequence[Example], taken: set[str] | None = None) -> Named:
    """(file name, example): as it was, but with a stem of its own and nothing that a list or XML cannot hold.

    taken: stems in lower case that are in use; grows. Labels go by the stem, and some file systems by lower case.
    """
    taken = set() if taken is None else taken
    named = []
    numbers: dict[str, int] = {}  # the next one to try of a stem
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
    """The picture's bytes, unchanged, in this folder."""
    shutil.copyfile(example.path, folder / name)


def require_printable(dataset: Dataset) -> None:
    """ValueError for a class name of several lines or with control characters: labels could not hold it."""
    for name in dataset.class_names:
        if not name.isprintable():
            raise ValueError(f"{dataset.root}: class {name!r}: expected a name without control characters")


def _clean(text: str) -> str:
    """Without control characters and what no encoding can spell (file names may hold any bytes)."""
    printable = "".join(sign if sign.isprintable() and sign not in "\\:" else "_" for sign in text)
    return printable.strip()
