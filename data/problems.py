"""Every kind of problem in a data set: what becomes of what has it, and what a person can do about it.

Readers report problems to a `Report` while they read.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from data.dataset import DatasetError, Problem

Outcome = Literal["stops a search", "skipped", "fixed", "note"]

_REDRAW = "draw the box again, or delete it"
_MOVE = "keep it in one split"

KINDS: Mapping[str, tuple[Outcome, str]] = {
    "ambiguous_label": ("stops a search", "keep one label file for each picture"),
    "broken_annotation": ("stops a search", "write the label file again"),
    "class_out_of_range": ("stops a search", "correct the class, or name it in the list of classes"),
    "malformed_box": ("stops a search", _REDRAW),
    "label_sets": ("stops a search", "keep one set of labels in the folder"),
    "malformed_line": ("stops a search", "correct the line: class x y w h"),
    "other_layout": ("stops a search", "export the labels again, in the layout of the format"),
    "pixel_box": (
        "stops a search",
        "divide pixels by the picture's width and height, percentages by 100, or export as YOLO again",
    ),
    "relative_box": ("stops a search", "multiply by the picture's width and height, or export pixels"),
    "truncated_picture": ("stops a search", "copy the picture again"),
    "broken_link": ("skipped", "make the link again, or put the file there; else remove the link"),
    "box_outside_picture": ("skipped", _REDRAW),
    "broken_picture": ("skipped", "copy or convert the picture again"),
    "crowd_box": ("skipped", "nothing: a crowd is not a single object; it is ignored in evaluation"),
    "derived_file": ("skipped", "nothing, or move it among the pictures if it is one of them"),
    "difficult_box": (
        "skipped",
        "nothing, or set difficult to 0 to train on it and count it; it is ignored in evaluation",
    ),
    "duplicate_annotation": ("skipped", "keep one annotation for each picture"),
    "duplicate_box": ("skipped", "nothing, or delete one"),
    "duplicate_stem": ("skipped", "give each picture a name of its own"),
    "link_loop": ("skipped", "remove the link"),
    "missing_annotation": (
        "skipped",
        "label the picture; if it shows no object, it needs an annotation without objects",
    ),
    "missing_picture": ("skipped", "add the picture, or delete its label"),
    "other_json": ("skipped", "nothing: it belongs to another task"),
    "orphan_annotation": ("skipped", "correct image_id, or delete the annotation"),
    "repeated_link": ("skipped", "nothing; to use it as another split, copy what it leads to"),
    "unmarkable_box": ("skipped", "nothing, or convert to coco, which can mark them"),
    "unlisted_picture": ("skipped", "add it to a split, or leave it out"),
    "unread_picture": ("skipped", "convert them to JPEG or PNG, under the same names"),
    "unreadable_folder": ("skipped", "give read permission"),
    "zero_area_box": ("skipped", _REDRAW),
    "box_from_segmentation": ("fixed", "nothing, or export boxes too"),
    "clipped_box": ("fixed", "nothing, or draw the box again"),
    "equal_class_names": ("fixed", "nothing, or give each class a name of its own"),
    "in_two_splits": ("fixed", _MOVE),
    "inverted_box": ("fixed", "nothing, or draw the box again"),
    "likely_name": ("fixed", "nothing, or give picture and label the same name"),
    "listed_twice": ("fixed", _MOVE),
    "mended_path": ("fixed", "nothing, or correct the path"),
    "missing_class_names": ("fixed", "add a list of class names"),
    "narrow_range": ("fixed", "nothing, or export 8 bits with the brightness that you want"),
    "same_pictures": ("fixed", "nothing, or give each split pictures of its own"),
    "several_boxes": ("fixed", "look at them (`python -m data preview`): is each box an object?"),
    "text_encoding": ("fixed", "look at the class names; save as UTF-8 if they are wrong"),
    "turned_boxes": ("fixed", "look at the boxes (`python -m data preview`)"),
    "wrong_size": ("fixed", "look at the boxes: was the picture resized after labelling?"),
    "crowded_picture": ("note", "nothing, or raise input.max_boxes: which boxes are taken differs each time"),
    "decoder_warning": ("note", "look at the picture: a part may be missing or grey; save it again if it is intact"),
    "empty_label_file": ("note", "nothing, if the picture shows no object"),
    "keypoints_left_out": ("note", "nothing: boxes are learned, keypoints are not"),
    "missing_label_file": ("note", "nothing, if the picture shows no object"),
    "missing_split": ("note", "nothing, or add the pictures"),
    "near_duplicate": ("note", "keep both in one split: scores on copies of training pictures are too high"),
    "output_labels": ("note", "nothing if a person has corrected them; otherwise a detector learns its own mistakes"),
    "several_pages": ("note", "nothing if the first page is the picture; else save each page as a file of its own"),
    "similar_class_names": ("note", "nothing, or give both the same name if they are one class"),
    "split_cut": ("note", "nothing, or provide a split of your own"),
    "unclear_split": ("note", "nothing, or name the folder or file train, val or test"),
    "unused_category": ("note", "nothing"),
}

# A search refuses a data set with these: its labels and pictures were meant to be used, and some would be lost.
FATAL = frozenset(kind for kind, (outcome, _) in KINDS.items() if outcome == "stops a search")
# Problems that lose a box of a label file.
LOST_BOXES = frozenset(
    {kind for kind, (outcome, _) in KINDS.items() if kind.endswith("_box") and outcome in ("stops a search", "skipped")}
    | {"malformed_line", "class_out_of_range", "broken_annotation", "orphan_annotation"}
)
# Problems that lose a picture.
LOST_PICTURES = frozenset(
    {"broken_picture", "truncated_picture", "missing_picture", "missing_annotation", "broken_annotation"}
)
_ORDER: tuple[Outcome, ...] = ("stops a search", "skipped", "fixed", "note")


class Report:
    """The problems of a data set in the order in which they were reported."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems = list(problems)

    def add(self, kind: str, file: PurePath | str, detail: str) -> None:
        """Report a problem of this file, whose path is relative to the data set's root; empty: of no single file."""
        self.problems.append(Problem(kind, str(file), detail))

    def include(self, *problems: Problem) -> None:
        """Report these problems."""
        self.problems += problems

    def at(self, file: PurePath | str) -> "Place":
        """The file, to report problems at; its `at` names a position in it, such as "line 3"."""
        return Place(self, file)

    def error(self, message: str) -> DatasetError:
        """The error to raise if the data set cannot be used, with the problems so far."""
        return DatasetError(message, tuple(self.problems))

    def reason(self, kinds: Container[str]) -> str:
        """The most frequent of these kinds of problems, with its first example, as an addition to a sentence."""
        first: dict[str, Problem] = {}
        for problem in self.problems:
            first.setdefault(problem.kind, problem)
        counts = Counter(problem.kind for problem in self.problems)
        lost = Counter({kind: count for kind, count in counts.items() if kind in kinds})
        if not lost:
            empty = counts["empty_label_file"]
            return f": {empty} label files are empty" if empty else ""
        kind, count = lost.most_common(1)[0]
        return f": {count} x {kind}, the first in {first[kind].file}: {first[kind].detail}"


@dataclass(frozen=True)
class Place:
    """A file of a data set, or a position in it, whose problems are reported with its name."""

    report: Report
    file: PurePath | str
    position: str = ""

    def add(self, kind: str, what: str) -> None:
        """Report a problem at this place."""
        self.report.add(kind, self.file, f"{self.position}: {what}" if self.position else what)

    def at(self, position: str) -> "Place":
        """A position in the same file."""
        return Place(self.report, self.file, position)


def rank(kind: str) -> int:
    """The position of a kind when problems are sorted by severity, the most severe first."""
    return _ORDER.index(KINDS[kind][0])
