"""Read one Pascal VOC annotation, an XML file: its objects, and the picture's size that it declares.

Elements are recognized by their names without namespace and in lower case. Each box of an object counts as an object.
If an object has only a polygon (LabelMe's XML, exports of segmentations), the box around it is used.

The XML is not trusted: defusedxml refuses entity expansion and external entities.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from data.problems import Place, Report
from data.readers import text_files
from data.readers.dataset_builder import Box, Ignored, LabelledBox
from data.readers.dataset_file import DatasetFile

_CORNER = re.compile(r"[xy]\d*")
_DECLARATION = re.compile(r"""^(\s*<\?xml[^>]*?)\s+encoding\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True)
class Annotation:
    """What an annotation says. objects: class_key is a class name. size: (width, height) as declared, or None."""

    objects: Sequence[LabelledBox]
    size: tuple[int, int] | None


def parse(file: DatasetFile, report: Report) -> Annotation | None:
    """The annotation; None, and a problem, if the file is broken."""
    place = report.at(file.relative_path)
    try:
        annotation = _tree(file, report)
        for element in annotation.iter():
            if isinstance(element.tag, str):  # the tag of a comment is a function
                element.tag = element.tag.rpartition("}")[2].lower()
        elements = enumerate(annotation.iter("object"), start=1)
        objects = [box for index, element in elements if not _is_deleted(element) for box in _boxes(element, index)]
        _refuse_boxes_outside(annotation)
        _report_replaced(objects, place)
        return Annotation(objects, _size(annotation))
    except (ParseError, LookupError) as error:  # LookupError: an encoding that Python does not know
        place.add("broken_annotation", f"expected XML, cannot read it: {error}")
    except DefusedXmlException as error:
        place.add("broken_annotation", f"expected XML without entities, refused: {error!r}")
    except ValueError as error:
        place.add("broken_annotation", str(error))
    return None


def _tree(file: DatasetFile, report: Report) -> Element:
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
        text_files.note_encoding(encoding, file, report)
    return tree


def _decode(content: bytes) -> tuple[str, str]:
    """(text, encoding) of XML that the parser cannot decode: as declared if Python can, otherwise guessed."""
    declared = _DECLARATION.match(content[:200].decode("latin-1"))
    if declared and declared[2].lower() not in ("utf-8", "utf8"):
        with suppress(LookupError, UnicodeDecodeError):
            return content.decode(declared[2]), declared[2]
    return text_files.decode(content)


def _is_deleted(element: Element) -> bool:
    """Whether the object was deleted in LabelMe's web tool, which keeps such objects in the file."""
    return (element.findtext("deleted") or "").strip() == "1"


def _boxes(element: Element, index: int) -> list[LabelledBox]:
    """The object's boxes as written, each with its class; ValueError says what is missing."""
    class_name = (element.findtext("name") or "").strip()
    position = f"object {index}"
    if not class_name:
        raise ValueError(f"{position}: expected a class in <name>, got none")
    position = f"{position} ({class_name})"
    ignored: Ignored | None = "difficult" if _is_difficult(element) else None
    bounds = element.findall("bndbox")
    polygon = element.find("polygon")
    if not bounds and polygon is not None:
        return [LabelledBox(class_name, _around(polygon, position), position, from_mask=True, ignored=ignored)]
    if not bounds and element.find("robndbox") is not None:
        raise ValueError(f"{position}: expected a <bndbox>, got a turned box (<robndbox>): export upright boxes")
    if not bounds:
        raise ValueError(f"{position}: expected a <bndbox>, got none")
    count = len(bounds)
    positions = [position] if count == 1 else [f"{position}, box {n} of {count}" for n in range(1, count + 1)]
    return [
        LabelledBox(class_name, _edges(box, where), where, ignored=ignored)
        for box, where in zip(bounds, positions, strict=True)
    ]


def _is_difficult(element: Element) -> bool:
    """Whether the object is marked as hard to recognize: 1, or a word as some programs write it."""
    return (element.findtext("difficult") or "").strip().lower() in ("1", "true", "yes")


def _edges(bounds: Element, position: str) -> Box:
    left, top, right, bottom = (
        _number(bounds.findtext(tag) or bounds.get(tag) or "", tag, position)
        for tag in ("xmin", "ymin", "xmax", "ymax")
    )
    return left, top, right, bottom


def _around(polygon: Element, position: str) -> Box:
    """The box around corners <pt><x/><y/></pt>, or <x1/><y1/><x2/><y2/> and so on."""
    corners = [
        (element.tag[0], _number(element.text or "", element.tag, position))
        for element in polygon.iter()
        if _CORNER.fullmatch(element.tag)
    ]
    xs, ys = ([value for axis, value in corners if axis == wanted] for wanted in "xy")
    if len(xs) < 3 or len(xs) != len(ys):
        raise ValueError(f"{position}: expected three corners or more in <polygon>, got {len(xs)}")
    return min(xs), min(ys), max(xs), max(ys)


def _number(text: str, tag: str, position: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{position}: expected a number in <{tag}>, got '{text[:80]}'") from None


def _refuse_boxes_outside(annotation: Element) -> None:
    """ValueError if an annotation without objects has boxes elsewhere: it is not one of a picture without objects."""
    if annotation.find("object") is None and any(
        True for tag in ("bndbox", "xmin", "polygon") for _ in annotation.iter(tag)
    ):
        raise ValueError("expected boxes in <object>, got some outside of one")


def _report_replaced(objects: Sequence[LabelledBox], place: Place) -> None:
    around = [labelled.position for labelled in objects if labelled.from_mask]
    if around:
        detail = f"{len(around)} of {len(objects)} objects have only a polygon: the box around it is used"
        place.add("box_from_segmentation", detail)
    for labelled in objects:
        if ", box 2 of " in labelled.position:
            detail = f"{labelled.position.partition(', box')[0]}: several <bndbox>: each is read as an object"
            place.add("several_boxes", detail)


def _size(annotation: Element) -> tuple[int, int] | None:
    try:
        return int(annotation.findtext("size/width") or ""), int(annotation.findtext("size/height") or "")
    except ValueError:
        return None
