"""Several COCO JSON files with boxes for the same pictures: copies, parts of one set, or two sets of labels.

Files with different classes are parts of one set. Of two files with the same boxes one is used. If the boxes of a class
differ, it is uncertain which ones are meant, and a search is refused. Boxes that are ignored (crowds) are a class of
their own here: a file may hold them alone.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath

from data.problems import Report
from data.readers.coco_file import ImageEntry
from data.readers.dataset_file import DatasetFile

_Box = tuple[object, ...]

# How names of files of other tasks begin in COCO, beside instances_train2017.json. Some of them have boxes too.
_OTHER_TASKS = ("person_keypoints", "keypoints", "stuff", "panoptic", "captions", "labels", "image_info", "densepose")


def is_of_another_task(file: DatasetFile, beside: Sequence[DatasetFile]) -> bool:
    """Whether the file's name says so, and the matching instances file is in the same folder."""
    stem = file.stem.lower()
    task = next((task for task in _OTHER_TASKS if stem.startswith(task)), None)
    if task is None:
        return False
    wanted = "instances" + stem.removeprefix(task)
    return any(other.folder == file.folder and other.stem.lower() == wanted for other in beside)


def without_second_sets(entries_of: Mapping[PurePosixPath, list[ImageEntry]], report: Report) -> None:
    """Remove entries so that each picture has the boxes of one set. Each such pair of files is reported once."""
    shared: dict[tuple[PurePosixPath, PurePosixPath], list[PurePosixPath]] = {}
    for path, entries in entries_of.items():
        files = dict.fromkeys(file.relative_path for file, entry in entries if entry.boxes)
        for pair in combinations(files, 2):
            shared.setdefault(pair, []).append(path)
    for (first, second), paths in shared.items():
        boxes = [(_boxes(entries_of[path], first), _boxes(entries_of[path], second)) for path in paths]
        num_different = sum(one != other for one, other in boxes)
        classes = [{box[0] for pair in boxes for box in pair[which]} for which in (0, 1)]
        if classes[0].isdisjoint(classes[1]):
            continue
        for path in paths:
            entries_of[path][:] = [(file, entry) for file, entry in entries_of[path] if file.relative_path != second]
        if num_different:
            detail = (
                f"has boxes for {len(paths)} pictures that {second} has boxes for too; they differ for {num_different} "
                f"pictures, such as {paths[0]}: keep one of the two in the folder"
            )
            report.add("label_sets", first, detail)
        else:
            detail = f"has the same boxes as {first} for {len(paths)} pictures; not used for these"
            report.add("duplicate_annotation", second, detail)


def have_equal_boxes(one: ImageEntry, other: ImageEntry) -> bool:
    """Whether two entries for a picture have the same boxes."""
    return _boxes([one], one[0].relative_path) == _boxes([other], other[0].relative_path)


def _boxes(entries: Sequence[ImageEntry], path: PurePosixPath) -> set[_Box]:
    """((class name, why it is ignored), edges to a hundredth of a pixel) of all boxes of the file with this path."""
    return {
        ((labelled.class_key, labelled.ignored), *(round(edge, 2) for edge in labelled.box))
        for file, entry in entries
        if file.relative_path == path
        for labelled in entry.boxes
    }
