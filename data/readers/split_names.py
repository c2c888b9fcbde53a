"""What splits are called in the names of folders, lists and settings: train, Validation, val2017, obj_Test_data."""

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

_CVAT = re.compile(r"obj_(.+)_data")  # the folder of a subset, whatever it is called
_WORD = re.compile(rf"({'|'.join(_SPLIT_OF)})(?:set|list|images|imgs)?(?:(?:19|20)\d\d)?")
# Words beside a split's name that say nothing of a split: train_images, labels_val, autosplit_test, 2007_train.
_BESIDE = re.compile(r"annotations|autosplit|images?|imgs?|labels?|lists?|pictures|set|split|xmls?|(?:19|20)\d\d")


@cache
def split_called(name: str) -> str | None:
    """The split that a folder, or a list without its suffix, of this name holds; None if it names none, or more.

    "training_data" is none: the whole data set may be called so.
    """
    lowered = name.lower()
    if cvat := _CVAT.fullmatch(lowered):
        lowered = cvat[1]
    words = [word for word in re.split(r"[\W_]+", lowered) if word and not _BESIDE.fullmatch(word)]
    named = _WORD.fullmatch(words[0]) if len(words) == 1 else None
    return _SPLIT_OF[named[1]] if named else None


def split_of_key(key: object) -> str | None:
    """The split that a key of the settings is the name of, in any case; None for other keys."""
    return _SPLIT_OF.get(key.strip().lower()) if isinstance(key, str) else None


@cache
def split_of(folder: PurePosixPath) -> str | None:
    """The split that a folder names, or else one on the way to it, the innermost first; None if none does.

    In runs/train/exp a tool has its output of a training, and no split.
    """
    parts = folder.parts
    called = (split_called(part) for above, part in zip(("", *parts), parts, strict=False) if above.lower() != "runs")
    return next((split for split in reversed(list(called)) if split), None)


def split_named(stem: str) -> str | None:
    """The split that one word of a file's name is, as in instances_val2017; None if none is."""
    return next((split for word in re.split(r"[\W_]+", stem) if (split := split_called(word))), None)


def compatible(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two folders do not speak of different splits."""
    return len({split_of(one), split_of(other)} - {None}) < 2
