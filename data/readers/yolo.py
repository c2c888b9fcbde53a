"""YOLO and Darknet text labels: a .txt a picture, and class names in data.yaml, obj.data, obj.names or classes.txt.

The label of a picture lies in `labels` for `images`, or beside the picture, or anywhere under the same stem. A picture
without a label file, or with an empty one, holds no objects (Darknet's rule). Boxes are relative to the picture as
people see it, turned as its EXIF says: nothing in this format says what the annotator saw, and today's tools turn it.
"""

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.readers import (
    aside,
    assemble,
    leftovers,
    pairing,
    yolo_config,
    yolo_labels,
    yolo_names,
    yolo_paths,
    yolo_splits,
)
from data.readers.folder import File, Folder
from data.readers.name_forms import Likeliest
from data.readers.pairing import Pairs
from data.readers.split_names import split_called

_WORDS = pairing.Words(is_label=yolo_labels.looks_like_labels)


def joins(folder: Folder) -> bool:
    """Whether one of the label files belongs to one of the pictures, or may belong to several."""
    described = any(yolo_config.is_config(file) for file in folder.others)
    labels = _labels(folder)
    pairs = pairing.pair(folder, labels, _WORDS)
    joined = [label for label in labels if label.place in pairs.picture_of or label.place in pairs.ties]
    # With class names beside it a broken or empty label is one all the same.
    return any(described or yolo_labels.looks_like_labels(label) for label in joined)


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with the splits that are needed; DatasetError when nothing of them can be used."""
    problems = list(folder.problems)
    source = yolo_config.find(folder)
    config = yolo_config.read(folder, source, problems) if source else None
    named = yolo_paths.named(folder, config, needed, problems) if config else {}
    places = {place for pictures in named.values() for place in pictures}
    labels = _labels(folder)
    pairs = pairing.pair(folder, labels, _WORDS, first=places)
    leftovers.refuse_ties(folder, labels, pairs)
    unused = aside.aside(folder, pairs, places)
    splits = yolo_splits.complete(folder, config, named, pairs.label_of, unused, needed, problems)
    num_classes = len(config.class_names) if config else None
    open_labels = leftovers.without_picture(labels, pairs)
    examples = {
        split: _examples(pictures, pairs, open_labels, num_classes, problems)
        for split, pictures in splits.items()
        if split in needed
    }
    folders = {label.place.parent for label in pairs.label_of.values()}
    class_names = config.class_names if config else _numbered(folder, pairs, examples, problems)
    # An empty file is a label if it lies among labels.
    leftovers.name_labels(
        folder,
        labels,
        pairs,
        lambda label: yolo_labels.looks_like_labels(label, or_empty=label.place.parent in folders),
        problems,
    )
    unread = [split for split in splits if split not in examples]
    return assemble.finish(folder.root, "yolo", class_names, examples, problems, unread)


def _labels(folder: Folder) -> list[File]:
    """The text files that may be labels: not those that describe the data set, and no lists."""
    return [file for file in folder.of_kind(".txt") if not _is_special(folder, file)]


def _is_special(folder: Folder, file: File) -> bool:
    """Whether this text is known to hold something else than labels; a picture may be called train.jpg, too."""
    if yolo_config.is_config(file):
        return True
    other = split_called(file.place.stem) is not None or "readme" in file.place.stem.lower()
    return other and not (folder.knows(file.place.stem) and yolo_labels.looks_like_labels(file, or_empty=True))


def _numbered(
    folder: Folder, pairs: Pairs, examples: dict[str, list[Example]], problems: list[Problem]
) -> tuple[str, ...]:
    """Numbers for the names that nobody gave."""
    if not pairs.label_of:
        raise DatasetError(f"{folder.root}: expected YOLO label files (.txt) with the pictures' names, found none")
    highest = max((int(e.classes.max(initial=-1)) for found in examples.values() for e in found), default=-1)
    first = min(pairs.label_of.values(), key=lambda label: label.place)
    return yolo_names.numbered(highest + 1, first, problems)


def _examples(
    pictures: Sequence[File], pairs: Pairs, open_labels: Likeliest, num_classes: int | None, problems: list[Problem]
) -> list[Example]:
    """The usable pictures with their boxes."""
    examples = []
    for picture in pictures:
        label = pairs.label_of.get(picture.place)
        frame = assemble.frame_of(picture, problems)
        if frame is None:
            continue
        if label is None:
            detail = (
                "no label file"
                + leftovers.likeliest(open_labels.to(picture.place.stem))
                + ": read as a picture without objects"
            )
            problems.append(Problem("missing_label_file", str(_expected_place(picture)), detail))
        boxes = yolo_labels.read(label, frame, num_classes, problems) if label else []
        classes = [int(labelled.class_key) for labelled in boxes]
        examples.append(assemble.make_example(picture, frame, [labelled.box for labelled in boxes], classes))
    return examples


def _expected_place(picture: File) -> PurePosixPath:
    """labels/... for images/..., by the last folder called images; else beside the picture."""
    parts = list(picture.place.parent.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    # Not with_suffix on the stem: names may hold several dots, and only the last part is the suffix.
    return PurePosixPath(*parts, picture.place.stem + ".txt")
