"""Match the entries of COCO's JSON files with pictures, and find the split of each picture."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from data.problems import Report
from data.readers import coco_sets, leftovers, name_matching, ownership, unclear_splits
from data.readers.coco_file import CocoImage, ImageEntry
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.name_forms import LikeliestName
from data.readers.split_names import split_from_words, split_of_folder

# Path of a picture -> the picture, and the entries for it.
EntriesByPicture = dict[PurePosixPath, tuple[DatasetFile, list[ImageEntry]]]


def match_entries(folder: Folder, entries: Sequence[ImageEntry], report: Report) -> dict[str, EntriesByPicture]:
    """Split -> the pictures that have entries. Entries and pictures without a partner are reported."""
    splits: dict[str, EntriesByPicture] = {}
    unmatched: list[ImageEntry] = []
    unclear: dict[DatasetFile, dict[DatasetFile, None]] = {}
    for file, picture, entry in _matched(folder, entries):
        if picture is None:
            unmatched.append((file, entry))
        else:
            split = _split_of_file(file) or split_of_folder(picture.folder)
            if split is None:
                unclear.setdefault(file, {})[picture] = None
            members = splits.setdefault(split or "train", {})
            members.setdefault(picture.relative_path, (picture, []))[1].append((file, entry))
    unclear_splits.report_folders(
        dict.fromkeys(picture for pictures in unclear.values() for picture in pictures), report
    )
    unclear_splits.report_contradictions(dict.fromkeys(file for file, _ in entries), report)
    of_train = (file for file, _ in entries if _split_of_file(file) == "train")
    unclear_splits.report_files({file: len(pictures) for file, pictures in unclear.items()}, of_train, report)
    _report_unmatched(folder, splits, unmatched, report)
    return splits


def each_picture_in_one_split(splits: dict[str, EntriesByPicture], report: Report) -> dict[str, EntriesByPicture]:
    """Each picture in one split and under one name, with its entries of all splits; equal entries count once."""
    pictures = {split: [picture for picture, _ in members.values()] for split, members in splits.items()}
    boxed = {
        path
        for members in splits.values()
        for path, (_, entries) in members.items()
        if any(entry.boxes for _, entry in entries)
    }
    files_of = ownership.each_picture_in_one_split(pictures, lambda picture: picture.relative_path in boxed, report)
    return {
        split: {file.relative_path: (file, _entries_of(file, split, splits)) for file in files}
        for split, files in files_of.items()
    }


def _entries_of(picture: DatasetFile, split: str, splits: dict[str, EntriesByPicture]) -> list[ImageEntry]:
    """The picture's entries of this split, and those of other splits that differ from them."""

    def entries_in(name: str) -> list[ImageEntry]:
        return splits.get(name, {}).get(picture.relative_path, (picture, []))[1]

    entries = list(entries_in(split))
    for other in [name for name in splits if name != split]:
        entries += [
            new for new in entries_in(other) if not any(coco_sets.have_equal_boxes(new, old) for old in entries)
        ]
    return entries


def _matched(folder: Folder, entries: Sequence[ImageEntry]) -> list[tuple[DatasetFile, DatasetFile | None, CocoImage]]:
    """(JSON file, picture or None, entry) for each entry.

    An entry whose name is not exactly the picture's gets the picture only if no other entry of its file means it.
    """
    matched = [(file, _picture_of(folder, file, entry.file_name), entry) for file, entry in entries]
    exact = {
        (file.relative_path, picture.relative_path)
        for file, picture, entry in matched
        if picture and _has_name(picture, entry)
    }
    guesses = Counter(
        (file.relative_path, picture.relative_path)
        for file, picture, entry in matched
        if picture and not _has_name(picture, entry)
    )

    def is_taken(file: DatasetFile, picture: DatasetFile, entry: CocoImage) -> bool:
        claim = (file.relative_path, picture.relative_path)
        return not _has_name(picture, entry) and (claim in exact or guesses[claim] > 1)

    return [(f, None if picture and is_taken(f, picture, entry) else picture, entry) for f, picture, entry in matched]


def _has_name(picture: DatasetFile, entry: CocoImage) -> bool:
    return name_matching.parts(entry.file_name)[-1:] == [picture.name]


def _picture_of(folder: Folder, file: DatasetFile, name: str) -> DatasetFile | None:
    split = _split_of_file(file)
    return folder.find_listed(name, file.folder, split) if split else folder.find_picture(name, file.folder)


def _split_of_file(file: DatasetFile) -> str | None:
    return split_from_words(file.stem) or split_of_folder(file.folder)


def _report_unmatched(
    folder: Folder, splits: dict[str, EntriesByPicture], unmatched: Sequence[ImageEntry], report: Report
) -> None:
    """Report entries without a picture and pictures without an entry, with the likeliest partners."""
    named = {picture.resolved_path for members in splits.values() for picture, _ in members.values()}
    unlisted = [picture for picture in folder.pictures if picture.resolved_path not in named]
    likeliest = LikeliestName(picture.relative_path for picture in unlisted)
    for file, entry in unmatched:
        candidates = folder.candidates(entry.file_name)
        if not candidates and folder.means_unread(entry.file_name):
            continue
        nearest = likeliest.to((name_matching.parts(entry.file_name) or [""])[-1])
        what = (
            f"fits {' and '.join(str(picture.relative_path) for picture in candidates[:3])} equally well"
            if len(candidates) > 1
            else f"{candidates[0].relative_path} belongs to another entry"
            if candidates
            else f"no picture of this name{leftovers.likeliest_in_words(nearest)}"
        )
        report.add("missing_picture", file.relative_path, f"'{entry.file_name[:80]}': {what}; skipped")
    entries = LikeliestName(
        PurePosixPath((name_matching.parts(entry.file_name) or ["."])[-1]) for _, entry in unmatched
    )
    for picture in unlisted:
        detail = f"in no JSON file{leftovers.likeliest_in_words(entries.to(picture.stem))}; not used"
        report.add("unlisted_picture", picture.relative_path, detail)
