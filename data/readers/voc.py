"""Read Pascal VOC data sets: an XML for each picture, in any folders, with or without lists in ImageSets/Main.

Coordinates are used as written: xmin, ymin, xmax, ymax are the box's edges in pixels, without the "+1" or "-1" of VOC's
own development kit, since the tools that write this format today mean edges. The picture's real size is used, not the
size tag, with one exception: if the tag has the size of the picture before it is turned as its EXIF says, the boxes
were drawn on the unturned picture and are turned with it.

Objects marked difficult are neither trained on (Darknet's voc_label.py leaves them out) nor counted in evaluation
(VOC's development kit ignores them).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import unescape

from data.dataset import SPLITS, Dataset, Example, Problem
from data.pictures.picture_files import PictureInfo
from data.problems import Report
from data.readers import (
    dataset_builder,
    leftovers,
    ownership,
    pairing,
    text_files,
    unclear_splits,
    units,
    unused_pictures,
    voc_lists,
    voc_objects,
)
from data.readers.claims import LabelFormat, Pairs
from data.readers.dataset_builder import LabelledBox
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.name_forms import LikeliestName
from data.readers.split_names import split_of_folder

_HEAD = 4096  # bytes, in which an annotation's root and file name are looked for
_ROOT = re.compile(rb"<([\w.-]+:)?annotation[\s/>]", re.IGNORECASE)  # and not CVAT's <annotations>
_FILENAME = re.compile(r"<(?:[\w.-]+:)?filename(?:\s[^>]*)?>([^<]*)</", re.IGNORECASE)


def recognizes(folder: Folder) -> bool:
    """Whether one of the annotations belongs to a picture, or may belong to one of several."""
    annotations, pairs = _paired(folder)
    # An empty XML elsewhere than in Annotations says nothing of the format.
    return any((file in pairs.picture_of or file in pairs.ties) and _is_annotation(file) for file in annotations)


def describe_unjoined(folder: Folder) -> str | None:
    """In words, an annotation and its likeliest picture, if no annotation has a picture; None without annotations."""
    annotations, pairs = _paired(folder)
    return leftovers.describe_unjoined(folder, (file for file in annotations if file not in pairs.picture_of))


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with those of its splits that are needed; DatasetError if they cannot be used."""
    report = Report(folder.problems)
    annotations, pairs = _paired(folder)
    leftovers.refuse_ties(folder, annotations, pairs)
    leftovers.report_labels(folder, annotations, pairs, lambda _: True, report)
    if not pairs.label_of:
        raise report.error(
            f"{folder.root}: expected XML annotations (Pascal VOC) with the names of the pictures, found none"
        )
    unused = unused_pictures.find(folder, pairs)
    listed = voc_lists.splits(folder, pairs, report)
    usable = [picture for picture in folder.pictures if picture not in unused]
    by_folder = {} if listed else _splits_of_folders(usable, pairs.label_of, report)
    with_labels = ownership.without_unlabelled_test(by_folder, pairs.is_labelled, report)
    splits = listed or ownership.each_picture_in_one_split(with_labels, pairs.is_labelled, report)
    open_labels = leftovers.unpaired_labels(annotations, pairs)
    objects_of = {
        split: _read_split(pictures, pairs.label_of, unused, open_labels, report)
        for split, pictures in splits.items()
        if split in needed
    }
    used = {picture.resolved_path for pictures in splits.values() for picture in pictures}
    for picture in folder.pictures:
        if picture.resolved_path not in used:
            reason = "in no list of the splits" if listed else "in no folder of a split"
            unlisted = Problem("unlisted_picture", str(picture.relative_path), f"{reason}; not used")
            report.include(unused.get(picture, unlisted))
    class_names = _class_names(folder, objects_of, report)
    class_ids: dict[str | int, int] = {name: index for index, name in enumerate(class_names)}
    examples = {split: _examples(members, class_ids) for split, members in objects_of.items()}
    unread = [split for split in splits if split not in objects_of]
    return dataset_builder.finish(folder.root, "voc", class_names, examples, report, unread)


def _paired(folder: Folder) -> tuple[list[DatasetFile], Pairs]:
    """(the annotations, their pairs with pictures)."""

    def pair() -> tuple[list[DatasetFile], Pairs]:
        annotations = [
            file
            for file in folder.with_suffixes(".xml")
            if _is_annotation(file) or (folder.has_picture(file.stem) and _is_empty(file))
        ]
        return annotations, pairing.pair(folder, annotations, _FORMAT)

    return folder.computed_once("voc.paired", pair)


def _is_annotation(file: DatasetFile) -> bool:
    """Whether an XML is a Pascal VOC annotation, by its folder (it may be broken there), or by its root element."""
    if file.folder.name == voc_lists.ANNOTATIONS:
        return True
    try:
        with file.path.open("rb") as opened:
            head = opened.read(_HEAD).replace(b"\0", b"")  # UTF-16 has zeros between ASCII characters
            return _ROOT.search(head) is not None
    except OSError:
        return False


def _is_empty(file: DatasetFile) -> bool:
    """Whether an XML has nothing in it, as after a crash: still an annotation if it has a picture's name."""
    try:
        return file.path.stat().st_size == 0
    except OSError:
        return False


def _picture_name(file: DatasetFile) -> str | None:
    """The <filename> of an annotation."""
    try:
        with file.path.open("rb") as opened:
            head = text_files.decode(opened.read(_HEAD))[0]
    except (OSError, text_files.TextError):
        return None
    match = _FILENAME.search(head)
    return unescape(match[1]).strip() or None if match else None


_FORMAT = LabelFormat("annotations", picture_name=_picture_name)


def _splits_of_folders(
    pictures: Sequence[DatasetFile], annotations: Mapping[DatasetFile, DatasetFile], report: Report
) -> dict[str, list[DatasetFile]]:
    """Split -> pictures, by the names of their folders or of their annotations' folders; without any, all are train."""
    splits: dict[str | None, list[DatasetFile]] = {}
    for picture in sorted(pictures, key=lambda file: (file.folder.parts, file.stem)):
        split = split_of_folder(picture.folder)
        if split is None and picture in annotations:
            split = split_of_folder(annotations[picture].folder)
        splits.setdefault(split, []).append(picture)
    if "train" not in splits:
        splits["train"] = splits.pop(None, [])
        unclear_splits.report_folders(splits["train"], report)
    return {split: splits[split] for split in SPLITS if splits.get(split)}


def _read_split(
    pictures: Sequence[DatasetFile],
    annotations: Mapping[DatasetFile, DatasetFile],
    unused: Mapping[DatasetFile, Problem],
    open_labels: LikeliestName,
    report: Report,
) -> list[tuple[DatasetFile, PictureInfo, list[LabelledBox]]]:
    """(picture, its header, its objects) of each usable picture."""
    usable = []
    for picture in pictures:
        file = annotations.get(picture)
        if file is None:
            detail = f"no {picture.stem}.xml{leftovers.likeliest_in_words(open_labels.to(picture.stem))}; skipped"
            missing = Problem("missing_annotation", str(picture.relative_path), detail)
            report.include(unused.get(picture, missing))
            continue
        info = dataset_builder.picture_info_of(picture, report)
        annotation = voc_objects.parse(file, report) if info else None
        if info and annotation:
            place = report.at(file.relative_path)
            objects = annotation.objects
            if units.look_like_shares(objects):
                objects = units.only_pixel_boxes(objects, info, place)
            objects = dataset_builder.turned_boxes(objects, annotation.size, info, place)
            usable.append((picture, info, dataset_builder.usable_boxes(objects, info, place)))
    return usable


def _class_names(
    folder: Folder,
    objects_of: Mapping[str, list[tuple[DatasetFile, PictureInfo, list[LabelledBox]]]],
    report: Report,
) -> list[str]:
    """The classes in the order of a label map, if there is one, then those that only annotations have, by name."""
    used = {
        str(labelled.class_key) for members in objects_of.values() for _, _, objects in members for labelled in objects
    }
    mapped: dict[str, None] = {}
    for file in folder.with_suffixes(".txt"):
        if file.name == voc_lists.LABEL_MAP:
            mapped.update(dict.fromkeys(voc_lists.label_map(file, report)))
    # CVAT lists a class background, which no object has.
    ordered = [name for name in mapped if name in used or name != "background"]
    return ordered + sorted(used - mapped.keys())


def _examples(
    pictures: Sequence[tuple[DatasetFile, PictureInfo, list[LabelledBox]]], class_ids: Mapping[str | int, int]
) -> list[Example]:
    return [dataset_builder.make_example(picture, info, objects, class_ids) for picture, info, objects in pictures]
