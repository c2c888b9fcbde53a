"""Pictures without a label that are no pictures of the data set: copies of labelled ones, their masks and the like.

In YOLO's format a picture without a label shows no objects. A mask or a drawn prediction taken for such a picture
would teach the opposite of the labels. A labelled picture of its name, and its folder or content, give it away.
"""

from collections.abc import Set
from pathlib import PurePosixPath

from data.example import Problem
from data.readers import derived, joining, name_forms, same_pictures
from data.readers.folder import File, Folder
from data.readers.pairing import Pairs
from data.readers.split_names import compatible

_COMPARE_AT_MOST = 100  # folders, by what their pictures show


def aside(folder: Folder, pairs: Pairs, named: Set[PurePosixPath] = frozenset()) -> dict[PurePosixPath, Problem]:
    """Place of a picture that is not to be used -> why. named: the pictures that the settings name for a split."""
    labelled = [picture for picture in folder.pictures if pairs.is_labelled(picture)]
    by_name = joining.grouped((_spelled(picture.place), picture) for picture in labelled)
    here = {(picture.place.parent, _spelled(picture.place)): picture for picture in labelled}
    own = {_spelled(picture.place): picture for picture in reversed(folder.pictures) if picture.place not in pairs.late}
    found: dict[PurePosixPath, Problem] = {}
    doubtful: dict[tuple[PurePosixPath, PurePosixPath], list[tuple[File, File]]] = {}
    for picture in folder.pictures:
        if pairs.is_labelled(picture):
            continue
        rivals = by_name.get(_spelled(picture.place), [])[: joining.COMPARE_AT_MOST]
        twin = here.get((picture.place.parent, _spelled(picture.place)))
        problem = _tied(picture, pairs) or (twin and _twin(picture, twin, pairs)) or _made(picture, pairs, own, by_name)
        if problem is None and picture.place not in named:
            problem = _outside(picture, rivals, pairs)
        if problem is not None:
            found[picture.place] = problem
        elif rival := next((rival for rival in rivals if compatible(rival.place, picture.place)), None):
            doubtful.setdefault((picture.place.parent, rival.place.parent), []).append((picture, rival))
    for pictures in list(doubtful.values())[:_COMPARE_AT_MOST]:
        if same_pictures.all_show_the_same([[picture.path, rival.path] for picture, rival in pictures]):
            found |= {p.place: _derived(p, rival, "shows the same as {}, which has the label") for p, rival in pictures}
    return found


def _tied(picture: File, pairs: Pairs) -> Problem | None:
    """Which of several labels is the picture's, or which of several pictures a label's, cannot be told."""
    labels = pairs.ties.get(picture.place, ())
    names = " and ".join(str(label.place) for label in labels[:3])
    if len(labels) > 1:
        return Problem("ambiguous_label", str(picture.place), f"{names} fit it alike; not used")
    if labels:
        return Problem("duplicate_stem", str(picture.place), f"{names} fits another picture as well; not used")
    return None


def _twin(picture: File, other: File, pairs: Pairs) -> Problem:
    """The other picture, of the same name in the same folder, has the label."""
    detail = f"{other.place.name} has the same name and the label, {pairs.label_of[other.place].place}; not used"
    return Problem("duplicate_stem", str(picture.place), detail)


def _made(picture: File, pairs: Pairs, own: dict[str, File], by_name: dict[str, list[File]]) -> Problem | None:
    """Its folder's name, or its own, says that it was made from a picture: masks/a.png, a_mask.png."""
    plain = derived.plain_stem(picture.place.stem)
    if picture.place in pairs.late:
        other = own.get(_spelled(picture.place)) or (own.get(name_forms.spelled(plain)) if plain else None)
        if other:
            return _derived(picture, other, "has the name of {}, in a folder of masks, predictions or the like")
    labelled = by_name.get(name_forms.spelled(plain), []) if plain else []
    other = next((other for other in labelled if compatible(other.place, picture.place)), None)
    return _derived(picture, other, "has the name of {} and says that it was made from it") if other else None


def _outside(picture: File, rivals: list[File], pairs: Pairs) -> Problem | None:
    """It lies outside the folders of pictures, and one in them has the label of this name."""
    if derived.in_picture_home(picture.place.parent):
        return None
    for rival in rivals:
        beside = pairs.label_of[rival.place].place.parent == rival.place.parent
        if not beside and derived.in_picture_home(rival.place.parent) and compatible(rival.place, picture.place):
            return _derived(picture, rival, "has the name of {}, which has the label, and lies outside its folder")
    return None


def _derived(picture: File, other: File, why: str) -> Problem:
    return Problem("derived_file", str(picture.place), why.format(other.place) + "; not used")


def _spelled(place: PurePosixPath) -> str:
    return name_forms.spelled(place.stem)
