"""YOLO and Darknet text labels: a .txt a picture, and class names in data.yaml, obj.data, obj.names or classes.txt.

The label of a picture lies in `labels` for `images`, or beside the picture, or anywhere under the same stem. A picture
without a label file, or with an empty one, holds no objects (Darknet's rule). Boxes are relative to the picture as
people see it, turned as its EXIF says: nothing in this format says what the annotator saw, and today's tools turn it.
"""

from collections.abc import Container, Sequence
from pathlib import PurePosixPath

from data.example import Dataset, DatasetError, Example, Problem
from data.readers import assemble, yolo_classes, yolo_config, yolo_labels, yolo_names, yolo_splits
from data.readers.folder import File, Folder
from data.readers.label_sets import LabelSets
from data.readers.split_names import FOLDER_NAMES, split_of
from data.readers.yolo_config import Config
from data.readers.yolo_labels import Form


def joins(folder: Folder) -> bool:
    """Whether one of the label files belongs to one of the pictures."""
    described = any(yolo_config.is_config(file) for file in folder.others)
    labels = (_label_of(folder, picture) for picture in folder.pictures)
    # With class names beside it a broken or empty label is one all the same.
    return any(label and (described or yolo_labels.looks_like_labels(label)) for label in labels)


def undecided(folder: Folder) -> str | None:
    """Two files of which either could be the label of a picture, in words; None if there are none."""
    for picture in folder.pictures:
        found = _candidates(folder, picture)
        if len(found) > 1:
            return f"{found[0].place} for {picture.place}, and {found[1].place} too: keep one set of labels"
    return None


def read(folder: Folder) -> Dataset:
    """The data set in this folder; DatasetError when nothing of it can be used."""
    problems = list(folder.problems)
    source = yolo_config.find(folder)
    config = yolo_config.read(folder, source, problems) if source else None
    splits = yolo_splits.find(folder, config, lambda picture: _label_of(folder, picture) is not None, problems)
    pictures = [picture for found in splits.values() for picture in found]
    labels = [label for picture in pictures if (label := _label_of(folder, picture))]
    names = yolo_classes.find(folder, config, [*labels, *pictures], problems)
    form = Form(len(names.all) if config else None, _pose(config, labels, problems))
    used: set[PurePosixPath] = set()
    examples = {split: _examples(folder, found, form, used, problems) for split, found in splits.items()}
    class_names = names.used(examples) if config else _numbered(folder, examples, used, problems)
    _name_second_sets(folder, pictures, used, problems)
    _name_orphans(folder, used, problems)
    return assemble.finish(folder.root, "yolo", class_names, examples, problems)


def _pose(config: Config | None, labels: Sequence[File], problems: list[Problem]) -> tuple[int, int] | None:
    """(keypoints, numbers of each) of the labels' lines; as they are left out, they join the problems."""
    pose = config.pose if config and config.pose else yolo_labels.pose_of(labels)
    if pose:
        source = config.source if config and config.pose else labels[0]
        detail = "{} keypoints of {} numbers after each box: only the boxes are read".format(*pose)
        problems.append(Problem("keypoints_left_out", str(source.place), detail))
    return pose


def _numbered(
    folder: Folder, examples: dict[str, list[Example]], used: set[PurePosixPath], problems: list[Problem]
) -> tuple[str, ...]:
    """Numbers for the names that nobody gave."""
    if not used:
        raise DatasetError(f"{folder.root}: expected YOLO label files (.txt) with the pictures' names, found none")
    return yolo_names.numbered(yolo_classes.highest(examples) + 1, folder.by_place[min(used)], problems)


def _examples(
    folder: Folder,
    pictures: Sequence[File],
    form: Form,
    used: set[PurePosixPath],
    problems: list[Problem],
) -> list[Example]:
    """The usable pictures with their boxes; `used` takes the places of their label files."""
    examples = []
    for picture in pictures:
        label = _label_of(folder, picture)
        if label is not None:
            used.add(label.place)
        frame = assemble.frame_of(picture, problems)
        if frame is None:
            continue
        if label is None:
            detail = "no label file: read as a picture without objects"
            problems.append(Problem("missing_label_file", str(_expected_place(picture)), detail))
        boxes = yolo_labels.read(label, frame, form, problems) if label else []
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


def _known_places(picture: File) -> tuple[PurePosixPath, PurePosixPath]:
    """Where the tools of the format look for a label: in `labels` for `images`, and beside the picture."""
    return _expected_place(picture), picture.place.parent / f"{picture.place.stem}.txt"


def _label_of(folder: Folder, picture: File) -> File | None:
    """The picture's label file, or None."""
    for place in _known_places(picture):
        if place in folder.by_place:
            return folder.by_place[place]
    label = folder.label(picture, ".txt")
    if label is None or _is_special(label):
        return None
    # A picture without labels must not take those of another split's picture of the same name.
    nearest = folder.picture(label.place.stem, label.place.parent, split_of(label.place))
    return label if _same_split(label, picture) and nearest in (None, picture) else None


def _same_split(label: File, picture: File) -> bool:
    """Whether the folders of the two do not speak of different splits."""
    return len({split_of(label.place), split_of(picture.place)} - {None}) < 2


def _is_special(file: File) -> bool:
    """Whether this text is known to hold something else than labels."""
    stem = file.place.stem.lower()
    return yolo_config.is_config(file) or any(stem in names for names in FOLDER_NAMES.values()) or "readme" in stem


def _name_second_sets(
    folder: Folder, pictures: Sequence[File], used: set[PurePosixPath], problems: list[Problem]
) -> None:
    """Label files of pictures that have another one: of no picture of their own, and with boxes in them."""
    sets = LabelSets(lambda picture, label: 0 if label.place in _known_places(picture) else 1)
    for picture in pictures:
        others = _candidates(folder, picture, used)
        if others:
            label = _label_of(folder, picture)
            sets.choose(picture, [label, *others] if label else others)
    problems += sets.problems()


def _candidates(folder: Folder, picture: File, used: Container[PurePosixPath] = ()) -> list[File]:
    """The files with boxes, or empty ones, of the picture's name that are nearer to no other picture, and not used."""
    return [
        label
        for label in folder.labels_of_stem(picture, ".txt")
        if label.place not in used and not _is_special(label) and _same_split(label, picture)
        if folder.picture(label.place.stem, label.place.parent, split_of(label.place)) in (None, picture)
        if yolo_labels.looks_like_labels(label, or_empty=True)
    ]


def _name_orphans(folder: Folder, used: set[PurePosixPath], problems: list[Problem]) -> None:
    """Label files without a picture, in the folders where labels are."""
    folders = {place.parent for place in used}
    for file in folder.of_kind(".txt"):
        if file.place in used or file.place.parent not in folders or _is_special(file):
            continue
        if folder.means_unread(file.place.stem):
            continue
        picture = folder.picture(file.place.stem, file.place.parent, split_of(file.place))
        if picture and _same_split(file, picture):
            continue  # a picture in no split, which is named itself
        if yolo_labels.looks_like_labels(file, or_empty=True):
            problems.append(Problem("missing_picture", str(file.place), f"no picture '{file.place.stem}'; skipped"))
