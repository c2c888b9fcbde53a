"""One Pascal VOC annotation, an XML file -> its objects, and the size that it declares.

Names of elements count without their namespace and in lower case. An object with several boxes is as many objects; one
with a polygon alone (LabelMe's XML, exports of segmentations) has the box around it.

XML comes from strangers: defusedxml refuses entity expansion and external entities.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from data.dataset import Problem
from data.readers import text_files
from data.readers.dataset_builder import Box, Labelled
from data.readers.files import File

_CORNER = re.compile(r"[xy]\d*")
_DECLARATION = re.compile(r"""^(\s*<\?xml[^>]*?)\s+encoding\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True)
class Annotation:
    """class_key of an object is its class name. size: (width, height) as declared, None where that is no number."""

    objects: Sequence[Labelled]
    size: tuple[int, int] | None


def parse(file: File, problems: list[Problem]) -> Annotation | None:
    """The annotation, or None and a problem when the file is broken."""
    name = str(file.place)
    try:
        annotation = _tree(file, problems)
        for element in annotation.iter():
            if isinstance(element.tag, str):  # comments have none
                element.tag = element.tag.rpartition("}")[2].lower()
        elements = enumerate(annotation.iter("object"), start=1)
        objects = [box for number, element in elements if not _is_deleted(element) for box in _boxes(element, number)]
        _refuse_boxes_outside(annotation)
        _report_mended(objects, name, problems)
        return Annotation(objects, _size(annotation))
    except (ParseError, LookupError) as error:  # LookupError: an encoding that Python does not know
        problems.append(Problem("broken_annotation", name, f"expected XML, cannot read it: {error}"))
    except DefusedXmlException as error:
        problems.append(Problem("broken_annotation", name, f"expected XML without entities, refused: {error!r}"))
    except ValueError as error:
        problems.append(Problem("broken_annotation", name, str(error)))
    return None


def _tree(file: File, problems: list[Problem]) -> Element:
    content = text_files.read_bytes(file.path)
    try:
        tree: Element = ElementTree.fromstring(content)
    except (ParseError, LookupError, ValueError) as error:
        if isinstance(error, DefusedXmlException):
            raise
        decoded, encoding = _decode(content)
        if encoding == "utf-8":
            raise
        tree = ElementTree.fromstring(_DECLARATION.sub(r"\1", decoded))
        text_files.note_encoding(encoding, str(file.place), problems)
    return tree


def _decode(content: bytes) -> tuple[str, str]:
    """(text, encoding) where the parser gave up: as declared, for code pages of several bytes; else as it looks."""
    declared = _DECLARATION.match(content[:200].decode("latin-1"))
    if declared and declared[2].lower() not in ("utf-8", "utf8"):
        with suppress(LookupError, UnicodeDecodeError):
            return content.decode(declared[2]), declared[2]
    return text_files.decode(content)


def _is_deleted(element: Element) -> bool:
    """LabelMe's web tool keeps objects that were deleted."""
    return (element.findtext("deleted") or "").strip() == "1"


def _boxes(element: Element, number: int) -> list[Labelled]:
    """The object's class with each of its boxes as it stands; ValueError names what is missing."""
    class_name = (element.findtext("name") or "").strip()
    place = f"object {number}"
    if not class_name:
        raise ValueError(f"{place}: expected a class in <name>, got none")
    place = f"{place} ({class_name})"
    found = element.findall("bndbox")
    polygon = element.find("polygon")
    if not found and polygon is not None:
        return [Labelled(class_name, _around(polygon, place), place, from_mask=True)]
    if not found and element.find("robndbox") is not None:
        raise ValueError(f"{place}: expected a <bndbox>, got a turned box (<robndbox>): export upright boxes")
    if not found:
        raise ValueError(f"{place}: expected a <bndbox>, got none")
    places = [place] if len(found) == 1 else [f"{place}, box {n} of {len(found)}" for n in range(1, len(found) + 1)]
    return [Labelled(class_name, _edges(bounds, at), at) for bounds, at in zip(found, places, strict=True)]


def _edges(bounds: Element, place: str) -> Box:
    left, top, right, bottom = (
        _number(bounds.findtext(tag) or bounds.get(tag) or "", tag, place) for tag in ("xmin", "ymin", "xmax", "ymax")
    )
    return left, top, right, bottom


def _around(polygon: Element, place: str) -> Box:
    """Of <pt><x/><y/></pt>, or <x1/><y1/><x2/><y2/> and so on."""
    corners = [
        (element.tag[0], _number(element.text or "", element.tag, place))
        for element in polygon.iter()
        if _CORNER.fullmatch(element.tag)
    ]
    xs, ys = ([value for axis, value in corners if axis == wanted] for wanted in "xy")
    if len(xs) < 3 or len(xs) != len(ys):
        raise ValueError(f"{place}: expected three corners or more in <polygon>, got {len(xs)}")
    return min(xs), min(ys), max(xs), max(ys)


def _number(found: str, tag: str, place: str) -> float:
    try:
        return float(found)
    except ValueError:
        raise ValueError(f"{place}: expected a number in <{tag}>, got '{found[:80]}'") from None


def _refuse_boxes_outside(annotation: Element) -> None:
    """An annotation without objects is a picture without any, unless boxes are somewhere else in it."""
    if annotation.find("object") is None and any(
        True for tag in ("bndbox", "xmin", "polygon") for _ in annotation.iter(tag)
    ):
        raise ValueError("expected boxes in <object>, got some outside of any")


def _report_mended(objects: Sequence[Labelled], name: str, problems: list[Problem]) -> None:
    around = [labelled.place for labelled in objects if labelled.from_mask]
    if around:
        detail = f"{len(around)} of {len(objects)} objects have a polygon alone: the box around it is taken"
        problems.append(Problem("box_from_segmentation", name, detail))
    for labelled in objects:
        if ", box 2 of " in labelled.place:
            detail = f"{labelled.place.partition(', box')[0]}: several <bndbox>: each is read as an object"
            problems.append(Problem("several_boxes", name, detail))


def _size(annotation: Element) -> tuple[int, int] | None:
    try:
        return int(annotation.findtext("size/width") or ""), int(annotation.findtext("size/height") or "")
    except ValueError:
        return None
