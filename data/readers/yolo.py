"""YOLO and Darknet text labels: a .txt a picture, and class names in data.yaml, obj.data, obj.names or classes.txt.

The label of a picture lies in `labels` for `images`, or beside the picture, or anywhere under the same stem. A picture
without a label file, or with an empty one, holds no objects (Darknet's rule). Boxes are relative to the picture as
people see it, turned as its EXIF says: nothing in this format says what the annotator saw, and today's tools turn it.
"""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import PurePosixPath

from data.dataset import SPLITS, Dataset, DatasetError, Example, Problem
from data.readers import (
    aside,
    dataset_builder,
    leftovers,
    pairing,
    yolo_classes,
    yolo_config,
    yolo_labels,
    yolo_names,
    yolo_paths,
    yolo_splits,
)
from data.readers.claims import LabelFormat, Pairs
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.name_forms import Likeliest
from data.readers.split_names import split_called
from data.readers.yolo_config import Config
from data.readers.yolo_labels import Form

_FORMAT = LabelFormat("labels", is_label=partial(yolo_labels.looks_like_labels, or_empty=True))


def recognizes(folder: Folder) -> bool:
    """Whether one of the label files belongs to one of the pictures, or may belong to several."""
    described = any(yolo_config.is_config(file) for file in folder.others)
    pairs = _paired(folder)
    joined = (label for label in _labels(folder) if label in pairs.picture_of or label in pairs.ties)
    # With class names beside it a broken or empty label is one all the same.
    return any(described or yolo_labels.looks_like_labels(label) for label in joined)


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with the splits that are needed; DatasetError when nothing of them can be used."""
    problems = list(folder.problems)
    source = yolo_config.find(folder)
    config = yolo_config.read(folder, source, problems) if source else None
    named = yolo_paths.named(folder, config, needed, problems) if config else {}
    first = frozenset(picture for pictures in named.values() for picture in pictures.values())
    labels, pairs = _labels(folder), _paired(folder, first)
    leftovers.refuse_ties(folder, labels, pairs)
    unused = aside.aside(folder, pairs, first)
    splits = yolo_splits.complete(folder, config, named, pairs.label_of, unused, needed, problems)
    pictures = [picture for found in splits.values() for picture in found]
    used = [pairs.label_of[picture] for picture in pictures if pairs.is_labelled(picture)]
    names = yolo_classes.find(folder, config, [*used, *pictures], problems)
    form = Form(len(names.all) if config else None, _pose(config, used, problems))
    open_labels = leftovers.without_picture(labels, pairs)
    examples = {
        split: _examples(found, pairs, open_labels, form, problems)
        for split, found in splits.items()
        if split in needed
    }
    class_names = names.used(examples) if config else _numbered(folder, pairs, examples, problems)
    folders = {label.folder for label in pairs.label_of.values()}
    # An empty file is a label if it lies among labels.
    leftovers.name_labels(
        folder,
        labels,
        pairs,
        lambda label: yolo_labels.looks_like_labels(label, or_empty=label.folder in folders),
        problems,
    )
    unread = [split for split in splits if split not in examples]
    return dataset_builder.finish(folder.root, "yolo", class_names, examples, problems, unread)


def _labels(folder: Folder) -> list[File]:
    """The text files that may be labels: not those that describe the data set, and no lists."""
    return folder.once("yolo.labels", lambda: [f for f in folder.of_kind(".txt") if not _is_special(folder, f)])


def _paired(folder: Folder, first: frozenset[File] = frozenset()) -> Pairs:
    """The pairs of labels and pictures. first: the pictures that the settings name, which come before all others."""
    if len(first) == len(folder.pictures):
        first = frozenset()  # then they come before nobody
    return folder.once(("yolo.paired", first), lambda: pairing.pair(folder, _labels(folder), _FORMAT, first))


def _is_special(folder: Folder, file: File) -> bool:
    """Whether this text is known to hold something else than labels; a picture may be called train.jpg, too."""
    if yolo_config.is_config(file):
        return True
    other = split_called(file.stem) is not None or "readme" in file.stem.lower()
    return other and not (folder.knows(file.stem) and yolo_labels.looks_like_labels(file, or_empty=True))


def _pose(config: Config | None, labels: Sequence[File], problems: list[Problem]) -> tuple[int, int] | None:
    """(keypoints, numbers of each) of the labels' lines; as they are left out, they join the problems."""
    pose = config.pose if config and config.pose else yolo_labels.pose_of(labels)
    if pose:
        source = config.source if config and config.pose else labels[0]
        detail = "{} keypoints of {} numbers after each box: only the boxes are read".format(*pose)
        problems.append(Problem("keypoints_left_out", str(source.place), detail))
    return pose


def _numbered(
    folder: Folder, pairs: Pairs, examples: dict[str, list[Example]], problems: list[Problem]
) -> tuple[str, ...]:
    """Numbers for the names that nobody gave."""
    if not pairs.label_of:
        raise DatasetError(f"{folder.root}: expected YOLO label files (.txt) with the pictures' names, found none")
    first = min(pairs.label_of.values(), key=lambda label: label.place)
    return yolo_names.numbered(yolo_classes.highest(examples) + 1, first, problems)


def _examples(
    pictures: Sequence[File], pairs: Pairs, open_labels: Likeliest, form: Form, problems: list[Problem]
) -> list[Example]:
    """The usable pictures with their boxes."""
    examples = []
    for picture in pictures:
        label = pairs.label_of.get(picture)
        info = dataset_builder.picture_info_of(picture, problems)
        if info is None:
            continue
        if label is None:
            detail = (
                "no label file"
                + leftovers.likeliest(open_labels.to(picture.stem))
                + ": read as a picture without objects"
            )
            problems.append(Problem("missing_label_file", str(_expected_place(picture)), detail))
        boxes = yolo_labels.read(label, info, form, problems) if label else []
        classes = [int(labelled.class_key) for labelled in boxes]
        examples.append(dataset_builder.make_example(picture, info, [labelled.box for labelled in boxes], classes))
    return examples


def _expected_place(picture: File) -> PurePosixPath:
    """labels/... for images/..., by the last folder called images; else beside the picture."""
    parts = list(picture.folder.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    # Not with_suffix on the stem: names may hold several dots, and only the last part is the suffix.
    return PurePosixPath(*parts, picture.stem + ".txt")
