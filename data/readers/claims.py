"""Which label a picture gets when several claim it, and which picture a label gets: a label to exactly one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from data.readers import name_forms, name_matching, text_files
from data.readers.files import File
from data.readers.folder import Folder


@dataclass
class Pairs:
    """label_of: a picture -> its label. picture_of: a label -> its picture.

    ties: a label, or a picture -> the pictures, or labels, that fit it alike. second: a label that is left over -> the
    picture that it fits, and that has another label. guessed: labels that were joined without a tool's marks. late:
    pictures that were made from others, by their folders' names. outputs: label files that a detector wrote; not used.
    """

    label_of: dict[File, File] = field(default_factory=dict)
    picture_of: dict[File, File] = field(default_factory=dict)
    ties: dict[File, Sequence[File]] = field(default_factory=dict)
    second: dict[File, File] = field(default_factory=dict)
    guessed: set[File] = field(default_factory=set)
    late: set[File] = field(default_factory=set)
    outputs: tuple[File, ...] = ()

    def is_labelled(self, picture: File) -> bool:
        """Whether the picture has a label."""
        return picture in self.label_of

    def is_open(self, label: File) -> bool:
        """Whether it is still to be decided what becomes of the label."""
        return not (label in self.picture_of or label in self.ties or label in self.second)


@dataclass(frozen=True)
class LabelFormat:
    """home: what the format calls the folder of its labels, in lower case.

    What the content of a label file says is read only where names leave it open. picture_name: the name of its picture,
    or None. is_label: whether the file holds labels at all.
    """

    home: str
    picture_name: Callable[[File], str | None] = lambda _: None
    is_label: Callable[[File], bool] = lambda _: True


class Claims:
    """Makes pairs of labels and the pictures that they fit. pairs: the outcome."""

    def __init__(self, folder: Folder, form: LabelFormat, pairs: Pairs) -> None:
        self._folder, self._format, self.pairs = folder, form, pairs
        self._at_known_place: set[File] = set()  # labels

    def settle(self, labels: Sequence[File], pictures: Sequence[File], *, known_place: bool = False) -> None:
        """Joins one of the labels to one of the pictures that they all fit alike, or none where nothing decides.

        known_place: whether the format's tools look for the labels where they are.
        """
        picture = self.one_of(pictures, labels)
        if picture is None:
            self._tie(labels, pictures)
        elif self.pairs.is_labelled(picture):
            held = self.pairs.label_of[picture]
            if known_place and held in self._at_known_place and not self._agree(held, labels):
                del self.pairs.label_of[picture], self.pairs.picture_of[held]
                self._tie([held, *labels], [picture])
            else:
                self.pass_over(labels, picture)
        else:
            self._give(picture, labels, known_place=known_place)

    def pass_over(self, labels: Sequence[File], picture: File) -> None:
        """These labels fit the picture, which has another one."""
        self.pairs.second.update(dict.fromkeys(labels, picture))

    def one_of(self, pictures: Sequence[File], labels: Sequence[File]) -> File | None:
        """The picture among several that the labels fit alike by their places; None if nothing decides."""
        if len(pictures) > 1 and len(labels) == 1:
            said = name_matching.parts(self._format.picture_name(labels[0]) or "")[-1:]
            named = [picture for picture in pictures if [picture.name] == said]
            if len(named) == 1:
                return named[0]
        return self._folder.foremost(pictures, anywhere=True)

    def _give(self, picture: File, labels: Sequence[File], *, known_place: bool) -> None:
        """Joins the picture to its label; of several, to that in the format's own folder, or any of equal copies."""
        if len(labels) > 1:
            labels = [label for label in labels if self._format.is_label(label)] or labels
            at_home = [label for label in labels if self._format.home in map(str.lower, label.folder.parts)]
            others = [label for label in labels if at_home and label not in at_home]
            labels = at_home or labels
            if len(labels) > 1 and not self._agree(labels[0], labels[1:]):
                self._tie(labels, [picture])
                return
            self.pass_over([*labels[1:], *others], picture)
        label = labels[0]
        self.pairs.label_of[picture], self.pairs.picture_of[label] = label, picture
        if known_place:
            self._at_known_place.add(label)

    def _agree(self, label: File, others: Sequence[File]) -> bool:
        """Whether the others are copies of this label, or no labels at all."""
        return all(not self._format.is_label(other) or _is_copy(label, other) for other in others)

    def _tie(self, labels: Sequence[File], pictures: Sequence[File]) -> None:
        if all(map(self.pairs.is_labelled, pictures)):
            self.pass_over(labels, pictures[0])
            return
        self.pairs.ties.update(dict.fromkeys(labels, pictures))
        self.pairs.ties.update((picture, labels) for picture in pictures if not self.pairs.is_labelled(picture))


def _is_copy(one: File, other: File) -> bool:
    """Whether two label files have one name and say the same."""
    if name_forms.spelled(one.stem) != name_forms.spelled(other.stem):
        return False
    try:
        return text_files.read_bytes(one.path).split() == text_files.read_bytes(other.path).split()
    except text_files.TextError:
        return False
