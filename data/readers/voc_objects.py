"""One Pascal VOC annotation, an XML file -> its objects, and the size that it declares.

XML comes from strangers: defusedxml refuses entity expansion and external entities.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from data.example import Problem
from data.readers import text
from data.readers.assemble import Box, Labelled
from data.readers.folder import File

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
        objects = [_object(element, number) for number, element in enumerate(annotation.iter("object"), start=1)]
        return Annotation(objects, _size(annotation))
    except (ParseError, LookupError) as error:  # LookupError: an encoding that Python does not know
        problems.append(Problem("broken_annotation", name, f"expected XML, cannot read it: {error}"))
    except DefusedXmlException as error:
        problems.append(Problem("broken_annotation", name, f"expected XML without entities, refused: {error!r}"))
    except ValueError as error:
        problems.append(Problem("broken_annotation", name, str(error)))
    return None


def _tree(file: File, problems: list[Problem]) -> Element:
    content = text.read_bytes(file.path)
    try:
        tree: Element = ElementTree.fromstring(content)
    except (ParseError, LookupError, ValueError) as error:
        if isinstance(error, DefusedXmlException):
            raise
        decoded, encoding = _decode(content)
        if encoding == "utf-8":
            raise
        tree = ElementTree.fromstring(_DECLARATION.sub(r"\1", decoded))
        text.note_encoding(encoding, str(file.place), problems)
    return tree


def _decode(content: bytes) -> tuple[str, str]:
    """(text, encoding) where the parser gave up: as declared, for code pages of several bytes; else as it looks."""
    declared = _DECLARATION.match(content[:200].decode("latin-1"))
    if declared and declared[2].lower() not in ("utf-8", "utf8"):
        with suppress(LookupError, UnicodeDecodeError):
            return content.decode(declared[2]), declared[2]
    return text.decode(content)


def _object(element: Element, number: int) -> Labelled:
    """The object's class and its box as it stands; ValueError names what is missing."""
    class_name = (element.findtext("name") or "").strip()
    if not class_name:
        raise ValueError(f"object {number}: expected a class in <name>, got none")
    bounds = element.find("bndbox")
    edges = []
    for tag in ("xmin", "ymin", "xmax", "ymax"):
        found = (bounds.findtext(tag) if bounds is not None else None) or ""
        try:
            edges.append(float(found))
        except ValueError:
            raise ValueError(
                f"object {number} ({class_name}): expected a number in <{tag}>, got '{found[:80]}'"
            ) from None
    left, top, right, bottom = edges
    box: Box = (left, top, right, bottom)
    return Labelled(class_name, box, f"object {number} ({class_name})")


def _size(annotation: Element) -> tuple[int, int] | None:
    try:
        return int(annotation.findtext("size/width") or ""), int(annotation.findtext("size/height") or "")
    except ValueError:
        return None
