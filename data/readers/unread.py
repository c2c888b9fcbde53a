"""Report pictures of formats that are not read, such as telephones' HEIC, unless they were converted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from data.problems import Report
from data.readers import name_forms
from data.readers.name_matching import AnyFile

_WHAT_TO_DO = "convert them to JPEG or PNG"


def unconverted(unread: Iterable[AnyFile], pictures: Iterable[AnyFile]) -> list[AnyFile]:
    """The unread pictures that have no readable picture of the same name beside them, sorted by path."""
    candidates = sorted(unread, key=lambda file: file.relative_path.parts)
    converted = {_name(picture) for picture in pictures} if candidates else set()
    return [file for file in candidates if _name(file) not in converted]


def _name(file: AnyFile) -> tuple[PurePosixPath, str]:
    """(folder, stem without differences of spelling): converters write img_1.jpg or IMG_1.HEIC.jpg for IMG_1.HEIC."""
    return file.folder, name_forms.spelled(file.relative_path.stem)


def report_each(unread: Sequence[AnyFile], report: Report) -> None:
    """Report each picture, and how many have its format."""
    counts = Counter(file.relative_path.suffix for file in unread)
    for file in unread:
        suffix = file.relative_path.suffix
        detail = f"one of {counts[suffix]} {suffix} files, which are not read: {_WHAT_TO_DO}"
        report.add("unread_picture", file.relative_path, detail)


def describe_folder(unread: Sequence[AnyFile]) -> str:
    """In words, what a folder holds that has no readable picture."""
    if not unread:
        return "a folder without pictures"
    counts = Counter(file.relative_path.suffix for file in unread)
    listed = ", ".join(f"{count} {suffix}" for suffix, count in counts.items())
    return f"{listed} files alone, which are not read: {_WHAT_TO_DO}"
