"""Every kind of problem that the readers name: what became of it, and what a person can do about it."""

from collections.abc import Mapping
from typing import Literal

Outcome = Literal["stops a search", "skipped", "mended", "note"]

_REDRAW = "draw the box again, or delete it"
_MOVE = "keep it in one split"

KINDS: Mapping[str, tuple[Outcome, str]] = {
    "ambiguous_label": ("stops a search", "keep one label file a picture"),
    "broken_annotation": ("stops a search", "write the label file anew"),
    "class_out_of_range": ("stops a search", "correct the class, or name it in the list of classes"),
    "malformed_box": ("stops a search", _REDRAW),
    "label_sets": ("stops a search", "keep one set of labels in the folder"),
    "malformed_line": ("stops a search", "correct the line: class x y w h"),
    "other_layout": ("stops a search", "export the labels again, in the layout of the format"),
    "pixel_box": ("stops a search", "divide by the picture's width and height, or export as YOLO again"),
    "relative_box": ("stops a search", "multiply by the picture's width and height, or export pixels"),
    "truncated_picture": ("stops a search", "copy the picture again"),
    "box_outside_picture": ("skipped", _REDRAW),
    "broken_picture": ("skipped", "copy or convert the picture again"),
    "crowd_box": ("skipped", "nothing: a crowd is no single object"),
    "derived_file": ("skipped", "nothing, or move it among the pictures if it is one of them"),
    "duplicate_annotation": ("skipped", "keep one annotation a picture"),
    "duplicate_box": ("skipped", "nothing, or delete one"),
    "duplicate_stem": ("skipped", "give each picture a name of its own"),
    "link_loop": ("skipped", "remove the link"),
    "missing_annotation": ("skipped", "label the picture; one without objects needs an annotation without any"),
    "missing_picture": ("skipped", "add the picture, or delete its label"),
    "other_json": ("skipped", "nothing: it is of another task"),
    "orphan_annotation": ("skipped", "correct image_id, or delete the annotation"),
    "repeated_link": ("skipped", "nothing, or copy what it leads to if it is to be another split"),
    "unlisted_picture": ("skipped", "add it to a split, or leave it out"),
    "unread_picture": ("skipped", "convert them to JPEG or PNG, under the same names"),
    "unreadable_folder": ("skipped", "allow its reading"),
    "zero_area_box": ("skipped", _REDRAW),
    "box_from_segmentation": ("mended", "nothing, or export boxes too"),
    "clipped_box": ("mended", "nothing, or draw the box again"),
    "equal_class_names": ("mended", "nothing, or give each class a name of its own"),
    "in_two_splits": ("mended", _MOVE),
    "inverted_box": ("mended", "nothing, or draw the box again"),
    "likely_name": ("mended", "nothing, or give picture and label one name"),
    "listed_twice": ("mended", _MOVE),
    "mended_path": ("mended", "nothing, or correct the path"),
    "missing_class_names": ("mended", "add a list of class names"),
    "narrow_range": ("mended", "nothing, or export 8 bits as they are to be seen"),
    "same_pictures": ("mended", "nothing, or name pictures of its own for each split"),
    "several_boxes": ("mended", "look at them (`python -m data preview`): are they as many objects?"),
    "text_encoding": ("mended", "look at the class names; save as UTF-8 if they are wrong"),
    "turned_boxes": ("mended", "look at the boxes (`python -m data preview`)"),
    "wrong_size": ("mended", "look at the boxes: was the picture resized after labelling?"),
    "crowded_picture": ("note", "nothing, or raise input.max_boxes: which ones are taken differs each time"),
    "decoder_warning": ("note", "look at the picture: a part may be missing or grey; save it anew if it is well"),
    "empty_label_file": ("note", "nothing, if the picture shows no object"),
    "keypoints_left_out": ("note", "nothing: boxes are learned, poses are not"),
    "missing_label_file": ("note", "nothing, if the picture shows no object"),
    "missing_split": ("note", "nothing, or add the pictures"),
    "near_duplicate": ("note", "keep both in one split: scores on copies flatter"),
    "output_labels": ("note", "nothing, if a person has corrected them: a detector learns its own mistakes"),
    "similar_class_names": ("note", "nothing, or give both one name if they are one class"),
    "split_cut": ("note", "nothing, or bring a split of your own"),
    "unused_category": ("note", "nothing"),
}

# What a search does not train on: someone meant these labels and pictures, and not what would be left of them.
FATAL = frozenset(kind for kind, (outcome, _) in KINDS.items() if outcome == "stops a search")
# What costs a box that a label file has.
LOST_BOXES = frozenset(
    {kind for kind, (outcome, _) in KINDS.items() if kind.endswith("_box") and outcome in ("stops a search", "skipped")}
    | {"malformed_line", "class_out_of_range", "broken_annotation"}
)
# What costs a picture.
LOST_PICTURES = frozenset(
    {"broken_picture", "truncated_picture", "missing_picture", "missing_annotation", "broken_annotation"}
)
_ORDER: tuple[Outcome, ...] = ("stops a search", "skipped", "mended", "note")


def rank(kind: str) -> int:
    """The gravest first."""
    return _ORDER.index(KINDS[kind][0])
