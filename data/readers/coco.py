"""COCO: JSON files that list pictures and boxes; a split may be a file, a folder, or both.

A file that lies among the pictures of one split is of that split; its name decides otherwise (instances_val2017.json),
and the folder of a picture where that says nothing. Classes are told apart by name, whatever their ids. Boxes are those
of the picture as people see it, unless the declared width and height are those with which the picture is stored and not
those it is seen with: then the boxes are turned with the picture as its EXIF says.
"""

from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from data.dataset import SPLITS, Dataset, DatasetError, Example, Problem
from data.problems import LOST_PICTURES
from data.readers import coco_documents, coco_entries, coco_file, coco_sets, dataset_builder, units
from data.readers.coco_entries import Members
from data.readers.coco_file import Entry
from data.readers.dataset_builder import Labelled
from data.readers.files import File
from data.readers.folder import Folder


def recognizes(folder: Folder) -> bool:
    """Whether one of the JSON files with boxes names one of the pictures, or names several by one name."""
    for file in folder.of_kind(".json"):
        with suppress(ValueError):
            content = coco_documents.load(folder, file).content
            if content is not None and _names_a_picture(folder, content):
                return True
    return False


def describe_file_without_boxes(folder: Folder) -> str | None:
    """The first JSON file of COCO's form that has no boxes, and what it has; None if there is none."""
    for file in folder.of_kind(".json"):
        with suppress(ValueError):
            other = coco_documents.load(folder, file).other
            if other:
                return f"{file.place}: {other}"
    return None


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with the splits that are needed; DatasetError when nothing of them can be used."""
    problems = list(folder.problems)
    numbers: dict[str, int] = {}
    entries: list[Entry] = []
    relative: set[PurePosixPath] = set()
    documents = _documents(folder, problems)
    for file, content in documents:
        names = coco_file.class_names(content, file, (beside for _, beside in documents), problems)
        for name in names.values():
            numbers.setdefault(name, len(numbers))
        pictures = coco_file.pictures(content, file, names, problems)
        if units.look_relative([labelled for picture in pictures for labelled in picture.boxes]):
            relative.add(file.place)
        entries += [(file, picture) for picture in pictures]
    joined = coco_entries.join(folder, entries, problems)
    if not joined:
        raise DatasetError(
            f"{folder.root}: expected COCO JSON files with boxes and the names of the pictures, found none"
            + dataset_builder.reason(problems, LOST_PICTURES),
            tuple(problems),
        )
    splits: dict[str, list[Example]] = {}
    owned = coco_entries.each_once(joined, problems)
    for split, members in owned.items():
        if split in needed:
            coco_sets.without_second_sets({place: found for place, (_, found) in members.items()}, problems)
            splits[split] = _examples(members, numbers, relative, problems)
    unread = [split for split in owned if split not in splits]
    return dataset_builder.finish(folder.root, "coco", list(numbers), splits, problems, unread)


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
        elif _names_a_picture(folder, content):
            found.append((file, content))
        elif content["images"]:
            detail = f"none of the {len(content['images'])} pictures that it names is in the folder; skipped"
            problems.append(Problem("missing_picture", str(file.place), detail))
    return found


def _names_a_picture(folder: Folder, content: Mapping[str, Any]) -> bool:
    names = (image.get("file_name") for image in content["images"] if isinstance(image, dict))
    return any(isinstance(name, str) and folder.knows(name) for name in names)


def _examples(
    members: Members, numbers: Mapping[str, int], relative: Container[PurePosixPath], problems: list[Problem]
) -> list[Example]:
    """The usable pictures with their boxes. relative: the files of which the boxes are shares of the picture."""
    examples = []
    for picture, entries in members.values():
        info = dataset_builder.picture_info_of(picture, problems)
        if info is None:
            continue
        labelled: list[Labelled] = []
        for file, entry in entries:
            name = f"{file.place}: {entry.file_name}"
            drawn: Sequence[Labelled] = entry.boxes
            if file.place in relative:
                drawn = units.in_pixels(drawn, info, str(file.place), problems)
            labelled += dataset_builder.turned_boxes(drawn, entry.size, info, name, problems)
        boxes = dataset_builder.usable_boxes(labelled, info, str(entries[0][0].place), problems)
        classes = [numbers[str(each.class_key)] for each in boxes]
        examples.append(dataset_builder.make_example(picture, info, [each.box for each in boxes], classes))
    return examples
