"""What all readers share: which boxes are usable, and the finished data set with its fingerprint."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.pictures import PictureError, TruncatedPictureError, picture_size

# Of a larger file its size and both ends are hashed: enough to notice another picture, and quick.
_WHOLE_FILE_BYTES = 1 << 20

FOLDER_NAMES = {
    "train": ("train", "training", "train2017", "train2014"),
    "val": ("val", "valid", "validation", "val2017", "val2014"),
    "test": ("test", "testing", "test2017"),
}

Box = tuple[float, float, float, float]


def relative(path: Path, root: Path) -> str:
    """The file's name as problems show it: from the data set's root, with forward slashes."""
    return Path(os.path.relpath(path, root)).as_posix()


def size_of(picture: Path, root: Path, problems: list[Problem]) -> tuple[int, int] | None:
    """The picture's size, or None and a problem when it cannot be read."""
    try:
        return picture_size(picture)
    except TruncatedPictureError:
        name = relative(picture, root)
        problems.append(Problem("truncated_picture", name, "expected a whole picture, got a file that was cut short"))
        return None
    except PictureError as error:
        problems.append(Problem("broken_picture", relative(picture, root), str(error)))
        return None


def usable_box(box: Box, width: int, height: int, where: Problem, problems: list[Problem]) -> Box | None:
    """The part of the box inside the picture, or None; what was cut or dropped joins the problems.

    where: names file and place (kind is filled in here). Excess of up to a pixel is rounding, and cut in silence.
    """
    left, top, right, bottom = box
    if not all(math.isfinite(value) for value in box):
        problems.append(Problem("malformed_box", where.file, f"{where.detail}: expected numbers, got {box}; skipped"))
        return None
    if right <= left or bottom <= top:
        problems.append(Problem("zero_area_box", where.file, f"{where.detail}: no area in {_spell(box)}; skipped"))
        return None
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        problems.append(
            Problem(
                "box_outside_picture",
                where.file,
                f"{where.detail}: {_spell(box)} lies outside {width}x{height}; skipped",
            )
        )
        return None
    if max(abs(before - after) for before, after in zip(box, cut, strict=True)) > 1:
        problems.append(
            Problem("clipped_box", where.file, f"{where.detail}: {_spell(box)} cut to the picture, {width}x{height}")
        )
    return cut


def make_example(picture: Path, size: tuple[int, int], boxes: Sequence[Box], classes: Sequence[int]) -> Example:
    """An Example from plain lists."""
    return Example(
        path=picture,
        width=size[0],
        height=size[1],
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=np.array(classes, dtype=np.int32),
    )


def finish(
    root: Path,
    format_name: str,
    class_names: Sequence[str],
    splits: Mapping[str, Sequence[Example]],
    problems: Sequence[Problem],
) -> Dataset:
    """The data set, once nothing is left that makes it useless: an empty split, no box at all."""
    for split, examples in splits.items():
        if not examples:
            raise DatasetError(
                f"{root}: split '{split}' is there but holds nothing usable, expected at least one labelled picture",
                tuple(problems),
            )
    if not any(len(example.boxes) for examples in splits.values() for example in examples):
        raise DatasetError(f"{root}: expected at least one usable box, got none", tuple(problems))
    ordered = {split: tuple(splits[split]) for split in SPLITS if split in splits}
    return Dataset(
        root=root,
        format=format_name,
        class_names=tuple(class_names),
        splits=ordered,
        problems=tuple(problems),
        fingerprint=fingerprint(root, class_names, ordered),
    )


def fingerprint(root: Path, class_names: Sequence[str], splits: Mapping[str, Sequence[Example]]) -> str:
    """sha256 over class names, splits, file names, labels and picture bytes; the same wherever the folder lies."""
    total = hashlib.sha256(json.dumps(list(class_names)).encode())
    for split in sorted(splits):
        for example in splits[split]:
            total.update(json.dumps([split, relative(example.path, root), example.width, example.height]).encode())
            total.update(example.boxes.astype("<f4").tobytes())
            total.update(example.classes.astype("<i4").tobytes())
            total.update(_picture_digest(example.path))
    return total.hexdigest()


def _picture_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(str(size).encode())
        if size <= _WHOLE_FILE_BYTES:
            digest.update(file.read())
        else:
            digest.update(file.read(_WHOLE_FILE_BYTES // 2))
            file.seek(-_WHOLE_FILE_BYTES // 2, os.SEEK_END)
            digest.update(file.read())
    return digest.digest()


def _spell(box: Box) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"
