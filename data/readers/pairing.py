"""Which label file belongs to which picture: a label to exactly one, and a picture has one label at most.

A label looks for its picture where its format has it (`labels` for `images`, `Annotations` for `JPEGImages`), beside
itself, in a folder of the same name but for words such as images and labels, and then anywhere. Its stem counts first,
then what tools make of a stem (name_forms.py), what it says inside, and its name without a tool's marks. What fits
several alike is joined to none, unless all labels say the same. Masks, drawn predictions and the like have the names of
pictures: they come last.
"""

from collections.abc import Iterable, Mapping, Sequence, Set

from data.readers import derived, joining, name_forms, pair_keys
from data.readers.claims import Claims, LabelFormat, Pairs, Place
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.joining import Namesakes
from data.readers.split_names import compatible, split_of


def pair(folder: Folder, labels: Sequence[File], form: LabelFormat, first: Iterable[Place] = ()) -> Pairs:
    """The pairs among these label files and the folder's pictures. first: pictures that come before all others."""
    if not labels:
        return Pairs()
    outputs = tuple(label for label in labels if derived.is_output(label.place.parent))
    if outputs:
        left_out = {label.place for label in outputs}
        own = [label for label in labels if label.place not in left_out]
        pairs = _Join(folder, own, form, frozenset(first)).pairs
        if pairs.label_of:
            pairs.outputs = outputs
            return pairs
    return _Join(folder, labels, form, frozenset(first)).pairs


class _Join:
    """pairs: the outcome."""

    def __init__(self, folder: Folder, labels: Sequence[File], form: LabelFormat, first: frozenset[Place]) -> None:
        self._folder, self._labels, self._format = folder, labels, form
        self._counterpart = pair_keys.counterpart(form.home)
        self.pairs = Pairs(late=self._late())
        self._claims = Claims(folder, form, self.pairs)
        own = [picture for picture in folder.pictures if picture.place not in self.pairs.late]
        names = {pair_keys.spelled(picture) for picture in own}
        late = [picture for picture in folder.pictures if picture.place in self.pairs.late]
        self._beside = {(picture.place.parent, pair_keys.stem(picture)): picture for picture in own}
        self._folders = {derived.parallel(picture.place.parent) for picture in folder.pictures}
        for pictures in (
            [picture for picture in own if picture.place in first],
            [picture for picture in own if picture.place not in first],
            [picture for picture in late if pair_keys.spelled(picture) not in names],
        ):
            self._join(pictures)

    def _late(self) -> set[Place]:
        """Pictures in folders called as those of labels, outputs or masks; but for folders of masks with own labels."""
        near = {
            (key(label), pair_keys.stem(label))
            for label in self._labels
            for key in (pair_keys.folder, pair_keys.parallel)
        }
        where = (self._counterpart, pair_keys.folder, pair_keys.parallel)

        def has_own(picture: File) -> bool:
            return any((key(picture), pair_keys.stem(picture)) in near for key in where)

        found = [picture for picture in self._folder.pictures if derived.is_derived(picture.place.parent)]
        made = [p for p in found if not (derived.is_output(p.place.parent) or derived.is_of_labels(p.place.parent))]
        own = {picture.place.parent for picture in made if has_own(picture)}
        return {picture.place for picture in found} - {picture.place for picture in made if picture.place.parent in own}

    def _join(self, pictures: Sequence[File]) -> None:
        """Looks among these pictures for those of the labels that are still open."""
        if not pictures:
            return
        by_name = joining.grouped((pair_keys.spelled(picture), picture) for picture in pictures)
        for name, labels in joining.grouped(
            (pair_keys.spelled(label), label) for label in self._open(self._labels)
        ).items():
            if name in by_name:
                self._join_near(labels, by_name[name])
                self._join_anywhere(labels, by_name[name])
        places = {picture.place for picture in pictures}
        self._propose((label, self._said(label, places)) for label in self._open(self._labels))
        by_bare_name = joining.grouped((name_forms.unmarked(picture.place.stem), picture) for picture in pictures)
        before = set(self.pairs.picture_of)
        self._propose((label, _in_other_marks(label, by_bare_name)) for label in self._open(self._labels))
        self.pairs.guessed |= self.pairs.picture_of.keys() - before

    def _open(self, labels: Sequence[File]) -> list[File]:
        return [label for label in labels if self.pairs.is_open(label)]

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
                there = joining.grouped(((picture_folder(p), picture_name(p)), p) for p in pictures)
                for key, same in joining.grouped(((label_folder(x), label_name(x)), x) for x in still_open).items():
                    if key in there and key[0] is not None:
                        self._claims.settle(same, there[key], known_place=known_place)

    def _join_anywhere(self, labels: Sequence[File], pictures: Sequence[File]) -> None:
        """Labels and pictures of one spelling, wherever they lie, unless their folders contradict each other."""
        for label_name, picture_name in pair_keys.NAMES:
            still_open = self._open(labels)
            if not still_open:
                return
            by_name = joining.grouped((picture_name(picture), picture) for picture in pictures)
            found = {name: Namesakes(same) for name, same in by_name.items()}
            self._propose((label, self._best(label, found.get(label_name(label)))) for label in still_open)

    def _best(self, label: File, found: Namesakes[File] | None) -> Sequence[File]:
        return found.best((), label.place.parent, split_of(label.place)) if found else ()

    def _said(self, label: File, places: Set[Place]) -> Sequence[File]:
        """The picture that the label names in its content, where it is one of these."""
        name = self._format.picture_name(label)
        picture = self._folder.picture(name, label.place.parent, split_of(label.place)) if name else None
        return (picture,) if picture and picture.place in places else ()

    def _propose(self, found: Iterable[tuple[File, Sequence[File]]]) -> None:
        """Gives each picture its label, and none to a picture that several labels fit alike."""
        wanted: dict[Place, tuple[File, list[File]]] = {}
        for label, fitting in found:
            pictures = [picture for picture in fitting if self._may_be(label, picture)]
            picture = self._claims.one_of(pictures, [label])
            if picture is not None:
                wanted.setdefault(picture.place, (picture, []))[1].append(label)
            elif pictures:
                self._claims.settle([label], pictures)
        for picture, labels in wanted.values():
            near = [joining.nearness(label.place.parent.parts, picture.place.parent.parts) for label in labels]
            nearest = [label for label, by in zip(labels, near, strict=True) if by == max(near)]
            self._claims.settle(nearest, [picture])
            if self.pairs.is_labelled(picture):
                self._claims.pass_over(self._open(labels), picture)

    def _may_be(self, label: File, picture: File) -> bool:
        """Whether nothing speaks against it: another split, another folder that mirrors it, a picture right beside."""
        beside = self._beside.get((label.place.parent, pair_keys.stem(label)))
        if beside not in (None, picture) or not compatible(label.place, picture.place):
            return False
        its, other = derived.parallel(label.place.parent), derived.parallel(picture.place.parent)
        within = its[: len(other)] == other[: len(its)]
        return within or its not in self._folders


def _in_other_marks(label: File, pictures: Mapping[tuple[str, bool], Sequence[File]]) -> Sequence[File]:
    """The pictures that are called as the label but for a tool's marks, which either has and the other has not."""
    bare, marked = name_forms.unmarked(label.place.stem)
    found = Namesakes(pictures.get((bare, not marked), ()))
    return found.best((), label.place.parent, split_of(label.place))
