"""Shared by all readers: find the usable boxes of a picture, and build the data set with its fingerprint."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.boxes import IgnoredBoxes
from data.dataset import SPLITS, Dataset, Example, Problem, relative
from data.pictures import orientation
from data.pictures.picture_files import PictureError, PictureInfo, TruncatedPictureError, picture_info
from data.problems import LOST_BOXES, LOST_PICTURES, Place, Report
from data.readers import layouts, text_files
from data.readers.dataset_file import DatasetFile

Box = tuple[float, float, float, float]
Ignored = Literal["difficult", "crowd"]  # why a box does not count, as VOC and COCO mark it

_IGNORED = "not trained on, ignored in evaluation"


def picture_info_of(picture: DatasetFile, report: Report) -> PictureInfo | None:
    """The picture's size, orientation and digest; None, and a problem, if it cannot be read."""
    name = picture.relative_path
    try:
        info = picture_info(picture.path)
    except TruncatedPictureError:
        report.add("truncated_picture", name, "expected a whole picture, got a file that was cut short")
    except PictureError as error:
        report.add("broken_picture", name, str(error).removeprefix(f"{picture.path}: "))
    else:
        if info.holds_several:
            report.add("several_pages", name, "holds several pages or frames: the first one is used")
        return info
    return None


@dataclass(frozen=True)
class LabelledBox:
    """A box of a label file.

    box: xyxy. position: where it is in the file, in words. from_mask: whether it was computed from a polygon or mask.
    ignored: why it is neither trained on nor counted in evaluation; None if it is.
    """

    class_key: str | int
    box: Box
    position: str
    from_mask: bool = False
    ignored: Ignored | None = None


def turned_boxes(
    boxes: Sequence[LabelledBox],
    declared: tuple[int, int] | None,
    info: PictureInfo,
    place: Place,
) -> Sequence[LabelledBox]:
    """The boxes on the picture as it is decoded: turned with it if they were drawn on the stored picture.

    declared: the picture's (width, height) by the labels, which decides. A size that is neither that of the decoded nor
    of the stored picture is reported; None and sides of 0 say nothing.
    """
    if declared is None or min(declared) <= 0 or declared == (info.width, info.height):
        return boxes
    if declared != info.stored_size:
        sizes = f"declares {declared[0]}x{declared[1]}, the picture has {info.width}x{info.height}"
        place.add("wrong_size", f"{sizes}: the picture's size is used")
        return boxes
    detail = f"drawn on the picture as it is stored: turned with it (EXIF orientation {info.orientation})"
    place.add("turned_boxes", detail)
    return [
        replace(labelled, box=orientation.turned_box(labelled.box, *info.stored_size, info.orientation))
        for labelled in boxes
    ]


def usable_boxes(boxes: Iterable[LabelledBox], info: PictureInfo, place: Place) -> list[LabelledBox]:
    """The usable boxes of one picture; boxes that were fixed, were dropped or are to be ignored are reported."""
    unique: dict[tuple[object, ...], LabelledBox] = {}
    for labelled in boxes:
        where = place.at(labelled.position)
        usable = usable_box(labelled.box, info.width, info.height, where)
        if usable is None:
            continue
        # Hundredths of a pixel: two spellings of one box differ by less.
        key = (labelled.class_key, labelled.ignored, *(round(value, 2) for value in usable))
        if key in unique:
            where.add("duplicate_box", f"the same as {unique[key].position}; skipped")
        else:
            unique[key] = replace(labelled, box=usable)
            if labelled.ignored == "difficult":
                where.add("difficult_box", f"a difficult '{labelled.class_key}': {_IGNORED}")
            elif labelled.ignored == "crowd":
                where.add("crowd_box", f"a crowd of '{labelled.class_key}': {_IGNORED}")
    return list(unique.values())


def usable_box(box: Box, width: int, height: int, where: Place) -> Box | None:
    """The part of the box inside the picture; None if nothing usable is left. Each change is reported.

    box: xyxy in pixels. Up to a pixel beyond the picture is rounding, and cut without a problem. Corners in the wrong
    order are exchanged: the box was drawn from another corner.
    """
    if not all(math.isfinite(value) for value in box):
        where.add("malformed_box", f"expected numbers, got {spell(box)}; skipped")
        return None
    left, top, right, bottom = box
    if left == right or top == bottom:
        where.add("zero_area_box", f"no area in {spell(box)}; skipped")
        return None
    if right < left or bottom < top:
        where.add("inverted_box", f"corners of {spell(box)} exchanged")
        left, top, right, bottom = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        where.add("box_outside_picture", f"{spell(box)} is outside {width}x{height}; skipped")
        return None
    if max(abs(before - after) for before, after in zip((left, top, right, bottom), cut, strict=True)) > 1:
        where.add("clipped_box", f"{spell(box)} cut to the picture, {width}x{height}")
    # Corners are kept as float32, in which a sliver of a box may have no area.
    if np.float32(cut[0]) == np.float32(cut[2]) or np.float32(cut[1]) == np.float32(cut[3]):
        where.add("zero_area_box", f"no area in {spell(box)}; skipped")
        return None
    return cut


def make_example(
    picture: DatasetFile, info: PictureInfo, boxes: Iterable[LabelledBox], class_ids: Mapping[str | int, int]
) -> Example:
    """An Example from usable boxes. class_ids: their class_key -> class number."""
    counted: list[LabelledBox] = []
    ignored: list[LabelledBox] = []
    for labelled in boxes:
        (ignored if labelled.ignored else counted).append(labelled)

    def arrays(chosen: Sequence[LabelledBox]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        edges = np.array([labelled.box for labelled in chosen], dtype=np.float32).reshape(-1, 4)
        return edges, np.array([class_ids[labelled.class_key] for labelled in chosen], dtype=np.int32)

    crowd = np.array([labelled.ignored == "crowd" for labelled in ignored], dtype=np.bool_)
    edges, classes = arrays(counted)
    return Example(
        path=picture.path,
        width=info.width,
        height=info.height,
        boxes=edges,
        classes=classes,
        digest=info.digest,
        ignored=IgnoredBoxes(*arrays(ignored), crowd),
    )


def finish(
    root: Path,
    format_name: str,
    class_names: Sequence[str],
    splits: Mapping[str, Sequence[Example]],
    report: Report,
    unread_splits: Sequence[str] = (),
) -> Dataset:
    """Build the data set; DatasetError if a split is empty, there is no box, or all boxes look like another unit.

    unread_splits: splits that the data set has too, but that were not asked for. If it has only these, nothing is
    refused.
    """
    for split, examples in splits.items():
        if not examples:
            raise report.error(
                f"{root}: split '{split}': expected at least one usable labelled picture, got none"
                + report.reason(LOST_PICTURES)
            )
    boxes = [example.boxes for examples in splits.values() for example in examples if len(example.boxes)]
    if not boxes and (splits or not unread_splits):
        raise report.error(f"{root}: expected at least one usable box, got none{report.reason(LOST_BOXES)}")
    if boxes and format_name != "yolo" and all(of_picture.max() <= 1 for of_picture in boxes):
        raise report.error(
            f"{root}: expected boxes in pixels, got {sum(map(len, boxes))} that are all within one pixel and look like "
            "shares of the picture (0 to 1): multiply x by its width, y by its height, or export pixels"
        )
    layouts.check(format_name, splits, report)
    ordered = {split: tuple(splits[split]) for split in SPLITS if split in splits}
    return Dataset(
        root=root,
        format=format_name,
        class_names=tuple(class_names),
        splits=ordered,
        problems=tuple(report.problems),
        fingerprint=fingerprint(root, class_names, ordered),
        unread_splits=tuple(unread_splits),
    )


def similar_names(class_names: Sequence[str]) -> list[Problem]:
    """A note for each class whose name differs from an earlier one only in case, spaces or dashes."""
    first: dict[str, str] = {}
    return [
        Problem("similar_class_names", "", f"'{first[text_files.normalized(name)]}' and '{name}' are two classes")
        for name in class_names
        if first.setdefault(text_files.normalized(name), name) != name
    ]


def fingerprint(root: Path, class_names: Sequence[str], splits: Mapping[str, Sequence[Example]]) -> str:
    """sha256 over class names, splits, relative file names, labels and picture bytes.

    Ignored boxes are added only if there are some: data sets without them keep the fingerprint of earlier versions.
    """
    total = hashlib.sha256(json.dumps(list(class_names)).encode())
    for split in sorted(splits):
        for example in splits[split]:
            total.update(json.dumps([split, relative(example.path, root), example.width, example.height]).encode())
            total.update(example.boxes.astype("<f4").tobytes())
            total.update(example.classes.astype("<i4").tobytes())
            if len(example.ignored):
                total.update(b"ignored")
                total.update(example.ignored.boxes.astype("<f4").tobytes())
                total.update(example.ignored.classes.astype("<i4").tobytes())
                total.update(example.ignored.crowd.astype("u1").tobytes())
            total.update(example.digest or b"")
    return total.hexdigest()


def spell(box: Box) -> str:
    """The box's four edges, as problems show them."""
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"
