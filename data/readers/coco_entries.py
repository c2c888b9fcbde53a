"""Which pictures the entries of COCO's JSON files mean, and in which split each picture is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from data.dataset import Problem
from data.readers import coco_sets, leftovers, name_matching, ownership
from data.readers.coco_file import Entry, Picture
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.name_forms import Likeliest
from data.readers.split_names import split_named, split_of

Members = dict[PurePosixPath, tuple[File, list[Entry]]]  # place of a picture -> the picture, and its entries


def join(folder: Folder, entries: Sequence[Entry], problems: list[Problem]) -> dict[str, Members]:
    """Split -> the pictures that are meant. Entries without a picture, and pictures without an entry, are problems."""
    found: dict[str, Members] = {}
    without: list[Entry] = []
    for file, picture, entry in _joined(folder, entries):
        if picture is None:
            without.append((file, entry))
        else:
            split = _split_of_file(file) or split_of(picture.folder) or "train"
            found.setdefault(split, {}).setdefault(picture.place, (picture, []))[1].append((file, entry))
    _name_unjoined(folder, found, without, problems)
    return found


def each_once(found: dict[str, Members], problems: list[Problem]) -> dict[str, Members]:
    """Each picture in one split, under one name, with what the files of all splits say of it; nothing twice."""
    pictures = {split: [picture for picture, _ in members.values()] for split, members in found.items()}
    boxed = {
        place
        for members in found.values()
        for place, (_, entries) in members.items()
        if any(entry.boxes for _, entry in entries)
    }
    owned = ownership.each_once(pictures, lambda picture: picture.place in boxed, problems)
    return {
        split: {file.place: (file, _said_of(file, split, found)) for file in files} for split, files in owned.items()
    }


def _said_of(picture: File, split: str, found: dict[str, Members]) -> list[Entry]:
    """What the files of this split say of the picture, and what those of other splits say differently."""

    def entries_in(each: str) -> list[Entry]:
        return found.get(each, {}).get(picture.place, (picture, []))[1]

    said = list(entries_in(split))
    for other in [each for each in found if each != split]:
        said += [entry for entry in entries_in(other) if not any(coco_sets.are_alike(entry, one) for one in said)]
    return said


def _joined(folder: Folder, entries: Sequence[Entry]) -> list[tuple[File, File | None, Picture]]:
    """(label file, picture or None, entry). A name that is found in another form alone is given up for a better one.

    An entry takes such a picture only if no other entry of its file means it.
    """
    joined = [(file, _picture_of(folder, file, entry.file_name), entry) for file, entry in entries]
    exact = {(file.place, picture.place) for file, picture, entry in joined if picture and _is_called(picture, entry)}
    guesses = Counter(
        (file.place, picture.place) for file, picture, entry in joined if picture and not _is_called(picture, entry)
    )

    def is_taken(file: File, picture: File, entry: Picture) -> bool:
        claim = (file.place, picture.place)
        return not _is_called(picture, entry) and (claim in exact or guesses[claim] > 1)

    return [(f, None if picture and is_taken(f, picture, entry) else picture, entry) for f, picture, entry in joined]


def _is_called(picture: File, entry: Picture) -> bool:
    return name_matching.parts(entry.file_name)[-1:] == [picture.name]


def _picture_of(folder: Folder, file: File, name: str) -> File | None:
    split = _split_of_file(file)
    return folder.listed(name, file.folder, split) if split else folder.picture(name, file.folder)


def _split_of_file(file: File) -> str | None:
    return split_named(file.stem) or split_of(file.folder)


def _name_unjoined(
    folder: Folder, found: dict[str, Members], without: Sequence[Entry], problems: list[Problem]
) -> None:
    """Entries without a picture, and pictures without an entry, each with the likeliest of the others."""
    named = {picture.original for members in found.values() for picture, _ in members.values()}
    unlisted = [picture for picture in folder.pictures if picture.original not in named]
    likeliest = Likeliest(picture.place for picture in unlisted)
    for file, entry in without:
        fits = folder.candidates(entry.file_name)
        if not fits and folder.means_unread(entry.file_name):
            continue
        near = likeliest.to((name_matching.parts(entry.file_name) or [""])[-1])
        what = (
            f"fits {' and '.join(str(picture.place) for picture in fits[:3])} alike"
            if len(fits) > 1
            else f"{fits[0].place} belongs to another entry"
            if fits
            else f"no picture of this name{leftovers.likeliest(near)}"
        )
        problems.append(Problem("missing_picture", str(file.place), f"'{entry.file_name[:80]}': {what}; skipped"))
    entries = Likeliest(PurePosixPath((name_matching.parts(entry.file_name) or ["."])[-1]) for _, entry in without)
    for picture in unlisted:
        detail = f"in no JSON file{leftovers.likeliest(entries.to(picture.stem))}; not used"
        problems.append(Problem("unlisted_picture", str(picture.place), detail))
