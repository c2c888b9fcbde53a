"""Read YOLO and Darknet data sets: a .txt for each picture; classes in data.yaml, obj.data, obj.names or classes.txt.

The label of a picture is in `labels` instead of `images`, or beside the picture, or anywhere with the same stem. A
picture without a label file, or with an empty one, shows no objects (Darknet's rule). Boxes are relative to the picture
as people see it, turned as its EXIF says: the format does not say what the annotator saw, and today's tools turn it.
"""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import PurePosixPath

from data.dataset import SPLITS, Dataset, DatasetError, Example
from data.problems import Report
from data.readers import (
    dataset_builder,
    leftovers,
    pairing,
    unused_pictures,
    yolo_classes,
    yolo_config,
    yolo_labels,
    yolo_names,
    yolo_paths,
    yolo_splits,
)
from data.readers.claims import LabelFormat, Pairs
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.name_forms import LikeliestName
from data.readers.split_names import split_from_name
from data.readers.yolo_config import YoloConfig
from data.readers.yolo_labels import LineFormat

_FORMAT = LabelFormat("labels", is_label=partial(yolo_labels.looks_like_labels, or_empty=True))


def recognizes(folder: Folder) -> bool:
    """Whether one of the label files belongs to a picture, or may belong to one of several."""
    has_config = any(yolo_config.is_config(file) for file in folder.other_files)
    pairs = _paired(folder)
    paired = (label for label in _labels(folder) if label in pairs.picture_of or label in pairs.ties)
    # If there are class names, a broken or empty label file counts too.
    return any(has_config or yolo_labels.looks_like_labels(label) for label in paired)


def describe_unjoined(folder: Folder) -> str | None:
    """In words, a label and its likeliest picture, if no label has a picture; None without labels."""
    return leftovers.describe_unjoined(folder, filter(yolo_labels.looks_like_labels, _labels(folder)))


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with those of its splits that are needed; DatasetError if they cannot be used."""
    report = Report(folder.problems)
    source = yolo_config.find(folder)
    config = yolo_config.read(folder, source, report) if source else None
    named = yolo_paths.named_pictures(folder, config, needed, report) if config else {}
    first = frozenset(picture for pictures in named.values() for picture in pictures.values())
    labels, pairs = _labels(folder), _paired(folder, first)
    leftovers.refuse_ties(folder, labels, pairs)
    unused = unused_pictures.find(folder, pairs, first)
    splits = yolo_splits.assign_pictures(folder, config, named, pairs.label_of, unused, needed, report)
    pictures = [picture for members in splits.values() for picture in members]
    used = [pairs.label_of[picture] for picture in pictures if pairs.is_labelled(picture)]
    names = yolo_classes.find(folder, config, [*used, *pictures], report)
    line_format = LineFormat(len(names.all) if config else None, _pose(config, used, report))
    open_labels = leftovers.unpaired_labels(labels, pairs)
    examples = {
        split: _examples(members, pairs, open_labels, line_format, report)
        for split, members in splits.items()
        if split in needed
    }
    class_names = names.used(examples) if config else _numbers_as_names(folder, pairs, examples, report)
    folders = {label.folder for label in pairs.label_of.values()}
    # An empty file counts as a label if it is among labels.
    leftovers.report_labels(
        folder,
        labels,
        pairs,
        lambda label: yolo_labels.looks_like_labels(label, or_empty=label.folder in folders),
        report,
    )
    unread = [split for split in splits if split not in examples]
    return dataset_builder.finish(folder.root, "yolo", class_names, examples, report, unread)


def _labels(folder: Folder) -> list[DatasetFile]:
    """The text files that may be labels: neither settings and class names, nor lists."""
    return folder.computed_once(
        "yolo.labels", lambda: [f for f in folder.with_suffixes(".txt") if not _is_special(folder, f)]
    )


def _paired(folder: Folder, first: frozenset[DatasetFile] = frozenset()) -> Pairs:
    """The pairs of labels and pictures. first: the pictures that the settings name, which are tried first."""
    if len(first) == len(folder.pictures):
        first = frozenset()  # there are no others then
    return folder.computed_once(("yolo.paired", first), lambda: pairing.pair(folder, _labels(folder), _FORMAT, first))


def _is_special(folder: Folder, file: DatasetFile) -> bool:
    """Whether this text file holds something else than labels, by its name; but train.txt may label train.jpg."""
    if yolo_config.is_config(file):
        return True
    may_be_other = split_from_name(file.stem) is not None or "readme" in file.stem.lower()
    return may_be_other and not (folder.has_picture(file.stem) and yolo_labels.looks_like_labels(file, or_empty=True))


def _pose(config: YoloConfig | None, labels: Sequence[DatasetFile], report: Report) -> tuple[int, int] | None:
    """(number of keypoints, numbers per keypoint) in the labels' lines, and a problem; None if there are none."""
    pose = config.pose if config and config.pose else yolo_labels.pose_of(labels)
    if pose:
        source = config.source if config and config.pose else labels[0]
        detail = "{} keypoints of {} numbers after each box: only the boxes are read".format(*pose)
        report.add("keypoints_left_out", source.relative_path, detail)
    return pose


def _numbers_as_names(
    folder: Folder, pairs: Pairs, examples: dict[str, list[Example]], report: Report
) -> tuple[str, ...]:
    """Class numbers as names, if no file names the classes; DatasetError if there are no labels either."""
    if not pairs.label_of:
        raise DatasetError(f"{folder.root}: expected YOLO label files (.txt) with the pictures' names, found none")
    first = min(pairs.label_of.values(), key=lambda label: label.relative_path)
    return yolo_names.numbers_as_names(yolo_classes.highest_class(examples) + 1, first, report)


def _examples(
    pictures: Sequence[DatasetFile],
    pairs: Pairs,
    open_labels: LikeliestName,
    line_format: LineFormat,
    report: Report,
) -> list[Example]:
    """The usable pictures with their boxes."""
    examples = []
    for picture in pictures:
        label = pairs.label_of.get(picture)
        info = dataset_builder.picture_info_of(picture, report)
        if info is None:
            continue
        if label is None:
            detail = (
                "no label file"
                + leftovers.likeliest_in_words(open_labels.to(picture.stem))
                + ": read as a picture without objects"
            )
            report.add("missing_label_file", _expected_place(picture), detail)
        boxes = yolo_labels.read(label, info, line_format, report) if label else []
        class_ids = {labelled.class_key: int(labelled.class_key) for labelled in boxes}
        examples.append(dataset_builder.make_example(picture, info, boxes, class_ids))
    return examples


def _expected_place(picture: DatasetFile) -> PurePosixPath:
    """Where a label is expected: labels/... for images/..., by the last such folder; else beside the picture."""
    parts = list(picture.folder.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    # Not with_suffix on the stem, which may contain dots.
    return PurePosixPath(*parts, picture.stem + ".txt")
