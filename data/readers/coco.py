"""Read COCO data sets: JSON files that list pictures and boxes; a split may be a file, a folder, or both.

The split of a JSON file follows from its name (instances_val2017.json), else from its folder, else from the folder of
each picture. Classes are identified by name, whatever their ids. Boxes belong to the picture as people see it. Only if
the declared width and height are those of the stored picture, and turning it as its EXIF says changes them, are the
boxes turned with it.
"""

from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from data.dataset import SPLITS, Dataset, Example
from data.problems import LOST_PICTURES, Report
from data.readers import (
    coco_documents,
    coco_entries,
    coco_file,
    coco_sets,
    dataset_builder,
    json_values,
    leftovers,
    name_matching,
    units,
)
from data.readers.coco_entries import EntriesByPicture
from data.readers.coco_file import ImageEntry
from data.readers.dataset_builder import LabelledBox
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.name_forms import LikeliestName


def recognizes(folder: Folder) -> bool:
    """Whether one of the JSON files with boxes names one or several of the pictures."""
    for file in folder.with_suffixes(".json"):
        with suppress(ValueError):
            content = coco_documents.load(folder, file).content
            if content is not None and _names_a_picture(folder, content):
                return True
    return False


def describe_file_without_boxes(folder: Folder) -> str | None:
    """In words, the first JSON file of COCO's form without boxes, and what it holds instead; None if there is none."""
    for file in folder.with_suffixes(".json"):
        with suppress(ValueError):
            instead = coco_documents.load(folder, file).other
            if instead:
                return f"{file.relative_path}: {instead}"
    return None


def describe_unjoined(folder: Folder) -> str | None:
    """In words, why a JSON file has no boxes for the pictures: it is broken, or names others; None without one."""
    for file in folder.with_suffixes(".json"):
        try:
            content = coco_documents.load(folder, file).content
        except ValueError as error:
            return f"{file.relative_path}: expected COCO's JSON, cannot read it: {' '.join(str(error).split())}"
        first = next(iter(content["images"]), None) if content else None
        name = first.get("file_name") if isinstance(first, dict) else None
        if isinstance(name, str) and name:
            likeliest = LikeliestName(picture.relative_path for picture in folder.pictures)
            nearest = leftovers.likeliest_in_words(likeliest.to((name_matching.parts(name) or [""])[-1]))
            return f"no picture has a name that {file.relative_path} has, such as '{name[:80]}'{nearest}"
        if first is not None:
            return f"{file.relative_path}: images[0]: expected a text as file_name, got {json_values.short(name)}"
    return None


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with those of its splits that are needed; DatasetError if they cannot be used."""
    report = Report(folder.problems)
    class_ids: dict[str | int, int] = {}
    entries: list[ImageEntry] = []
    files_in_shares: set[PurePosixPath] = set()
    documents = _documents(folder, report)
    for file, content in documents:
        names = coco_file.class_names(content, file, (beside for _, beside in documents), report)
        for name in names.values():
            class_ids.setdefault(name, len(class_ids))
        pictures = coco_file.pictures(content, file, names, report)
        if units.look_like_shares([labelled for picture in pictures for labelled in picture.boxes]):
            files_in_shares.add(file.relative_path)
        entries += [(file, picture) for picture in pictures]
    joined = coco_entries.match_entries(folder, entries, report)
    if not joined:
        raise report.error(
            f"{folder.root}: expected COCO JSON files with boxes and the names of the pictures, found none"
            + report.reason(LOST_PICTURES)
        )
    splits: dict[str, list[Example]] = {}
    owned = coco_entries.each_picture_in_one_split(joined, report)
    for split, members in owned.items():
        if split in needed:
            coco_sets.without_second_sets({path: of_picture for path, (_, of_picture) in members.items()}, report)
            splits[split] = _examples(members, class_ids, files_in_shares, report)
    unread = [split for split in owned if split not in splits]
    class_names = [str(name) for name in class_ids]
    return dataset_builder.finish(folder.root, "coco", class_names, splits, report, unread)


def _documents(folder: Folder, report: Report) -> list[tuple[DatasetFile, dict[str, Any]]]:
    """(file, content) of each JSON file with boxes for pictures of the folder; other files are reported."""
    with_boxes = []
    for file in folder.with_suffixes(".json"):
        try:
            document = coco_documents.load(folder, file)
        except ValueError as error:
            detail = f"expected COCO's JSON, cannot read it: {' '.join(str(error).split())}"
            report.add("broken_annotation", file.relative_path, detail)
            continue
        if document.other:
            report.add("other_json", file.relative_path, f"{document.other}; not read")
        elif document.content is not None:
            with_boxes.append((file, document.content))
    annotated = [file for file, content in with_boxes if content["annotations"]]
    documents = []
    for file, content in with_boxes:
        if coco_sets.is_of_another_task(file, annotated):
            detail = "belongs to another task than the instances file beside it, which is read instead"
            report.add("other_json", file.relative_path, detail)
        elif _names_a_picture(folder, content):
            documents.append((file, content))
        elif content["images"]:
            detail = f"none of the {len(content['images'])} pictures that it names is in the folder; skipped"
            report.add("missing_picture", file.relative_path, detail)
    return documents


def _names_a_picture(folder: Folder, content: Mapping[str, Any]) -> bool:
    names = (image.get("file_name") for image in content["images"] if isinstance(image, dict))
    return any(isinstance(name, str) and folder.has_picture(name) for name in names)


def _examples(
    members: EntriesByPicture,
    class_ids: Mapping[str | int, int],
    files_in_shares: Container[PurePosixPath],
    report: Report,
) -> list[Example]:
    """The usable pictures with their boxes. files_in_shares: files whose boxes look like shares of the picture."""
    examples = []
    for picture, entries in members.values():
        info = dataset_builder.picture_info_of(picture, report)
        if info is None:
            continue
        drawn: list[LabelledBox] = []
        for file, entry in entries:
            of_entry: Sequence[LabelledBox] = entry.boxes
            if file.relative_path in files_in_shares:
                of_entry = units.only_pixel_boxes(of_entry, info, report.at(file.relative_path))
            drawn += dataset_builder.turned_boxes(
                of_entry, entry.size, info, report.at(f"{file.relative_path}: {entry.file_name}")
            )
        boxes = dataset_builder.usable_boxes(drawn, info, report.at(entries[0][0].relative_path))
        examples.append(dataset_builder.make_example(picture, info, boxes, class_ids))
    return examples
