"""Pictures of formats that are not read, such as telephones' HEIC: which ones were not converted, and what to do."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from data.dataset import Problem
from data.readers import name_forms
from data.readers.name_matching import Placed

_WHAT_TO_DO = "convert them to JPEG or PNG"


def unconverted(unread: Iterable[Placed], pictures: Iterable[Placed]) -> list[Placed]:
    """The unread pictures without a picture of the same name beside them that is read; by place."""
    left = sorted(unread, key=lambda file: file.place.parts)
    converted = {_name(picture) for picture in pictures} if left else set()
    return [file for file in left if _name(file) not in converted]


def _name(file: Placed) -> tuple[PurePosixPath, str]:
    """Its folder and its stem, in any spelling: converters write img_1.jpg or IMG_1.HEIC.jpg for IMG_1.HEIC."""
    return file.folder, name_forms.spelled(file.place.stem)


def problems(unread: Sequence[Placed]) -> list[Problem]:
    """One problem for each picture, with the number of those of its format."""
    counts = Counter(file.place.suffix for file in unread)
    detail = "one of {} {} files, which are not read: " + _WHAT_TO_DO
    return [
        Problem("unread_picture", str(file.place), detail.format(counts[file.place.suffix], file.place.suffix))
        for file in unread
    ]


def in_words(unread: Sequence[Placed]) -> str:
    """What a folder holds that has no picture that is read."""
    if not unread:
        return "a folder without pictures"
    counts = Counter(file.place.suffix for file in unread)
    found = ", ".join(f"{count} {suffix}" for suffix, count in counts.items())
    return f"{found} files alone, which are not read: {_WHAT_TO_DO}"
