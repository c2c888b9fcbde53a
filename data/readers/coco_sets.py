"""Several COCO JSON files that have boxes for the same pictures: copies, parts of one set, or two sets of labels.

Files with different classes add up to one set. One of two files with the same boxes is used. If the boxes of a class
differ, it is uncertain which ones are meant: a search is refused.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath

from data.dataset import Problem
from data.readers.coco_file import Entry
from data.readers.files import File

_Box = tuple[object, ...]

# COCO's names for the files of other tasks beside instances_train2017.json begin so. Some of them have boxes too.
_OTHER_TASKS = ("person_keypoints", "keypoints", "stuff", "panoptic", "captions", "labels", "image_info", "densepose")


def is_of_another_task(file: File, beside: Sequence[File]) -> bool:
    """Whether its name says so, and its folder has the file of instances that belongs to it."""
    stem = file.stem.lower()
    task = next((task for task in _OTHER_TASKS if stem.startswith(task)), None)
    if task is None:
        return False
    wanted = "instances" + stem.removeprefix(task)
    return any(other.folder == file.folder and other.stem.lower() == wanted for other in beside)


def without_second_sets(found: Mapping[PurePosixPath, list[Entry]], problems: list[Problem]) -> None:
    """Leaves each picture the boxes of one set. Each two files of which one was left out are reported once."""
    shared: dict[tuple[PurePosixPath, PurePosixPath], list[PurePosixPath]] = {}
    for place, entries in found.items():
        files = dict.fromkeys(file.place for file, entry in entries if entry.boxes)
        for pair in combinations(files, 2):
            shared.setdefault(pair, []).append(place)
    for (first, second), places in shared.items():
        boxes = [(_boxes(found[place], first), _boxes(found[place], second)) for place in places]
        others = sum(one != other for one, other in boxes)
        classes = [{box[0] for pair in boxes for box in pair[which]} for which in (0, 1)]
        if classes[0].isdisjoint(classes[1]):
            continue
        for place in places:
            found[place][:] = [(file, entry) for file, entry in found[place] if file.place != second]
        if others:
            detail = (
                f"has boxes for {len(places)} pictures that {second} has boxes for too, and other ones for {others} of "
                f"them, such as {places[0]}: keep one of the two in the folder"
            )
            problems.append(Problem("label_sets", str(first), detail))
        else:
            detail = f"has the same boxes as {first} for {len(places)} pictures; not used for these"
            problems.append(Problem("duplicate_annotation", str(second), detail))


def are_alike(one: Entry, other: Entry) -> bool:
    """Whether two entries for a picture have the same boxes."""
    return _boxes([one], one[0].place) == _boxes([other], other[0].place)


def _boxes(entries: Sequence[Entry], place: PurePosixPath) -> set[_Box]:
    """(class name, edges to a hundredth of a pixel) of all boxes that this file has for the picture."""
    return {
        (labelled.class_key, *(round(edge, 2) for edge in labelled.box))
        for file, entry in entries
        if file.place == place
        for labelled in entry.boxes
    }
