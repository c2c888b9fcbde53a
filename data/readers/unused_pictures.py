"""Find pictures without a label that do not belong to the data set: copies of labelled ones, their masks and the like.

In YOLO's format a picture without a label shows no objects. If a mask or a drawn prediction were taken for such a
picture, it would teach the opposite of the labels. It is recognized by its name, its folder, or what it shows.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from data.dataset import Problem
from data.readers import copies_and_masks, derived, name_forms, name_matching
from data.readers.claims import Pairs
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.split_names import compatible

_MAX_FOLDER_PAIRS = 100  # pairs of folders whose pictures are compared


def find(folder: Folder, pairs: Pairs, named: Collection[DatasetFile] = ()) -> dict[DatasetFile, Problem]:
    """Picture that must not be used -> why. named: the pictures that the settings name for a split."""
    unlabelled = [picture for picture in folder.pictures if not pairs.is_labelled(picture)]
    if not unlabelled:
        return {}
    labelled = _LabelledPictures(folder.pictures, pairs)
    unused: dict[DatasetFile, Problem] = {}
    doubtful: dict[tuple[PurePosixPath, PurePosixPath], list[tuple[DatasetFile, DatasetFile]]] = {}
    for picture in unlabelled:
        problem = _tied(picture, pairs) or labelled.namesake(picture) or labelled.derived(picture)
        if problem is None and picture not in named:
            problem = labelled.outside(picture)
        if problem is not None:
            unused[picture] = problem
        elif rival := next(iter(labelled.rivals(picture)), None):
            doubtful.setdefault((picture.folder, rival.folder), []).append((picture, rival))
    for pictures in list(doubtful.values())[:_MAX_FOLDER_PAIRS]:
        paths = [[picture.path, rival.path] for picture, rival in pictures]
        masks = copies_and_masks.mask_columns(paths)
        why = "looks like a mask of" if masks == [True, False] else "shows the same as"
        if masks == [True, False] or copies_and_masks.are_copies(paths):
            unused |= {p: _derived(p, f"{why} {rival.relative_path}, which has a label") for p, rival in pictures}
    return unused


class _LabelledPictures:
    """The labelled pictures, with checks of a picture without a label. Each check gives a problem or None."""

    def __init__(self, pictures: Sequence[DatasetFile], pairs: Pairs) -> None:
        self._pairs = pairs
        labelled = [picture for picture in pictures if pairs.is_labelled(picture)]
        self._by_name = name_matching.grouped((_spelled(picture), picture) for picture in labelled)
        self._by_bare_name = name_matching.grouped((name_forms.unmarked(p.stem), p) for p in labelled)
        self._here = {(picture.folder, _spelled(picture)): picture for picture in labelled}
        self._own = {_spelled(picture): picture for picture in reversed(pictures) if picture not in pairs.derived}
        self._folders = folders = {picture.folder for picture in labelled}
        homes = {p.folder for p in labelled if derived.is_in_picture_folder(p.folder) and not self._is_beside(p)}
        above = [set(folder.parents) for folder in folders]
        self._above = set[PurePosixPath]().union(*(folder.parents for folder in homes)) - folders
        self._above |= set[PurePosixPath]().union(*above).intersection(*above) - folders

    def rivals(self, picture: DatasetFile) -> Iterable[DatasetFile]:
        """Labelled pictures of the same name, marks of tools and copies aside, in folders that name no other split."""
        bare, marked = name_forms.unmarked(picture.stem)
        groups = (
            self._by_name.get(_spelled(picture), ()),
            self._by_bare_name.get((bare, not marked), ()),
            self._by_name.get(name_forms.uncopied(picture.stem), ()),
        )
        candidates = (rival for rivals in groups for rival in rivals[: name_matching.COMPARE_AT_MOST])
        return (rival for rival in candidates if compatible(rival.folder, picture.folder))

    def namesake(self, picture: DatasetFile) -> Problem | None:
        """A problem if another picture of the same name in the same folder has the label."""
        other = self._here.get((picture.folder, _spelled(picture)))
        if other is None:
            return None
        detail = f"{other.name} has the same name and the label, {self._pairs.label_of[other].relative_path}; not used"
        return Problem("duplicate_stem", str(picture.relative_path), detail)

    def derived(self, picture: DatasetFile) -> Problem | None:
        """A problem if its folder's name or its own says that it was made from a picture: masks/a.png, a_mask.png."""
        plain = derived.plain_stem(picture.stem)
        if picture in self._pairs.derived and self._folders and picture.folder not in self._folders:
            other = self._own.get(_spelled(picture)) or (self._own.get(name_forms.spelled(plain)) if plain else None)
            of = f", with the name of {other.relative_path}" if other else ""
            return _derived(picture, f"in a folder of masks, labels, predictions or the like{of}")
        labelled = self._by_name.get(name_forms.spelled(plain), []) if plain else []
        other = next((other for other in labelled if compatible(other.folder, picture.folder)), None)
        return _derived(picture, f"its name says that it was made from {other.relative_path}") if other else None

    def outside(self, picture: DatasetFile) -> Problem | None:
        """A problem if it is outside folders of pictures with the name of one there, or above all labelled ones."""
        if derived.is_in_picture_folder(picture.folder):
            return None
        if picture.folder in self._above:
            detail = "above the folders of labelled pictures; not used"
            return Problem("unlisted_picture", str(picture.relative_path), detail)
        for rival in self.rivals(picture):
            if derived.is_in_picture_folder(rival.folder) and not self._is_beside(rival):
                return _derived(
                    picture, f"has the name of {rival.relative_path}, which has a label, and is outside its folder"
                )
        return None

    def _is_beside(self, picture: DatasetFile) -> bool:
        """Whether the picture's label is in its own folder, so that any folder may hold pictures."""
        return self._pairs.label_of[picture].folder == picture.folder


def _tied(picture: DatasetFile, pairs: Pairs) -> Problem | None:
    """A problem if nothing decides between several labels for the picture, or several pictures for its label."""
    labels = pairs.ties.get(picture, ())
    names = " and ".join(str(label.relative_path) for label in labels[:3])
    if len(labels) > 1:
        return Problem("ambiguous_label", str(picture.relative_path), f"{names} fit it equally well; not used")
    if labels:
        return Problem("duplicate_stem", str(picture.relative_path), f"{names} fits another picture as well; not used")
    return None


def _derived(picture: DatasetFile, why: str) -> Problem:
    return Problem("derived_file", str(picture.relative_path), f"{why}; not used")


def _spelled(picture: DatasetFile) -> str:
    return name_forms.spelled(picture.stem)
