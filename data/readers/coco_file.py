"""One COCO JSON file -> its pictures with their boxes, and its classes. Format: cocodataset.org, "Data format".

From a picture, file_name, width and height are used; from an annotation its bbox (x, y, width, height in pixels; edges,
no "+1"). If an object has no bbox, or one without area, the box around the polygons or the mask of its segmentation is
used.

A box of a crowd (iscrowd) is no object: it is neither trained on nor counted in evaluation, as in pycocotools. The same
goes for an object with a true "ignore", with which converters from Pascal VOC mark difficult objects.
"""

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from data.problems import Place, Report
from data.readers import json_values, masks, text_files
from data.readers.dataset_builder import Ignored, LabelledBox
from data.readers.dataset_file import DatasetFile
from data.readers.json_values import JsonId

_TRUE = (1, True, "1")


@dataclass(frozen=True)
class CocoImage:
    """An item of "images" with its boxes.

    file_name: as written. size: (width, height) as declared, or None. boxes: class_key is a class name.
    """

    file_name: str
    size: tuple[int, int] | None
    boxes: list[LabelledBox]


ImageEntry = tuple[DatasetFile, CocoImage]  # (JSON file, one of its pictures)


def class_names(
    document: Mapping[str, Any], file: DatasetFile, beside: Iterable[Mapping[str, Any]], report: Report
) -> dict[JsonId, str]:
    """Category id -> name, sorted by id. An unused category that is only the supercategory of others is left out.

    beside: the documents that are read together with this one; if it has no categories, theirs are used.
    """
    listed = document.get("categories") or []
    if not isinstance(listed, list):
        raise report.error(f"{file.path}: categories: expected a list, got {listed!r:.40}")
    categories = [category for category in listed if isinstance(category, dict)]
    named = _each_id_once(categories, file, report)
    used = {
        json_values.comparable_id(each.get("category_id")) for each in document["annotations"] if isinstance(each, dict)
    }
    if not named:
        named = _names_beside(used, beside)
        source = "names are taken from the files beside it" if named else "ids are used as names"
        missing = "categories without ids" if listed else "no categories"
        report.add("missing_class_names", file.relative_path, f"{missing}: {source}")
        named = named or {key: str(key) for key in used}
    if not all(named.values()):
        raise report.error(f"{file.path}: categories: expected a name for each, got an empty one")
    members = [category for category in categories if json_values.comparable_id(category.get("id")) in used]
    groups = {category["supercategory"] for category in members if isinstance(category.get("supercategory"), str)}
    classes = {key: name for key, name in named.items() if key in used or name not in groups}
    for key in named.keys() - classes.keys():
        detail = f"category {key} ('{named[key]}') is the supercategory of others and has no objects: left out"
        report.add("unused_category", file.relative_path, detail)
    _report_equal_names(classes, file, report)
    return dict(sorted(classes.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _names_beside(used: Set[JsonId], beside: Iterable[Mapping[str, Any]]) -> dict[JsonId, str]:
    """Category id -> name from other documents; empty if an id is missing there or has two names."""
    names: dict[JsonId, str] = {}
    for document in beside:
        listed = document.get("categories")
        for category in listed if isinstance(listed, list) else []:
            if isinstance(category, dict) and json_values.comparable_id(category.get("id")) in used:
                key, name = json_values.comparable_id(category["id"]), _name(category)
                if names.setdefault(key, name) != name:
                    return {}
    return names if used <= names.keys() and all(names.values()) else {}


def _name(category: Mapping[str, Any]) -> str:
    """The name of a category; empty if it has none, or null."""
    name = category.get("name")
    return "" if name is None else str(name).strip()


def _each_id_once(categories: list[dict[str, Any]], file: DatasetFile, report: Report) -> dict[JsonId, str]:
    """Category id -> name; DatasetError if an id has two names, as after a bad merge: its boxes are ambiguous."""
    named: dict[JsonId, str] = {}
    for category in categories:
        key, name = json_values.comparable_id(category.get("id")), _name(category)
        if text_files.normalized(named.setdefault(key, name)) != text_files.normalized(name):
            raise report.error(
                f"{file.path}: categories: expected each id once, got {json_values.short(key)} for '{named[key]:.80}' "
                f"and for '{name:.80}': give each class an id of its own, in the annotations too"
            )
    return named


def _report_equal_names(named: Mapping[JsonId, str], file: DatasetFile, report: Report) -> None:
    first: dict[str, JsonId] = {}
    for key, name in named.items():
        if first.setdefault(name, key) != key:
            detail = f"categories {first[name]} and {key} are both named '{name}': read as one class"
            report.add("equal_class_names", file.relative_path, detail)


def pictures(
    document: Mapping[str, Any], file: DatasetFile, names: Mapping[JsonId, str], report: Report
) -> list[CocoImage]:
    """The pictures of the file with the boxes that can be read; other entries are reported."""
    images: dict[JsonId, CocoImage] = {}
    place = report.at(file.relative_path)
    for index, image in enumerate(document["images"]):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name or image.get("id") is None:
            detail = f"images[{index}]: expected id and file_name, got at most one of them; skipped"
            place.add("broken_annotation", detail)
            continue
        key = json_values.comparable_id(image["id"])
        if key in images:
            detail = (
                f"images[{index}] ({name}): expected an id of its own, got that of {images[key].file_name}; skipped"
            )
            place.add("broken_annotation", detail)
            continue
        images[key] = CocoImage(name, _size(image), [])
    for index, annotation in enumerate(document["annotations"]):
        where = place.at(f"annotations[{index}]")
        if not isinstance(annotation, dict):
            where.add("broken_annotation", "expected a mapping; skipped")
            continue
        picture = images.get(json_values.comparable_id(annotation.get("image_id")))
        if picture is None:
            image_id = json_values.short(annotation.get("image_id"))
            where.add("orphan_annotation", f"no picture has the id {image_id}; skipped")
            continue
        labelled = _labelled(annotation, names, where.at(f"{picture.file_name}, {where.position}"))
        if labelled:
            picture.boxes.append(labelled)
    around = [
        labelled
        for picture in images.values()
        for labelled in picture.boxes
        if labelled.from_mask and labelled.ignored is None
    ]
    if around:
        replaced = "no bbox with an area: the box around the polygons or the mask is used"
        detail = f"{replaced}, {len(around)} times; the first: {around[0].position}"
        place.add("box_from_segmentation", detail)
    return list(images.values())


def _labelled(annotation: Mapping[str, Any], names: Mapping[JsonId, str], where: Place) -> LabelledBox | None:
    class_name = names.get(json_values.comparable_id(annotation.get("category_id")))
    if class_name is None:
        category_id = json_values.short(annotation.get("category_id"))
        where.add("class_out_of_range", f"no category has the id {category_id}; skipped")
        return None
    ignored = _ignored(annotation)
    bounds = annotation.get("bbox")
    if isinstance(bounds, dict):  # imglab's export
        bounds = [bounds.get(key) for key in ("x", "y", "width", "height")]
    edges = json_values.numbers(bounds) if bounds else None
    if edges is None or not _has_area(edges):
        box = masks.box_around(annotation.get("segmentation"))
        if box:
            return LabelledBox(class_name, box, where.position, from_mask=True, ignored=ignored)
    if not bounds:
        where.add("malformed_box", "expected a bbox, got none, and no segmentation with an area; skipped")
        return None
    if edges is None or len(edges) != 4:
        where.add("malformed_box", f"expected [x, y, width, height], got {json_values.short(bounds)}; skipped")
        return None
    x, y, width, height = edges
    return LabelledBox(class_name, (x, y, x + width, y + height), where.position, ignored=ignored)


def _ignored(annotation: Mapping[str, Any]) -> Ignored | None:
    if annotation.get("iscrowd") in _TRUE:
        return "crowd"
    return "difficult" if annotation.get("ignore") in _TRUE else None


def _has_area(edges: list[float]) -> bool:
    return len(edges) == 4 and all(map(math.isfinite, edges)) and edges[2] != 0 and edges[3] != 0


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    sides = json_values.numbers([image.get("width"), image.get("height")])
    if sides is None or not all(math.isfinite(side) for side in sides):
        return None
    return int(sides[0]), int(sides[1])
