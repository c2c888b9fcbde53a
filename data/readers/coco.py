"""COCO JSON: one or several files with boxes, anywhere in the folder; pictures are joined by file name.

A file's split is told by its name (instances_val2017.json), by its folder (valid/_annotations.coco.json), or by those
of its pictures. Category ids may be any and differ between files: classes are told apart by name. Coordinates are those
of the picture as people see it, unless the declared width and height are those of the picture as it is stored and not
those it is seen with: then the boxes are turned with the picture as its EXIF says.
"""

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from data.example import Dataset, DatasetError, Example, Problem
from data.readers import assemble, coco_documents, coco_file, coco_sets, ownership, units
from data.readers.assemble import Labelled
from data.readers.coco_file import Picture
from data.readers.folder import File, Folder
from data.readers.split_names import split_named, split_of

# Split -> place of a picture -> the picture, and its entries: (label file, what it says of the picture).
_Found = dict[str, dict[PurePosixPath, tuple[File, list[tuple[File, Picture]]]]]


def joins(folder: Folder) -> bool:
    """Whether one of the JSON files with boxes names one of the pictures."""
    for file in folder.of_kind(".json"):
        try:
            content = coco_documents.load(folder, file).content
        except ValueError:
            continue
        if content is not None and _names_a_picture(folder, file, content):
            return True
    return False


def instead(folder: Folder) -> str | None:
    """The first JSON file of COCO's form that has no boxes, and what it has; None if there is none."""
    for file in folder.of_kind(".json"):
        with suppress(ValueError):
            other = coco_documents.load(folder, file).other
            if other:
                return f"{file.place}: {other}"
    return None


def read(folder: Folder) -> Dataset:
    """The data set in this folder; DatasetError when nothing of it can be used."""
    problems = list(folder.problems)
    numbers: dict[str, int] = {}
    found: _Found = {}
    relative: set[PurePosixPath] = set()
    documents = _documents(folder, problems)
    for file, content in documents:
        names = coco_file.class_names(content, file, (beside for _, beside in documents), problems)
        for name in names.values():
            numbers.setdefault(name, len(numbers))
        pictures = coco_file.pictures(content, file, names, problems)
        if units.look_relative([labelled for picture in pictures for labelled in picture.boxes]):
            relative.add(file.place)
        _join(folder, file, pictures, found, problems)
    if not found:
        raise DatasetError(
            f"{folder.root}: expected COCO JSON files with boxes and the names of the pictures, found none",
            tuple(problems),
        )
    splits = {}
    for split, members in _each_once(found, problems).items():
        coco_sets.without_second_sets({place: entries for place, (_, entries) in members.items()}, problems)
        splits[split] = _examples(members, numbers, relative, problems)
    _name_unlisted(folder, found, problems)
    return assemble.finish(folder.root, "coco", list(numbers), splits, problems)


def _documents(folder: Folder, problems: list[Problem]) -> list[tuple[File, dict[str, Any]]]:
    """The files with boxes for pictures of the folder, and what they hold; the others join the problems."""
    with_boxes = []
    for file in folder.of_kind(".json"):
        try:
            document = coco_documents.load(folder, file)
        except ValueError as error:
            detail = f"expected COCO's JSON, cannot read it: {' '.join(str(error).split())}"
            problems.append(Problem("broken_annotation", str(file.place), detail))
            continue
        if document.other:
            problems.append(Problem("other_json", str(file.place), f"{document.other}; not read"))
        elif document.content is not None:
            with_boxes.append((file, document.content))
    annotated = [file for file, content in with_boxes if content["annotations"]]
    found = []
    for file, content in with_boxes:
        if coco_sets.is_of_another_task(file, annotated):
            detail = "of another task than the file of instances beside it, which is read instead"
            problems.append(Problem("other_json", str(file.place), detail))
        elif _names_a_picture(folder, file, content):
            found.append((file, content))
        elif content["images"]:
            detail = f"none of the {len(content['images'])} pictures that it names is in the folder; skipped"
            problems.append(Problem("missing_picture", str(file.place), detail))
    return found


def _names_a_picture(folder: Folder, file: File, content: Mapping[str, Any]) -> bool:
    names = (image.get("file_name") for image in content["images"] if isinstance(image, dict))
    return any(isinstance(name, str) and _picture_of(folder, file, name) for name in names)


def _picture_of(folder: Folder, file: File, name: str) -> File | None:
    split = _split_of_file(file)
    return folder.listed(name, file.place.parent, split) if split else folder.picture(name, file.place.parent)


def _split_of_file(file: File) -> str | None:
    return split_named(file.place.stem) or split_of(file.place)


def _join(folder: Folder, file: File, pictures: list[Picture], found: _Found, problems: list[Problem]) -> None:
    """Adds the entries of one file to what was found."""
    for entry in pictures:
        picture = _picture_of(folder, file, entry.file_name)
        if picture is None and folder.means_unread(entry.file_name):
            continue
        if picture is None:
            detail = f"'{entry.file_name[:80]}': no picture of this name, or several; skipped"
            problems.append(Problem("missing_picture", str(file.place), detail))
            continue
        split = _split_of_file(file) or split_of(picture.place) or "train"
        found.setdefault(split, {}).setdefault(picture.place, (picture, []))[1].append((file, entry))


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
    return {split: {file.place: found[split][file.place] for file in files} for split, files in kept.items()}


def _examples(
    members: Mapping[PurePosixPath, tuple[File, list[tuple[File, Picture]]]],
    numbers: Mapping[str, int],
    relative: Container[PurePosixPath],
    problems: list[Problem],
) -> list[Example]:
    """The usable pictures with their boxes. relative: the files of which the boxes are shares of the picture."""
    examples = []
    for picture, entries in members.values():
        frame = assemble.frame_of(picture, problems)
        if frame is None:
            continue
        labelled: list[Labelled] = []
        for file, entry in entries:
            name = f"{file.place}: {entry.file_name}"
            drawn: Sequence[Labelled] = entry.boxes
            if file.place in relative:
                drawn = units.in_pixels(drawn, frame, str(file.place), problems)
            labelled += assemble.in_frame(drawn, entry.size, frame, name, problems)
        boxes = assemble.usable_boxes(labelled, frame, str(entries[0][0].place), problems)
        classes = [numbers[str(each.class_key)] for each in boxes]
        examples.append(assemble.make_example(picture, frame, [each.box for each in boxes], classes))
    return examples


def _name_unlisted(folder: Folder, found: _Found, problems: list[Problem]) -> None:
    named = {picture.original for members in found.values() for picture, _ in members.values()}
    for picture in folder.pictures:
        if picture.original not in named:
            problems.append(Problem("unlisted_picture", str(picture.place), "in no JSON file; not used"))
