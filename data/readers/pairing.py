"""Which label file belongs to which picture: a label to exactly one, and a picture has one label at most.

A label looks for its picture where its format has it (`labels` for `images`, `Annotations` for `JPEGImages`), beside
itself, in a folder of the same name but for words such as images and labels, and then anywhere. Its stem counts first,
then what tools make of a stem (name_forms.py), what it says inside, and its name without a tool's marks. What fits
several alike is joined to none, unless all labels say the same. Masks, drawn predictions and the like have the names of
pictures: they come last.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from data.readers import derived, name_forms, name_matching, pair_keys
from data.readers.claims import Claims, LabelFormat, Pairs
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.name_matching import Namesakes
from data.readers.split_names import compatible, split_of


def pair(folder: Folder, labels: Sequence[File], form: LabelFormat, first: Collection[File] = ()) -> Pairs:
    """The pairs among these label files and the folder's pictures. first: pictures that come before all others."""
    if not labels:
        return Pairs()
    outputs = tuple(label for label in labels if derived.is_output(label.folder))
    if outputs:
        own = [label for label in labels if not derived.is_output(label.folder)]
        pairs = _Join(folder, own, form, first).pairs
        if pairs.label_of:
            pairs.outputs = outputs
            return pairs
    return _Join(folder, labels, form, first).pairs


class _Join:
    """pairs: the outcome."""

    def __init__(self, folder: Folder, labels: Sequence[File], form: LabelFormat, first: Collection[File]) -> None:
        self._folder, self._labels, self._format = folder, labels, form
        self._counterpart = pair_keys.counterpart(form.home)
        self._labels_by_name = name_matching.grouped((pair_keys.spelled(label), label) for label in labels)
        self.pairs = Pairs(late=self._late())
        self._claims = Claims(folder, form, self.pairs)
        self._own = [picture for picture in folder.pictures if picture not in self.pairs.late]
        self._join([picture for picture in self._own if picture in first])
        self._join([picture for picture in self._own if picture not in first])
        names = {pair_keys.spelled(picture) for picture in self._own} if self.pairs.late else set()
        late = [picture for picture in folder.pictures if picture in self.pairs.late]
        self._join([picture for picture in late if pair_keys.spelled(picture) not in names])

    def _late(self) -> set[File]:
        """Pictures in folders called as those of labels, outputs or masks; but for folders of masks with own labels."""
        found = [picture for picture in self._folder.pictures if derived.is_derived(picture.folder)]
        made = [p for p in found if not (derived.is_output(p.folder) or derived.is_of_labels(p.folder))]
        near = {
            (key(label), label.stem)
            for label in (self._labels if made else ())
            for key in (pair_keys.folder, pair_keys.parallel)
        }
        where = (self._counterpart, pair_keys.folder, pair_keys.parallel)
        own = {picture.folder for picture in made if any((key(picture), picture.stem) in near for key in where)}
        return set(found) - {picture for picture in made if picture.folder in own}

    def _join(self, pictures: Sequence[File]) -> None:
        """Looks among these pictures for those of the labels that are still open."""
        by_name = name_matching.grouped((pair_keys.spelled(picture), picture) for picture in pictures)
        for name, named in by_name.items():
            labels = self._open(self._labels_by_name.get(name, ()))
            if len(labels) == len(named) == 1:
                self._join_two(labels[0], named[0])
            elif labels:
                self._join_near(labels, named)
                self._join_anywhere(labels, named)
        left = self._open(self._labels)
        if not left or not pictures:
            return
        among = set(pictures)
        self._propose((label, self._said(label, among)) for label in left)
        by_bare_name = name_matching.grouped((name_forms.unmarked(picture.stem), picture) for picture in pictures)
        before = set(self.pairs.picture_of)
        self._propose((label, _in_other_marks(label, by_bare_name)) for label in self._open(left))
        self.pairs.guessed |= self.pairs.picture_of.keys() - before

    def _open(self, labels: Sequence[File]) -> list[File]:
        return [label for label in labels if self.pairs.is_open(label)]

    def _join_two(self, label: File, picture: File) -> None:
        """The one label and the one picture of a spelling: what the next two methods come to, in no time."""
        if (
            pair_keys.folder(label) in (self._counterpart(picture), pair_keys.folder(picture))
            or pair_keys.parallel(label) == pair_keys.parallel(picture)
            or self._may_be(label, picture)
        ):
            self._claims.settle([label], [picture])

    def _join_near(self, labels: Sequence[File], pictures: Sequence[File]) -> None:
        """Labels and pictures of one spelling, where their format has them, or in one folder, or in parallel ones."""
        for label_folder, picture_folder, known_place in (
            (pair_keys.folder, self._counterpart, True),
            (pair_keys.folder, pair_keys.folder, True),
            (pair_keys.parallel, pair_keys.parallel, False),
        ):
            for label_name, picture_name in pair_keys.NAMES:
                still_open = self._open(labels)
                if not still_open:
                    return
                there = name_matching.grouped(((picture_folder(p), picture_name(p)), p) for p in pictures)
                for key, same in name_matching.grouped(
                    ((label_folder(x), label_name(x)), x) for x in still_open
                ).items():
                    if key in there and key[0] is not None:
                        self._claims.settle(same, there[key], known_place=known_place)

    def _join_anywhere(self, labels: Sequence[File], pictures: Sequence[File]) -> None:
        """Labels and pictures of one spelling, wherever they lie, unless their folders contradict each other."""
        for label_name, picture_name in pair_keys.NAMES:
            still_open = self._open(labels)
            if not still_open:
                return
            by_name = name_matching.grouped((picture_name(picture), picture) for picture in pictures)
            found = {name: Namesakes(same) for name, same in by_name.items()}
            self._propose((label, _best(label, found.get(label_name(label)))) for label in still_open)

    def _said(self, label: File, among: Collection[File]) -> Sequence[File]:
        """The picture that the label names in its content, where it is one of these."""
        name = self._format.picture_name(label)
        picture = self._folder.picture(name, label.folder, split_of(label.folder)) if name else None
        return (picture,) if picture and picture in among else ()

    def _propose(self, found: Iterable[tuple[File, Sequence[File]]]) -> None:
        """Gives each picture its label, and none to a picture that several labels fit alike."""
        wanted: dict[File, list[File]] = {}
        for label, fitting in found:
            pictures = [picture for picture in fitting if self._may_be(label, picture)]
            picture = self._claims.one_of(pictures, [label])
            if picture is not None:
                wanted.setdefault(picture, []).append(label)
            elif pictures:
                self._claims.settle([label], pictures)
        for picture, labels in wanted.items():
            near = [name_matching.nearness(label.folder.parts, picture.folder.parts) for label in labels]
            nearest = [label for label, by in zip(labels, near, strict=True) if by == max(near)]
            self._claims.settle(nearest, [picture])
            if self.pairs.is_labelled(picture):
                self._claims.pass_over(self._open(labels), picture)

    def _may_be(self, label: File, picture: File) -> bool:
        """Whether nothing speaks against it: another split, another folder that mirrors it, a picture right beside."""
        if self._beside.get((label.folder, label.stem)) not in (None, picture):
            return False
        if not compatible(label.folder, picture.folder):
            return False
        its, other = derived.parallel(label.folder), derived.parallel(picture.folder)
        within = its[: len(other)] == other[: len(its)]
        return within or its not in self._folders

    @cached_property
    def _beside(self) -> Mapping[tuple[PurePosixPath, str], File]:
        """A folder and a stem -> the picture there."""
        return {(picture.folder, picture.stem): picture for picture in self._own}

    @cached_property
    def _folders(self) -> Collection[tuple[str, ...]]:
        return {derived.parallel(folder) for folder in {picture.folder for picture in self._folder.pictures}}


def _best(label: File, found: Namesakes[File] | None) -> Sequence[File]:
    return found.best((), label.folder, split_of(label.folder)) if found else ()


def _in_other_marks(label: File, pictures: Mapping[tuple[str, bool], Sequence[File]]) -> Sequence[File]:
    """The pictures that are called as the label but for a tool's marks, which either has and the other has not."""
    bare, marked = name_forms.unmarked(label.stem)
    return _best(label, Namesakes(pictures.get((bare, not marked), ())))
