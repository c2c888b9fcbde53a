"""COCO JSON: one or several files with boxes, anywhere in the folder; pictures are joined by file name.

A file's split is told by its name (instances_val2017.json), by its folder (valid/_annotations.coco.json), or by those
of its pictures. Category ids may be any and differ between files: classes are told apart by name. Coordinates are those
of the picture as people see it, unless the declared width and height are those of the picture as it is stored and not
those it is seen with: then the boxes are turned with the picture as its EXIF says.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.readers import assemble, coco_file, joining, leftovers, ownership
from data.readers.assemble import Labelled
from data.readers.coco_file import Picture
from data.readers.folder import File, Folder
from data.readers.name_forms import Likeliest
from data.readers.split_names import split_named, split_of

# Split -> place of a picture -> the picture, and its entries: (label file, what it says of the picture).
_Found = dict[str, dict[PurePosixPath, tuple[File, list[tuple[File, Picture]]]]]


def joins(folder: Folder) -> bool:
    """Whether one of the JSON files names one of the pictures."""
    for file in folder.of_kind(".json"):
        try:
            document = coco_file.load(folder, file)
        except ValueError:
            continue
        if document is None:
            continue
        names = (image.get("file_name") for image in document["images"] if isinstance(image, dict))
        if any(isinstance(name, str) and _picture_of(folder, file, name) for name in names):
            return True
    return False


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with the splits that are needed; DatasetError when nothing of them can be used."""
    problems = list(folder.problems)
    numbers: dict[str, int] = {}
    found: _Found = {}
    without: list[tuple[File, Picture]] = []
    for file in folder.of_kind(".json"):
        try:
            document = coco_file.load(folder, file)
        except ValueError as error:
            detail = f"expected COCO's JSON, cannot read it: {' '.join(str(error).split())}"
            problems.append(Problem("broken_annotation", str(file.place), detail))
            continue
        if document is not None:
            names = coco_file.class_names(document, file, problems)
            for name in names.values():
                numbers.setdefault(name, len(numbers))
            without += _join(folder, file, coco_file.pictures(document, file, names, problems), found)
    _name_unjoined(folder, found, without, problems)
    if not found:
        raise DatasetError(
            f"{folder.root}: expected COCO JSON files with the names of the pictures, found none", tuple(problems)
        )
    owned = _each_once(found, problems)
    splits = {split: _examples(members, numbers, problems) for split, members in owned.items() if split in needed}
    unread = [split for split in owned if split not in splits]
    return assemble.finish(folder.root, "coco", list(numbers), splits, problems, unread)


def _picture_of(folder: Folder, file: File, name: str) -> File | None:
    split = _split_of_file(file)
    return folder.listed(name, file.place.parent, split) if split else folder.picture(name, file.place.parent)


def _split_of_file(file: File) -> str | None:
    return split_named(file.place.stem) or split_of(file.place)


def _join(folder: Folder, file: File, pictures: list[Picture], found: _Found) -> list[tuple[File, Picture]]:
    """Adds the entries of one file to what was found; returns those without a picture.

    An entry whose name was not found as it stands takes a picture that no other entry means.
    """
    joined = [(entry, _picture_of(folder, file, entry.file_name)) for entry in pictures]
    exact = {picture.place for entry, picture in joined if picture and _is_called(picture, entry)}
    guesses = Counter(picture.place for entry, picture in joined if picture and not _is_called(picture, entry))
    without = []
    for entry, picture in joined:
        taken = picture and not _is_called(picture, entry) and (picture.place in exact or guesses[picture.place] > 1)
        if picture is None or taken:
            without.append((file, entry))
            continue
        split = _split_of_file(file) or split_of(picture.place) or "train"
        found.setdefault(split, {}).setdefault(picture.place, (picture, []))[1].append((file, entry))
    return without


def _is_called(picture: File, entry: Picture) -> bool:
    return joining.parts(entry.file_name)[-1:] == [joining.composed(picture.place.name)]


def _each_once(found: _Found, problems: list[Problem]) -> _Found:
    """Each picture in one split, under one name."""
    pictures = {split: [picture for picture, _ in members.values()] for split, members in found.items()}
    boxed = {
        place
        for members in found.values()
        for place, (_, entries) in members.items()
        if any(entry.boxes for _, entry in entries)
    }
    kept = ownership.each_once(pictures, lambda picture: picture.place in boxed, problems)
    by_place = {place: member for members in found.values() for place, member in members.items()}
    own = {split: by_place | found[split] for split in kept}
    return {split: {file.place: own[split][file.place] for file in files} for split, files in kept.items()}


def _examples(
    members: Mapping[PurePosixPath, tuple[File, list[tuple[File, Picture]]]],
    numbers: Mapping[str, int],
    problems: list[Problem],
) -> list[Example]:
    examples = []
    for picture, entries in members.values():
        frame = assemble.frame_of(picture, problems)
        if frame is None:
            continue
        labelled: list[Labelled] = []
        for file, entry in entries:
            name = f"{file.place}: {entry.file_name}"
            labelled += assemble.in_frame(entry.boxes, entry.size, frame, name, problems)
        boxes = assemble.usable_boxes(labelled, frame, str(entries[0][0].place), problems)
        classes = [numbers[str(each.class_key)] for each in boxes]
        examples.append(assemble.make_example(picture, frame, [each.box for each in boxes], classes))
    return examples


def _name_unjoined(
    folder: Folder, found: _Found, without: Sequence[tuple[File, Picture]], problems: list[Problem]
) -> None:
    """Entries without a picture, and pictures without an entry, each with the likeliest of the others."""
    named = {picture.original for members in found.values() for picture, _ in members.values()}
    unlisted = [picture for picture in folder.pictures if picture.original not in named]
    likeliest = Likeliest(picture.place for picture in unlisted)
    for file, entry in without:
        fits = folder.candidates(entry.file_name)
        near = likeliest.to((joining.parts(entry.file_name) or [""])[-1])
        what = (
            f"fits {' and '.join(str(picture.place) for picture in fits[:3])} alike"
            if len(fits) > 1
            else f"{fits[0].place} belongs to another entry"
            if fits
            else f"no picture of this name{leftovers.likeliest(near)}"
        )
        problems.append(Problem("missing_picture", str(file.place), f"'{entry.file_name[:80]}': {what}; skipped"))
    entries = Likeliest(PurePosixPath((joining.parts(entry.file_name) or ["."])[-1]) for _, entry in without)
    for picture in unlisted:
        detail = f"in no JSON file{leftovers.likeliest(entries.to(picture.place.stem))}; not used"
        problems.append(Problem("unlisted_picture", str(picture.place), detail))
