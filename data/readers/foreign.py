"""Recognize files in a form that no reader reads, by suffix or content, and say in words what to do with them.

Known forms: labels of LabelMe, CVAT, Label Studio, Supervisely, VGG Image Annotator, VoTT, CreateML, Datumaro, V7,
Labelbox, BDD100K, dlib, KITTI and DOTA; other lines and tables of boxes; results of a detector; TFRecord and other
files of many pictures; archives; pointers of Git LFS.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from data.readers import text_files
from data.readers.name_matching import AnyFile

_LOOK_AT = 20  # of the files of each suffix, how many are examined
_MAX_BYTES = 64 << 20  # the content of larger files is not read

_EXPORT = "export from there as COCO, YOLO or Pascal VOC"
_CONVERT = "convert them to COCO, YOLO or Pascal VOC"

_BY_ENDING = {
    **dict.fromkeys(
        (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"),
        "an archive: unpack it, and name the resulting folder",
    ),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".record"), f"TFRecord: unpack pictures and boxes, and {_CONVERT}"),
    **dict.fromkeys((".parquet", ".arrow"), f"a table that holds pictures: unpack them, and {_CONVERT}"),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".mdb", ".rec"), f"a file of many pictures: unpack them, and {_CONVERT}"),
}
_TABLES = (".csv", ".tsv")
ENDINGS = frozenset((*_BY_ENDING, *_TABLES))  # of files that no reader uses

# Keys that a JSON mapping has -> what wrote it.
_MAPPINGS = (
    (("shapes", "imagePath"), f"LabelMe's JSON: {_CONVERT} (its examples have labelme2voc.py and labelme2coco.py)"),
    (("shapes", "version"), f"LabelMe's JSON: {_CONVERT} (its examples have labelme2voc.py and labelme2coco.py)"),
    (("_via_img_metadata",), f"a project of VGG Image Annotator: {_EXPORT}"),
    (("asset", "regions"), f"VoTT's JSON: {_EXPORT}"),
    (("objects", "size"), f"Supervisely's JSON: {_EXPORT}"),
    (("categories", "items"), f"Datumaro's JSON: {_CONVERT} (`datum convert -f coco`)"),
    (("item", "annotations"), f"V7 Darwin's JSON: {_EXPORT}"),
    (("frames",), f"JSON of BDD100K's or Scalabel's form: {_CONVERT}"),
)
# Keys that the first mapping of a JSON list has -> what wrote it.
_LISTS = (
    (("data", "annotations"), f"Label Studio's JSON: {_EXPORT}"),
    (("data", "completions"), f"Label Studio's JSON: {_EXPORT}"),
    (("image", "annotations"), f"CreateML's JSON: {_CONVERT}"),
    (("imagefilename", "annotation"), f"CreateML's JSON: {_CONVERT}"),
    (("External ID", "Label"), f"Labelbox' JSON: {_EXPORT}"),
    (("name", "labels"), f"JSON of BDD100K's or Scalabel's form: {_CONVERT}"),
    (("image_id", "bbox"), "results of a detector, not labels: add the file of labels"),
    (("image", "label"), f"Label Studio's short JSON: {_EXPORT}"),
)
# (an XML's root element, an element inside it, what wrote it)
_XML = (
    (rb"<annotations[\s>]", rb"<(image|track)[\s>]", f"CVAT's XML: {_EXPORT}"),
    (rb"<dataset[\s>]", rb"<box[\s>]", f"dlib's (imglab's) XML: {_CONVERT}"),
)
_POINTER = b"version https://git-lfs"
# Forms of a line, with an example of each.
# Car 0 0 -1.58 587 173 614 200 1.65 1.67 3.64 -0.65 1.7 46 -1.59
_KITTI = re.compile(r"[A-Za-z]\S*( -?\d[\d.]*){14,15}")
# 10 10 50 10 50 40 10 40 plane 0
_DOTA = re.compile(r"(-?\d[\d.]* ){8}\S*[A-Za-z]\S* [012]|imagesource:.*")
# 0, 0.5, 0.5, 0.2, 0.2
_COMMAS = re.compile(r"\d+, *-?\d*\.?\d+(, *-?\d*\.?\d+){3,}")
# 0; 0.5; 0.5; 0.2; 0.2
_SEMICOLONS = re.compile(r"\d+(; *-?\d*\.?\d+){4,}")
# 0 0,5 0,5 0,2 0,2
_DECIMAL_COMMAS = re.compile(r"\d+( -?\d+,\d+){4,}")
# car 0.5 0.5 0.2 0.2
_NAMED = re.compile(r"[^\d\s.-]\S*( -?\d*\.?\d+){4}")
# a.jpg 10,20,30,40,0 50,60,70,80,1 (keras-yolo3)
_LINES_OF_BOXES = re.compile(r"\S+\.(jpe?g|png|bmp)[ ,]\d+,\d+,\d+,\d+,\S+.*", re.IGNORECASE)

_COLUMNS = re.compile(r"x_?min|x1|bbox|left", re.IGNORECASE)  # in the first line of a table


def describe_first(files: Iterable[AnyFile]) -> str | None:
    """In words: the first file of a known form, how many more have its suffix, what to do; None if there is none."""
    files = list(files)
    counts = Counter(_ending(file) for file in files)
    looked: Counter[str] = Counter()
    for file in files:
        looked[_ending(file)] += 1
        what = _form(file) if looked[_ending(file)] <= _LOOK_AT else None
        if what:
            count = counts[_ending(file)]
            return f"{file.relative_path}{f' and {count - 1} more {_ending(file)} files' if count > 1 else ''}: {what}"
    return None


def describe_ending(ending: str) -> str | None:
    """What a file with this suffix (with the dot) is, and what to do; None if the suffix is not known."""
    return _BY_ENDING.get(ending.lower())


def describe_line(line: str) -> str | None:
    """What form a line of text with a box has, and what to do; None if the form is not known."""
    if line.startswith(_POINTER.decode()):
        return "a pointer of Git LFS: `git lfs pull` fetches the file"
    if _COMMAS.fullmatch(line):
        return "lines with commas between the numbers: put spaces there"
    if _SEMICOLONS.fullmatch(line):
        return "lines with semicolons between the numbers: put spaces there"
    if _DECIMAL_COMMAS.fullmatch(line):
        return "numbers with decimal commas: write points"
    if _NAMED.fullmatch(line):
        return "lines with class names: write numbers instead, from 0, in the order of the list of names"
    if _KITTI.fullmatch(line):
        return f"KITTI's labels: {_CONVERT}"
    if _DOTA.fullmatch(line):
        return f"DOTA's labels: {_CONVERT}"
    return f"lines of pictures with their boxes: {_CONVERT}" if _LINES_OF_BOXES.fullmatch(line) else None


def _ending(file: AnyFile) -> str:
    return file.relative_path.suffix.lower()


def _form(file: Any) -> str | None:  # Any, as the protocol behind AnyFile has no `path`
    by_ending = describe_ending(_ending(file))
    if by_ending:
        return by_ending
    try:
        content = text_files.read_bytes(file.path, _MAX_BYTES)
        if content.startswith(_POINTER):
            return "a pointer of Git LFS: `git lfs pull` fetches the file"
        if _ending(file) == ".xml":
            return next(
                (what for root, inner, what in _XML if re.search(root, content) and re.search(inner, content)), None
            )
        if _ending(file) == ".json":
            return _json_form(json.loads(text_files.decode(content)[0]))
        first = next((line.strip() for line in text_files.decode(content)[0].splitlines() if line.strip()), "")
    except (ValueError, RecursionError):  # broken, unreadable or too large: no known form
        return None
    if _ending(file) in _TABLES:
        return f"a table of boxes: {_CONVERT}" if _COLUMNS.search(first) else None
    return describe_line(first)


def _json_form(document: object) -> str | None:
    if isinstance(document, dict):
        inner = next(iter(document.values()), None)
        if isinstance(inner, dict) and {"filename", "regions"} <= inner.keys():
            return f"JSON of VGG Image Annotator: {_EXPORT}"
        return _by_keys(document, _MAPPINGS)
    first = document[0] if isinstance(document, list) and document else None
    return _by_keys(first, _LISTS) if isinstance(first, dict) else None


def _by_keys(mapping: dict[str, Any], forms: Sequence[tuple[Sequence[str], str]]) -> str | None:
    return next((what for keys, what in forms if all(key in mapping for key in keys)), None)
