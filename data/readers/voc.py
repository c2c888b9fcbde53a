"""Pascal VOC: one XML a picture, wherever both lie, and ImageSets/Main/{train,val,test}.txt, or no lists at all.

Coordinates are taken as they stand: xmin, ymin, xmax, ymax as the box's edges in pixels, without the "+1" or "-1" of
VOC's own development kit, since the tools that write this format today mean edges. The picture's real size decides,
not the size tag, but for one thing: when the tag has the size of a picture before it is turned as its EXIF says, the
boxes were drawn on that one, and are turned with it. Objects marked difficult are objects like the others.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import unescape

from data.dataset import SPLITS, Dataset, DatasetError, Example, Problem
from data.pictures.picture_files import PictureInfo
from data.readers import (
    aside,
    dataset_builder,
    leftovers,
    ownership,
    pairing,
    text_files,
    units,
    voc_lists,
    voc_objects,
)
from data.readers.claims import LabelFormat, Pairs
from data.readers.dataset_builder import Labelled
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.name_forms import Likeliest
from data.readers.split_names import split_of

_HEAD = 4096  # bytes, in which an annotation shows its kind
_ROOT = re.compile(rb"<([\w.-]+:)?annotation[\s/>]", re.IGNORECASE)  # and not CVAT's <annotations>
_FILENAME = re.compile(r"<(?:[\w.-]+:)?filename(?:\s[^>]*)?>([^<]*)</", re.IGNORECASE)


def recognizes(folder: Folder) -> bool:
    """Whether one of the annotations belongs to one of the pictures, or may belong to several."""
    annotations, pairs = _paired(folder)
    return any(file in pairs.picture_of or file in pairs.ties for file in annotations)


def read(folder: Folder, needed: Collection[str] = SPLITS) -> Dataset:
    """The data set in this folder with the splits that are needed; DatasetError when nothing of them can be used."""
    problems = list(folder.problems)
    annotations, pairs = _paired(folder)
    leftovers.refuse_ties(folder, annotations, pairs)
    leftovers.name_labels(folder, annotations, pairs, lambda _: True, problems)
    if not pairs.label_of:
        raise DatasetError(
            f"{folder.root}: expected XML annotations (Pascal VOC) with the names of the pictures, found none",
            tuple(problems),
        )
    unused = aside.aside(folder, pairs)
    listed = voc_lists.splits(folder, pairs, problems)
    usable = [picture for picture in folder.pictures if picture not in unused]
    by_folder = {} if listed else _splits_of_folders(usable, pairs.label_of)
    with_labels = ownership.without_bare_test(by_folder, pairs.is_labelled, problems)
    splits = listed or ownership.each_once(with_labels, pairs.is_labelled, problems)
    open_labels = leftovers.without_picture(annotations, pairs)
    found = {
        split: _read_split(pictures, pairs.label_of, unused, open_labels, problems)
        for split, pictures in splits.items()
        if split in needed
    }
    used = {picture.original for pictures in splits.values() for picture in pictures}
    for picture in folder.pictures:
        if picture.original not in used:
            what = "in no list of the splits" if listed else "in no folder of a split"
            unlisted = Problem("unlisted_picture", str(picture.place), f"{what}; not used")
            problems.append(unused.get(picture, unlisted))
    class_names = _class_names(folder, found, problems)
    numbers = {name: number for number, name in enumerate(class_names)}
    examples = {split: _examples(members, numbers) for split, members in found.items()}
    unread = [split for split in splits if split not in found]
    return dataset_builder.finish(folder.root, "voc", class_names, examples, problems, unread)


def _paired(folder: Folder) -> tuple[list[File], Pairs]:
    """(the annotations, the pairs of these and pictures)."""

    def pair() -> tuple[list[File], Pairs]:
        annotations = [file for file in folder.of_kind(".xml") if _is_annotation(file)]
        return annotations, pairing.pair(folder, annotations, _FORMAT)

    return folder.once("voc.paired", pair)


def _is_annotation(file: File) -> bool:
    """Whether an XML is Pascal VOC's, by its first element, or by where it lies should it be broken."""
    if file.folder.name == voc_lists.ANNOTATIONS:
        return True
    try:
        with file.path.open("rb") as opened:
            head = opened.read(_HEAD).replace(b"\0", b"")  # UTF-16 has zeros in between
            return _ROOT.search(head) is not None
    except OSError:
        return False


def _picture_name(file: File) -> str | None:
    """The <filename> of an annotation."""
    try:
        with file.path.open("rb") as opened:
            head = text_files.decode(opened.read(_HEAD))[0]
    except (OSError, text_files.TextError):
        return None
    found = _FILENAME.search(head)
    return unescape(found[1]).strip() or None if found else None


_FORMAT = LabelFormat("annotations", picture_name=_picture_name)


def _splits_of_folders(pictures: Sequence[File], annotations: Mapping[File, File]) -> dict[str, list[File]]:
    """Split -> pictures, where folders are called train, valid and so on; all of them are train where none is."""
    found: dict[str | None, list[File]] = {}
    for picture in sorted(pictures, key=lambda file: (file.folder.parts, file.stem)):
        split = split_of(picture.folder)
        if split is None and picture in annotations:
            split = split_of(annotations[picture].folder)
        found.setdefault(split, []).append(picture)
    if "train" not in found:
        found["train"] = found.pop(None, [])
    return {split: found[split] for split in SPLITS if found.get(split)}


def _read_split(
    pictures: Sequence[File],
    annotations: Mapping[File, File],
    unused: Mapping[File, Problem],
    open_labels: Likeliest,
    problems: list[Problem],
) -> list[tuple[File, PictureInfo, list[Labelled]]]:
    """(picture, its info, its objects) of every picture that is usable."""
    usable = []
    for picture in pictures:
        file = annotations.get(picture)
        if file is None:
            detail = f"no {picture.stem}.xml{leftovers.likeliest(open_labels.to(picture.stem))}; skipped"
            missing = Problem("missing_annotation", str(picture.place), detail)
            problems.append(unused.get(picture, missing))
            continue
        info = dataset_builder.picture_info_of(picture, problems)
        annotation = voc_objects.parse(file, problems) if info else None
        if info and annotation:
            name = str(file.place)
            objects = annotation.objects
            if units.look_relative(objects):
                objects = units.in_pixels(objects, info, name, problems)
            objects = dataset_builder.turned_boxes(objects, annotation.size, info, name, problems)
            usable.append((picture, info, dataset_builder.usable_boxes(objects, info, name, problems)))
    return usable


def _class_names(
    folder: Folder, found: Mapping[str, list[tuple[File, PictureInfo, list[Labelled]]]], problems: list[Problem]
) -> list[str]:
    """The classes in the order of a label map where there is one; otherwise those that occur, by name."""
    used = {str(labelled.class_key) for members in found.values() for _, _, objects in members for labelled in objects}
    mapped: dict[str, None] = {}
    for file in folder.of_kind(".txt"):
        if file.name == voc_lists.LABEL_MAP:
            mapped.update(dict.fromkeys(voc_lists.label_map(file, problems)))
    # CVAT lists a background, of which nothing is labelled.
    ordered = [name for name in mapped if name in used or name != "background"]
    return ordered + sorted(used - mapped.keys())


def _examples(found: Sequence[tuple[File, PictureInfo, list[Labelled]]], numbers: Mapping[str, int]) -> list[Example]:
    return [
        dataset_builder.make_example(
            picture, info, [each.box for each in objects], [numbers[str(each.class_key)] for each in objects]
        )
        for picture, info, objects in found
    ]
