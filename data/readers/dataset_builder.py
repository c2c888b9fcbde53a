"""What all readers share: which boxes are usable, and the finished data set with its fingerprint."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.dataset import SPLITS, Dataset, DatasetError, Example, Problem, relative
from data.pictures import orientation
from data.pictures.picture_files import PictureError, PictureInfo, TruncatedPictureError, picture_info
from data.problems import LOST_BOXES, LOST_PICTURES
from data.readers import layouts, text_files
from data.readers.files import File

Box = tuple[float, float, float, float]


def picture_info_of(picture: File, problems: list[Problem]) -> PictureInfo | None:
    """The picture's size and orientation, or None and a problem when it cannot be read."""
    name = str(picture.place)
    try:
        info = picture_info(picture.path)
    except TruncatedPictureError:
        problems.append(Problem("truncated_picture", name, "expected a whole picture, got a file that was cut short"))
    except PictureError as error:
        problems.append(Problem("broken_picture", name, str(error).removeprefix(f"{picture.path}: ")))
    else:
        return info
    return None


@dataclass(frozen=True)
class Labelled:
    """A box as a label file has it. place: where in the file, in words. from_mask: whether it is the box around one."""

    class_key: str | int
    box: Box
    place: str
    from_mask: bool = False


def turned_boxes(
    found: Sequence[Labelled], declared: tuple[int, int] | None, info: PictureInfo, name: str, problems: list[Problem]
) -> Sequence[Labelled]:
    """The boxes on the picture as it is decoded: turned with it where they were drawn before it was turned.

    The size that the labels declare tells it. One that is neither that of the picture as decoded nor as stored joins
    the problems; a missing one, or 0, says nothing.
    """
    if declared is None or min(declared) <= 0 or declared == (info.width, info.height):
        return found
    if declared != info.stored_size:
        sizes = f"declares {declared[0]}x{declared[1]}, the picture has {info.width}x{info.height}"
        problems.append(Problem("wrong_size", name, f"{sizes}: the picture decides"))
        return found
    detail = f"drawn on the picture as it is stored: turned with it (EXIF orientation {info.orientation})"
    problems.append(Problem("turned_boxes", name, detail))
    return [replace(each, box=orientation.turned_box(each.box, *info.stored_size, info.orientation)) for each in found]


def usable_boxes(found: Iterable[Labelled], info: PictureInfo, name: str, problems: list[Problem]) -> list[Labelled]:
    """The boxes of one picture as they can be trained on; what was mended or dropped joins the problems."""
    kept: dict[tuple[object, ...], Labelled] = {}
    for labelled in found:
        where = Problem("", name, labelled.place)
        usable = usable_box(labelled.box, info.width, info.height, where, problems)
        if usable is None:
            continue
        # Hundredths of a pixel: two spellings of one box differ by less.
        key = (labelled.class_key, *(round(value, 2) for value in usable))
        if key in kept:
            problems.append(Problem("duplicate_box", name, f"{where.detail}: the same as {kept[key].place}; skipped"))
        else:
            kept[key] = replace(labelled, box=usable)
    return list(kept.values())


def usable_box(box: Box, width: int, height: int, where: Problem, problems: list[Problem]) -> Box | None:
    """The part of the box inside the picture, or None; what was cut or dropped joins the problems.

    where: names file and place (kind is filled in here). Excess of up to a pixel is rounding, and cut in silence.
    Corners in the wrong order are exchanged: the box was drawn from its other corner.
    """

    def report(kind: str, what: str) -> None:
        problems.append(Problem(kind, where.file, f"{where.detail}: {what}"))

    if not all(math.isfinite(value) for value in box):
        report("malformed_box", f"expected numbers, got {spell(box)}; skipped")
        return None
    left, top, right, bottom = box
    if left == right or top == bottom:
        report("zero_area_box", f"no area in {spell(box)}; skipped")
        return None
    if right < left or bottom < top:
        report("inverted_box", f"corners of {spell(box)} exchanged")
        left, top, right, bottom = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        report("box_outside_picture", f"{spell(box)} lies outside {width}x{height}; skipped")
        return None
    if max(abs(before - after) for before, after in zip((left, top, right, bottom), cut, strict=True)) > 1:
        report("clipped_box", f"{spell(box)} cut to the picture, {width}x{height}")
    # Corners are kept as float32, in which a sliver of a box may have no area.
    if np.float32(cut[0]) == np.float32(cut[2]) or np.float32(cut[1]) == np.float32(cut[3]):
        report("zero_area_box", f"no area in {spell(box)}; skipped")
        return None
    return cut


def make_example(picture: File, info: PictureInfo, boxes: Sequence[Box], classes: Sequence[int]) -> Example:
    """An Example from plain lists."""
    return Example(
        path=picture.path,
        width=info.width,
        height=info.height,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=np.array(classes, dtype=np.int32),
        digest=info.digest,
    )


def finish(
    root: Path,
    format_name: str,
    class_names: Sequence[str],
    splits: Mapping[str, Sequence[Example]],
    problems: Sequence[Problem],
    unread_splits: Sequence[str] = (),
) -> Dataset:
    """The data set, once nothing is left that makes it useless: an empty split, no box at all.

    unread_splits: those that it has too, and that nobody needed. With these alone there is nothing to refuse.
    """
    for split, examples in splits.items():
        if not examples:
            raise DatasetError(
                f"{root}: split '{split}' is there but holds nothing usable, expected at least one labelled picture"
                + reason(problems, LOST_PICTURES),
                tuple(problems),
            )
    boxes = [example.boxes for examples in splits.values() for example in examples if len(example.boxes)]
    if not boxes and (splits or not unread_splits):
        raise DatasetError(
            f"{root}: expected at least one usable box, got none{reason(problems, LOST_BOXES)}", tuple(problems)
        )
    if boxes and format_name != "yolo" and all(found.max() <= 1 for found in boxes):
        raise DatasetError(
            f"{root}: expected boxes in pixels, got {sum(map(len, boxes))} that all lie within one pixel and look like "
            "shares of the picture (0 to 1): multiply x by its width, y by its height, or export pixels",
            tuple(problems),
        )
    problems = [*problems, *layouts.problems(format_name, splits, problems)]
    ordered = {split: tuple(splits[split]) for split in SPLITS if split in splits}
    return Dataset(
        root=root,
        format=format_name,
        class_names=tuple(class_names),
        splits=ordered,
        problems=tuple(problems),
        fingerprint=fingerprint(root, class_names, ordered),
        unread_splits=tuple(unread_splits),
    )


def similar_names(class_names: Sequence[str]) -> list[Problem]:
    """A note for each class whose name differs from that of another one in case, spaces or dashes alone."""
    first: dict[str, str] = {}
    return [
        Problem("similar_class_names", "", f"'{first[text_files.plain(name)]}' and '{name}' are two classes")
        for name in class_names
        if first.setdefault(text_files.plain(name), name) != name
    ]


def reason(problems: Sequence[Problem], kinds: Container[str]) -> str:
    """Why most pictures or boxes were lost, by problems of these kinds, with an example; empty if none was lost."""
    lost = [problem for problem in problems if problem.kind in kinds]
    if not lost:
        empty = sum(problem.kind == "empty_label_file" for problem in problems)
        return f": {empty} label files are empty" if empty else ""
    kind, count = Counter(problem.kind for problem in lost).most_common(1)[0]
    first = next(problem for problem in lost if problem.kind == kind)
    return f": {count} x {kind}, the first in {first.file}: {first.detail}"


def fingerprint(root: Path, class_names: Sequence[str], splits: Mapping[str, Sequence[Example]]) -> str:
    """sha256 over class names, splits, file names, labels and picture bytes; the same wherever the folder lies."""
    total = hashlib.sha256(json.dumps(list(class_names)).encode())
    for split in sorted(splits):
        for example in splits[split]:
            total.update(json.dumps([split, relative(example.path, root), example.width, example.height]).encode())
            total.update(example.boxes.astype("<f4").tobytes())
            total.update(example.classes.astype("<i4").tobytes())
            total.update(example.digest or b"")
    return total.hexdigest()


def spell(box: Box) -> str:
    """The four edges, as problems show them."""
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"
