"""Recognize splits in the names of folders, lists and settings: train, Validation, val2017, obj_Test_data."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath

NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "validate"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {name: split for split, names in NAMES.items() for name in names}

_CVAT = re.compile(r"obj_(.+)_data")  # the folder that CVAT makes for a subset
_WORD = re.compile(rf"({'|'.join(_SPLIT_OF)})(?:set|list|images|imgs)?(?:(?:19|20)\d\d)?")
# Words beside a split's name that are ignored: train_images, labels_val, autosplit_test, 2007_train.
_BESIDE = re.compile(r"annotations|autosplit|images?|imgs?|labels?|lists?|pictures|set|split|xmls?|(?:19|20)\d\d")


@cache
def split_from_name(name: str) -> str | None:
    """The split that a folder or list of this name (without suffix) holds; None if the name says none, or several.

    None as well if another word is beside it: "training_data" may be the name of the whole data set.
    """
    lowered = name.lower()
    if cvat := _CVAT.fullmatch(lowered):
        lowered = cvat[1]
    words = [word for word in re.split(r"[\W_]+", lowered) if word and not _BESIDE.fullmatch(word)]
    named = _WORD.fullmatch(words[0]) if len(words) == 1 else None
    return _SPLIT_OF[named[1]] if named else None


def split_from_key(key: object) -> str | None:
    """The split that a key in data.yaml or obj.data names, in any case; None for other keys."""
    return _SPLIT_OF.get(key.strip().lower()) if isinstance(key, str) else None


@cache
def split_of_folder(folder: PurePosixPath) -> str | None:
    """The split that a folder or one of its parents names, the innermost first; None if none does.

    runs/train/exp names none: tools write the output of a training there.
    """
    parts = folder.parts
    named = [split_from_name(part) for above, part in zip(("", *parts), parts, strict=False) if above.lower() != "runs"]
    return next((split for split in reversed(named) if split), None)


def split_from_words(stem: str) -> str | None:
    """The split that a word of a file's name names, the first that does: instances_val2017; None if none does."""
    return next((split for word in re.split(r"[\W_]+", stem) if (split := split_from_name(word))), None)


def compatible(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two folders name the same split, or at least one of them names none."""
    return len({split_of_folder(one), split_of_folder(other)} - {None}) < 2
