"""Decide which label a picture gets if several claim it, and which picture a label gets if several fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from data.readers import name_forms, name_matching, text_files
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder


@dataclass
class Pairs:
    """Which label belongs to which picture, and what became of the other labels.

    label_of: picture -> its label. picture_of: label -> its picture. ties: label -> the pictures that fit it equally
    well, and picture -> the labels that do. surplus: label without a picture -> the picture that it fits, which has
    another label. guessed: labels that were paired by their names without a tool's marks. derived: pictures that were
    made from others, to judge by their folders' names. detector_outputs: label files that a detector wrote; not used.
    """

    label_of: dict[DatasetFile, DatasetFile] = field(default_factory=dict)
    picture_of: dict[DatasetFile, DatasetFile] = field(default_factory=dict)
    ties: dict[DatasetFile, Sequence[DatasetFile]] = field(default_factory=dict)
    surplus: dict[DatasetFile, DatasetFile] = field(default_factory=dict)
    guessed: set[DatasetFile] = field(default_factory=set)
    derived: set[DatasetFile] = field(default_factory=set)
    detector_outputs: tuple[DatasetFile, ...] = ()

    def is_labelled(self, picture: DatasetFile) -> bool:
        """Whether the picture has a label."""
        return picture in self.label_of

    def is_open(self, label: DatasetFile) -> bool:
        """Whether nothing has been decided about the label yet."""
        return not (label in self.picture_of or label in self.ties or label in self.surplus)


@dataclass(frozen=True)
class LabelFormat:
    """What pairing must know of a format.

    home: the format's name for the folder of labels, in lower case. The content of a label file is read only if names
    do not decide. picture_name: the picture's name in that content, or None. is_label: whether the file holds labels.
    """

    home: str
    picture_name: Callable[[DatasetFile], str | None] = lambda _: None
    is_label: Callable[[DatasetFile], bool] = lambda _: True


class Claims:
    """Pairs labels with pictures that they fit. pairs: the result so far."""

    def __init__(self, folder: Folder, form: LabelFormat, pairs: Pairs) -> None:
        self._folder, self._format, self.pairs = folder, form, pairs
        self._at_known_place: set[DatasetFile] = set()  # labels where the format's tools look for them

    def settle(
        self, labels: Sequence[DatasetFile], pictures: Sequence[DatasetFile], *, known_place: bool = False
    ) -> None:
        """Pair one of the labels with one of the pictures, all of which fit equally well; none if nothing decides.

        known_place: whether the labels are where the format's tools look for them.
        """
        picture = self.choose_picture(pictures, labels)
        if picture is None:
            self._tie(labels, pictures)
        elif self.pairs.is_labelled(picture):
            current = self.pairs.label_of[picture]
            if known_place and current in self._at_known_place and not self._agree(current, labels):
                del self.pairs.label_of[picture], self.pairs.picture_of[current]
                self._tie([current, *labels], [picture])
            else:
                self.mark_surplus(labels, picture)
        else:
            self._assign(picture, labels, known_place=known_place)

    def mark_surplus(self, labels: Sequence[DatasetFile], picture: DatasetFile) -> None:
        """Record that these labels fit the picture, which has another label."""
        self.pairs.surplus.update(dict.fromkeys(labels, picture))

    def choose_picture(self, pictures: Sequence[DatasetFile], labels: Sequence[DatasetFile]) -> DatasetFile | None:
        """The one of several pictures that these labels mean; None if nothing decides."""
        if len(pictures) > 1 and len(labels) == 1:
            stated = name_matching.parts(self._format.picture_name(labels[0]) or "")[-1:]
            named = [picture for picture in pictures if [picture.name] == stated]
            if len(named) == 1:
                return named[0]
        return self._folder.choose(pictures, anywhere=True)

    def _assign(self, picture: DatasetFile, labels: Sequence[DatasetFile], *, known_place: bool) -> None:
        """Pair the picture with the label; of several, with the one in the format's folder, or one of equal copies."""
        if len(labels) > 1:
            labels = [label for label in labels if self._format.is_label(label)] or labels
            at_home = [label for label in labels if self._format.home in map(str.lower, label.folder.parts)]
            others = [label for label in labels if at_home and label not in at_home]
            labels = at_home or labels
            if len(labels) > 1 and not self._agree(labels[0], labels[1:]):
                self._tie(labels, [picture])
                return
            self.mark_surplus([*labels[1:], *others], picture)
        label = labels[0]
        self.pairs.label_of[picture], self.pairs.picture_of[label] = label, picture
        if known_place:
            self._at_known_place.add(label)

    def _agree(self, label: DatasetFile, others: Sequence[DatasetFile]) -> bool:
        """Whether all others are copies of this label, or hold no labels."""
        return all(not self._format.is_label(other) or _is_copy(label, other) for other in others)

    def _tie(self, labels: Sequence[DatasetFile], pictures: Sequence[DatasetFile]) -> None:
        """Record that nothing decides between these labels or pictures."""
        if all(map(self.pairs.is_labelled, pictures)):
            self.mark_surplus(labels, pictures[0])
            return
        self.pairs.ties.update(dict.fromkeys(labels, pictures))
        self.pairs.ties.update((picture, labels) for picture in pictures if not self.pairs.is_labelled(picture))


def _is_copy(one: DatasetFile, other: DatasetFile) -> bool:
    """Whether two label files have the same name and the same content, white space aside."""
    if name_forms.spelled(one.stem) != name_forms.spelled(other.stem):
        return False
    try:
        return text_files.read_bytes(one.path).split() == text_files.read_bytes(other.path).split()
    except text_files.TextError:
        return False
