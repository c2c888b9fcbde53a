"""Pictures without a label that are no pictures of the data set: copies of labelled ones, their masks and the like.

In YOLO's format a picture without a label shows no objects. A mask or a drawn prediction taken for such a picture
would teach the opposite of the labels. Its name, its folder, or what it shows gives it away.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from data.dataset import Problem
from data.readers import derived, name_forms, name_matching, same_pictures
from data.readers.claims import Pairs
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.split_names import compatible

_COMPARE_AT_MOST = 100  # folders, by what their pictures show


def aside(folder: Folder, pairs: Pairs, named: Collection[File] = ()) -> dict[File, Problem]:
    """A picture that is not to be used -> why. named: the pictures that the settings name for a split."""
    without = [picture for picture in folder.pictures if not pairs.is_labelled(picture)]
    if not without:
        return {}
    known = _Known(folder.pictures, pairs)
    found: dict[File, Problem] = {}
    doubtful: dict[tuple[PurePosixPath, PurePosixPath], list[tuple[File, File]]] = {}
    for picture in without:
        problem = _tied(picture, pairs) or known.twin(picture) or known.made(picture)
        if problem is None and picture not in named:
            problem = known.outside(picture)
        if problem is not None:
            found[picture] = problem
        elif rival := next(iter(known.rivals(picture)), None):
            doubtful.setdefault((picture.folder, rival.folder), []).append((picture, rival))
    for pictures in list(doubtful.values())[:_COMPARE_AT_MOST]:
        paths = [[picture.path, rival.path] for picture, rival in pictures]
        masks = same_pictures.are_masks(paths)
        why = "looks like a mask of" if masks == [True, False] else "shows the same as"
        if masks == [True, False] or same_pictures.are_copies(paths):
            found |= {p: _derived(p, f"{why} {rival.place}, which has a label") for p, rival in pictures}
    return found


class _Known:
    """What the labelled pictures tell of those without a label."""

    def __init__(self, pictures: Sequence[File], pairs: Pairs) -> None:
        self._pairs = pairs
        labelled = [picture for picture in pictures if pairs.is_labelled(picture)]
        self._by_name = name_matching.grouped((_spelled(picture), picture) for picture in labelled)
        self._by_bare_name = name_matching.grouped((name_forms.unmarked(p.stem), p) for p in labelled)
        self._here = {(picture.folder, _spelled(picture)): picture for picture in labelled}
        self._own = {_spelled(picture): picture for picture in reversed(pictures) if picture not in pairs.late}
        self._folders = folders = {picture.folder for picture in labelled}
        homes = {p.folder for p in labelled if derived.in_picture_home(p.folder) and not self._is_beside(p)}
        above = [set(folder.parents) for folder in folders]
        self._above = set[PurePosixPath]().union(*(folder.parents for folder in homes)) - folders
        self._above |= set[PurePosixPath]().union(*above).intersection(*above) - folders

    def rivals(self, picture: File) -> Iterable[File]:
        """Labelled pictures of the same name, but for marks of tools or copies, in folders of no other split."""
        bare, marked = name_forms.unmarked(picture.stem)
        same = (
            self._by_name.get(_spelled(picture), ()),
            self._by_bare_name.get((bare, not marked), ()),
            self._by_name.get(name_forms.uncopied(picture.stem), ()),
        )
        found = (rival for rivals in same for rival in rivals[: name_matching.COMPARE_AT_MOST])
        return (rival for rival in found if compatible(rival.folder, picture.folder))

    def twin(self, picture: File) -> Problem | None:
        """Another picture, of the same name in the same folder, has the label."""
        other = self._here.get((picture.folder, _spelled(picture)))
        if other is None:
            return None
        detail = f"{other.name} has the same name and the label, {self._pairs.label_of[other].place}; not used"
        return Problem("duplicate_stem", str(picture.place), detail)

    def made(self, picture: File) -> Problem | None:
        """Its folder's name, or its own, says that it was made from a picture: masks/a.png, a_mask.png."""
        plain = derived.plain_stem(picture.stem)
        if picture in self._pairs.late and self._folders and picture.folder not in self._folders:
            other = self._own.get(_spelled(picture)) or (self._own.get(name_forms.spelled(plain)) if plain else None)
            of = f", with the name of {other.place}" if other else ""
            return _derived(picture, f"in a folder of masks, labels, predictions or the like{of}")
        labelled = self._by_name.get(name_forms.spelled(plain), []) if plain else []
        other = next((other for other in labelled if compatible(other.folder, picture.folder)), None)
        return _derived(picture, f"its name says that it was made from {other.place}") if other else None

    def outside(self, picture: File) -> Problem | None:
        """It lies outside the folders of pictures, with the name of one in them; or above all labelled ones."""
        if derived.in_picture_home(picture.folder):
            return None
        if picture.folder in self._above:
            detail = "above the folders of labelled pictures; not used"
            return Problem("unlisted_picture", str(picture.place), detail)
        for rival in self.rivals(picture):
            if derived.in_picture_home(rival.folder) and not self._is_beside(rival):
                return _derived(
                    picture, f"has the name of {rival.place}, which has a label, and lies outside its folder"
                )
        return None

    def _is_beside(self, picture: File) -> bool:
        """Whether the picture's label lies in its own folder: any folder can be one of pictures then."""
        return self._pairs.label_of[picture].folder == picture.folder


def _tied(picture: File, pairs: Pairs) -> Problem | None:
    """Which of several labels is the picture's, or which of several pictures a label's, cannot be told."""
    labels = pairs.ties.get(picture, ())
    names = " and ".join(str(label.place) for label in labels[:3])
    if len(labels) > 1:
        return Problem("ambiguous_label", str(picture.place), f"{names} fit it alike; not used")
    if labels:
        return Problem("duplicate_stem", str(picture.place), f"{names} fits another picture as well; not used")
    return None


def _derived(picture: File, why: str) -> Problem:
    return Problem("derived_file", str(picture.place), f"{why}; not used")


def _spelled(picture: File) -> str:
    return name_forms.spelled(picture.stem)
