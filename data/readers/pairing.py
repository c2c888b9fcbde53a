"""Pair label files with pictures: a label belongs to at most one picture, and a picture has at most one label.

The picture of a label is looked for where the format has it (`labels` for `images`, `Annotations` for `JPEGImages`),
beside the label, in a folder of the same name apart from words such as images and labels, and then anywhere. Equal
stems count first, then forms that tools make of a stem (name_forms.py), the picture's name in the label's content, and
the name without a tool's marks. If a label fits several pictures equally well, it is paired with none, unless all
labels have the same content. Masks, drawn predictions and the like have the names of pictures, so they are tried last.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from data.readers import derived, name_forms, name_matching, pair_keys
from data.readers.claims import Claims, LabelFormat, Pairs
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.name_matching import Namesakes
from data.readers.split_names import compatible, split_of_folder


def pair(
    folder: Folder, labels: Sequence[DatasetFile], form: LabelFormat, first: Collection[DatasetFile] = ()
) -> Pairs:
    """Pair these label files with the folder's pictures. first: pictures that are tried before all others."""
    if not labels:
        return Pairs()
    outputs = tuple(label for label in labels if derived.is_output(label.folder))
    if outputs:
        written = [label for label in labels if not derived.is_output(label.folder)]
        pairs = _Pairing(folder, written, form, first).pairs
        if pairs.label_of:
            pairs.detector_outputs = outputs
            return pairs
    return _Pairing(folder, labels, form, first).pairs


class _Pairing:
    """Pairs the labels when it is made. pairs: the result."""

    def __init__(
        self, folder: Folder, labels: Sequence[DatasetFile], form: LabelFormat, first: Collection[DatasetFile]
    ) -> None:
        self._folder, self._labels, self._format = folder, labels, form
        self._counterpart = pair_keys.counterpart(form.home)
        self._labels_by_name = name_matching.grouped((pair_keys.spelled(label), label) for label in labels)
        self.pairs = Pairs(derived=self._derived())
        self._claims = Claims(folder, form, self.pairs)
        self._own = [picture for picture in folder.pictures if picture not in self.pairs.derived]
        self._pair([picture for picture in self._own if picture in first])
        self._pair([picture for picture in self._own if picture not in first])
        names = {pair_keys.spelled(picture) for picture in self._own} if self.pairs.derived else set()
        last = [picture for picture in folder.pictures if picture in self.pairs.derived]
        self._pair([picture for picture in last if pair_keys.spelled(picture) not in names])

    def _derived(self) -> set[DatasetFile]:
        """Pictures in folders named for labels, outputs or masks; not in folders of masks with labels of their own."""
        by_name = [picture for picture in self._folder.pictures if derived.is_derived(picture.folder)]
        made_from_others = [p for p in by_name if not (derived.is_output(p.folder) or derived.is_of_labels(p.folder))]
        label_keys = {
            (key(label), label.stem)
            for label in (self._labels if made_from_others else ())
            for key in (pair_keys.folder, pair_keys.parallel)
        }
        folder_keys = (self._counterpart, pair_keys.folder, pair_keys.parallel)
        folders_with_labels = {
            picture.folder
            for picture in made_from_others
            if any((key(picture), picture.stem) in label_keys for key in folder_keys)
        }
        return set(by_name) - {picture for picture in made_from_others if picture.folder in folders_with_labels}

    def _pair(self, pictures: Sequence[DatasetFile]) -> None:
        """Pair labels that are still open with these pictures."""
        by_name = name_matching.grouped((pair_keys.spelled(picture), picture) for picture in pictures)
        for name, named in by_name.items():
            labels = self._open(self._labels_by_name.get(name, ()))
            if len(labels) == len(named) == 1:
                self._pair_two(labels[0], named[0])
            elif labels:
                self._pair_near(labels, named)
                self._pair_anywhere(labels, named)
        unpaired = self._open(self._labels)
        if not unpaired or not pictures:
            return
        among = set(pictures)
        self._propose((label, self._picture_in_content(label, among)) for label in unpaired)
        by_bare_name = name_matching.grouped((name_forms.unmarked(picture.stem), picture) for picture in pictures)
        before = set(self.pairs.picture_of)
        self._propose((label, _in_other_marks(label, by_bare_name)) for label in self._open(unpaired))
        self.pairs.guessed |= self.pairs.picture_of.keys() - before

    def _open(self, labels: Sequence[DatasetFile]) -> list[DatasetFile]:
        return [label for label in labels if self.pairs.is_open(label)]

    def _pair_two(self, label: DatasetFile, picture: DatasetFile) -> None:
        """Pair the only label and the only picture of one spelling: a fast form of the next two methods."""
        if (
            pair_keys.folder(label) in (self._counterpart(picture), pair_keys.folder(picture))
            or pair_keys.parallel(label) == pair_keys.parallel(picture)
            or self._may_be(label, picture)
        ):
            self._claims.settle([label], [picture])

    def _pair_near(self, labels: Sequence[DatasetFile], pictures: Sequence[DatasetFile]) -> None:
        """Pair labels and pictures of one spelling in the format's folders, in one folder, or in parallel folders."""
        for label_folder, picture_folder, known_place in (
            (pair_keys.folder, self._counterpart, True),
            (pair_keys.folder, pair_keys.folder, True),
            (pair_keys.parallel, pair_keys.parallel, False),
        ):
            for label_name, picture_name in pair_keys.NAMES:
                still_open = self._open(labels)
                if not still_open:
                    return
                pictures_by_key = name_matching.grouped(((picture_folder(p), picture_name(p)), p) for p in pictures)
                for key, same_key in name_matching.grouped(
                    ((label_folder(x), label_name(x)), x) for x in still_open
                ).items():
                    if key in pictures_by_key and key[0] is not None:
                        self._claims.settle(same_key, pictures_by_key[key], known_place=known_place)

    def _pair_anywhere(self, labels: Sequence[DatasetFile], pictures: Sequence[DatasetFile]) -> None:
        """Pair labels and pictures of one spelling in any folders that do not contradict each other."""
        for label_name, picture_name in pair_keys.NAMES:
            still_open = self._open(labels)
            if not still_open:
                return
            by_name = name_matching.grouped((picture_name(picture), picture) for picture in pictures)
            namesakes = {name: Namesakes(same) for name, same in by_name.items()}
            self._propose((label, _best(label, namesakes.get(label_name(label)))) for label in still_open)

    def _picture_in_content(self, label: DatasetFile, among: Collection[DatasetFile]) -> Sequence[DatasetFile]:
        """The picture that the label's content names, if it is one of these."""
        name = self._format.picture_name(label)
        picture = self._folder.find_picture(name, label.folder, split_of_folder(label.folder)) if name else None
        return (picture,) if picture and picture in among else ()

    def _propose(self, candidates: Iterable[tuple[DatasetFile, Sequence[DatasetFile]]]) -> None:
        """Pair each label with one of its candidates; no picture for which several labels fit equally well."""
        wanted: dict[DatasetFile, list[DatasetFile]] = {}
        for label, fitting in candidates:
            pictures = [picture for picture in fitting if self._may_be(label, picture)]
            picture = self._claims.choose_picture(pictures, [label])
            if picture is not None:
                wanted.setdefault(picture, []).append(label)
            elif pictures:
                self._claims.settle([label], pictures)
        for picture, labels in wanted.items():
            scores = [name_matching.nearness(label.folder.parts, picture.folder.parts) for label in labels]
            nearest = [label for label, score in zip(labels, scores, strict=True) if score == max(scores)]
            self._claims.settle(nearest, [picture])
            if self.pairs.is_labelled(picture):
                self._claims.mark_surplus(self._open(labels), picture)

    def _may_be(self, label: DatasetFile, picture: DatasetFile) -> bool:
        """Whether nothing speaks against it: another split, a parallel folder elsewhere, a picture beside the label."""
        if self._beside.get((label.folder, label.stem)) not in (None, picture):
            return False
        if not compatible(label.folder, picture.folder):
            return False
        of_label, of_picture = derived.parallel(label.folder), derived.parallel(picture.folder)
        within = of_label[: len(of_picture)] == of_picture[: len(of_label)]
        return within or of_label not in self._folders

    @cached_property
    def _beside(self) -> Mapping[tuple[PurePosixPath, str], DatasetFile]:
        """(folder, stem) -> the picture there."""
        return {(picture.folder, picture.stem): picture for picture in self._own}

    @cached_property
    def _folders(self) -> Collection[tuple[str, ...]]:
        return {derived.parallel(folder) for folder in {picture.folder for picture in self._folder.pictures}}


def _best(label: DatasetFile, namesakes: Namesakes[DatasetFile] | None) -> Sequence[DatasetFile]:
    return namesakes.best((), label.folder, split_of_folder(label.folder)) if namesakes else ()


def _in_other_marks(
    label: DatasetFile, pictures: Mapping[tuple[str, bool], Sequence[DatasetFile]]
) -> Sequence[DatasetFile]:
    """The pictures with the label's name apart from a tool's marks, which only one of the two has."""
    bare, marked = name_forms.unmarked(label.stem)
    return _best(label, Namesakes(pictures.get((bare, not marked), ())))
