"""Recognize boxes whose four numbers mean something else than the format says, from all boxes of a data set together.

Two corners that are read as a corner and sides, or as a centre and sides, give boxes that reach beyond their pictures.
A corner and sides that are read as two corners often give the corners in the wrong order. One such box is a slip; a
third of all boxes means another layout.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from data.dataset import Example
from data.problems import Report

_MIN_BOXES = 10  # fewer are no evidence
_SHARE = 1 / 3


def check(format_name: str, splits: Mapping[str, Sequence[Example]], report: Report) -> None:
    """Report if the boxes, as they were read, look like those of another layout.

    Boxes that were cut or turned round are counted in the report.
    """
    kinds = [problem.kind for problem in report.problems]
    if "other_layout" in kinds:
        return
    examples = [example for members in splits.values() for example in members if len(example.boxes)]
    if not examples:
        return
    boxes = np.concatenate([example.boxes for example in examples]).astype(np.float64)
    sides = np.concatenate([np.tile([e.width, e.height], (len(e.boxes), 1)) for e in examples])
    odd = kinds.count("inverted_box" if format_name == "voc" else "clipped_box")
    if len(boxes) < _MIN_BOXES or odd < _SHARE * len(boxes):
        return
    looks_so, hint = {
        "voc": (_like_sides, "xmax and ymax look like a width and a height"),
        "coco": (_like_corners, "bbox looks like [x1, y1, x2, y2], where [x, y, width, height] is expected"),
        "yolo": (
            _like_corners_round_a_centre,
            "lines look like 'class x1 y1 x2 y2', where 'class x y w h' is expected",
        ),
    }[format_name]
    if not looks_so(boxes[:, :2], boxes[:, 2:], sides):
        return
    what = "have their corners in the wrong order" if format_name == "voc" else "reach beyond their pictures"
    report.add("other_layout", "", f"{odd} of {len(boxes)} boxes {what}: {hint}; export the labels again")


def _like_sides(first: np.ndarray, second: np.ndarray, sides: np.ndarray) -> bool:
    """Whether x + width and y + height, even if exchanged when read, are inside every picture."""
    return bool((first + second <= sides + 1).all())


def _like_corners(first: np.ndarray, second: np.ndarray, sides: np.ndarray) -> bool:
    """Whether each box that was not cut is wider than its left x, and higher than its top y."""
    return bool(((second - first > first) | (second >= sides - 1)).all())


def _like_corners_round_a_centre(first: np.ndarray, second: np.ndarray, sides: np.ndarray) -> bool:
    """Whether each box that was not cut is wider than its centre's x, and higher than its centre's y."""
    cut = (first <= 1) | (second >= sides - 1)
    return bool(((second - first > (first + second) / 2) | cut).all())
