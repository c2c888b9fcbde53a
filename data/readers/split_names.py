"""What splits are called in the names of folders and files: train, valid, val2017 and so on."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

FOLDER_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "train2017", "train2014", "obj_train_data"),
    "val": ("val", "valid", "validation", "val2017", "val2014", "obj_valid_data"),
    "test": ("test", "testing", "test2017", "obj_test_data"),
}
_SPLIT_OF = {name: split for split, names in FOLDER_NAMES.items() for name in names}


def split_of(place: PurePosixPath) -> str | None:
    """The split that a folder on the way names, the innermost first; None where none does."""
    return next((_SPLIT_OF[part.lower()] for part in reversed(place.parent.parts) if part.lower() in _SPLIT_OF), None)


def split_named(stem: str) -> str | None:
    """The split that one word of a file's name is, as in instances_val2017; None where none is."""
    words = re.split(r"[^0-9a-z]+", stem.lower())
    return next((_SPLIT_OF[word] for word in words if word in _SPLIT_OF), None)
