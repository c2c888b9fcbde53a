"""Pascal VOC: one XML a picture, wherever both lie, and ImageSets/Main/{train,val,test}.txt, or no lists at all.

Coordinates are taken as they stand: xmin, ymin, xmax, ymax as the box's edges in pixels, without the "+1" or "-1" of
VOC's own development kit, since the tools that write this format today mean edges. The picture's real size decides,
not the size tag, but for one thing: when the tag has the size of a picture before it is turned as its EXIF says, the
boxes were drawn on that one, and are turned with it. Objects marked difficult are objects like the others.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.pictures import Frame
from data.readers import assemble, ownership, units, voc_lists, voc_objects
from data.readers.assemble import Labelled
from data.readers.folder import File, Folder
from data.readers.label_sets import LabelSets
from data.readers.split_names import split_of

_HEAD = 4096  # bytes, in which an annotation shows its kind
_ROOT = re.compile(rb"<([\w.-]+:)?annotation[\s/>]", re.IGNORECASE)  # and not CVAT's <annotations>


def joins(folder: Folder) -> bool:
    """Whether one of the annotations belongs to one of the pictures."""
    return any(_picture_of(folder, file) is not None and _is_annotation(file) for file in folder.of_kind(".xml"))


def read(folder: Folder) -> Dataset:
    """The data set in this folder; DatasetError when nothing of it can be used."""
    problems = list(folder.problems)
    annotations = _annotations(folder, problems)
    if not annotations:
        raise DatasetError(
            f"{folder.root}: expected XML annotations (Pascal VOC) with the names of the pictures, found none",
            tuple(problems),
        )
    listed = voc_lists.splits(folder, problems)

    def is_labelled(picture: File) -> bool:
        return picture.place in annotations

    if listed:
        splits = {split: ownership.under_one_name(found, is_labelled, problems) for split, found in listed.items()}
    else:
        splits = ownership.each_once(_splits_of_folders(folder, annotations), is_labelled, problems)
    found = {split: _read_split(folder, pictures, annotations, problems) for split, pictures in splits.items()}
    used = {picture.original for pictures in splits.values() for picture in pictures}
    for picture in folder.pictures:
        if picture.original not in used:
            taken = _taken_stem(folder, picture, annotations)
            what = f"in no list of {'/'.join(voc_lists.LISTS)}" if listed else "in no folder of a split"
            problems.append(taken or Problem("unlisted_picture", str(picture.place), f"{what}; not used"))
    class_names = _class_names(folder, found, problems)
    numbers = {name: number for number, name in enumerate(class_names)}
    examples = {split: _examples(members, numbers) for split, members in found.items()}
    return assemble.finish(folder.root, "voc", class_names, examples, problems)


def _picture_of(folder: Folder, annotation: File) -> File | None:
    stem, home = annotation.place.stem, annotation.place.parent
    beside = folder.right_in(home.with_name(voc_lists.PICTURES), stem) if home.name == voc_lists.ANNOTATIONS else None
    return beside or folder.picture(stem, home, split_of(annotation.place))


def _is_annotation(file: File) -> bool:
    """Whether an XML is Pascal VOC's, by its first element, or by where it lies should it be broken."""
    if file.place.parent.name == voc_lists.ANNOTATIONS:
        return True
    try:
        with file.path.open("rb") as opened:
            head = opened.read(_HEAD).replace(b"\0", b"")  # UTF-16 has zeros in between
            return _ROOT.search(head) is not None
    except OSError:
        return False


def _annotations(folder: Folder, problems: list[Problem]) -> dict[PurePosixPath, File]:
    """Place of a picture -> its annotation."""
    found: dict[PurePosixPath, tuple[File, list[File]]] = {}
    for file in folder.of_kind(".xml"):
        picture = _picture_of(folder, file)
        if not _is_annotation(file):
            continue
        if picture is None and folder.means_unread(file.place.stem):
            continue
        if picture is None:
            several = len(folder.pictures_of_stem(file.place.stem))
            what = (
                f"{several} pictures '{file.place.stem}', none nearer" if several else f"no picture '{file.place.stem}'"
            )
            problems.append(Problem("missing_picture", str(file.place), f"{what}; skipped"))
        else:
            found.setdefault(picture.place, (picture, []))[1].append(file)
    sets = LabelSets(_rank)
    chosen = {place: sets.choose(picture, files) for place, (picture, files) in found.items()}
    problems += sets.problems()
    return chosen


def _rank(picture: File, annotation: File) -> int:
    """In Annotations beside the picture's folder, or beside the picture; in any Annotations; elsewhere."""
    home, place = annotation.place.parent, picture.place.parent
    if home == place or (home.name == voc_lists.ANNOTATIONS and home.parent == place.parent):
        return 0
    return 1 if home.name == voc_lists.ANNOTATIONS else 2


def _splits_of_folders(folder: Folder, annotations: Mapping[PurePosixPath, File]) -> dict[str, list[File]]:
    """Split -> pictures, where folders are called train, valid and so on; all of them are train where none is."""
    found: dict[str | None, list[File]] = {}
    for picture in sorted(folder.pictures, key=lambda file: (file.place.parent.parts, file.place.stem)):
        split = split_of(picture.place)
        if split is None and picture.place in annotations:
            split = split_of(annotations[picture.place].place)
        found.setdefault(split, []).append(picture)
    if "train" not in found:
        found["train"] = found.pop(None, [])
    return {split: found[split] for split in SPLITS if found.get(split)}


def _taken_stem(folder: Folder, picture: File, annotations: Mapping[PurePosixPath, File]) -> Problem | None:
    """The problem of a picture whose annotation belongs to another one of the same name beside it; None of others."""
    for other in folder.twins(picture):
        if other.place in annotations and picture != other:
            detail = f"{other.place.name} has the same annotation; not used"
            return Problem("duplicate_stem", str(picture.place), detail)
    return None


def _read_split(
    folder: Folder, pictures: Sequence[File], annotations: Mapping[PurePosixPath, File], problems: list[Problem]
) -> list[tuple[File, Frame, list[Labelled]]]:
    """(picture, its frame, its objects) of every picture that is usable."""
    usable = []
    for picture in pictures:
        file = annotations.get(picture.place)
        if file is None:
            missing = Problem("missing_annotation", str(picture.place), f"no {picture.place.stem}.xml; skipped")
            problems.append(_taken_stem(folder, picture, annotations) or missing)
            continue
        frame = assemble.frame_of(picture, problems)
        annotation = voc_objects.parse(file, problems) if frame else None
        if frame and annotation:
            name = str(file.place)
            objects = annotation.objects
            if units.look_relative(objects):
                objects = units.in_pixels(objects, frame, name, problems)
            objects = assemble.in_frame(objects, annotation.size, frame, name, problems)
            usable.append((picture, frame, assemble.usable_boxes(objects, frame, name, problems)))
    return usable


def _class_names(
    folder: Folder, found: Mapping[str, list[tuple[File, Frame, list[Labelled]]]], problems: list[Problem]
) -> list[str]:
    """The classes in the order of a label map where there is one; otherwise those that occur, by name."""
    used = {str(labelled.class_key) for members in found.values() for _, _, objects in members for labelled in objects}
    mapped: dict[str, None] = {}
    for file in folder.of_kind(".txt"):
        if file.place.name == voc_lists.LABEL_MAP:
            mapped.update(dict.fromkeys(voc_lists.label_map(file, problems)))
    # CVAT lists a background, of which nothing is labelled.
    ordered = [name for name in mapped if name in used or name != "background"]
    return ordered + sorted(used - mapped.keys())


def _examples(found: Sequence[tuple[File, Frame, list[Labelled]]], numbers: Mapping[str, int]) -> list[Example]:
    return [
        assemble.make_example(
            picture, frame, [each.box for each in objects], [numbers[str(each.class_key)] for each in objects]
        )
        for picture, frame, objects in found
    ]
