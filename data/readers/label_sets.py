"""Several label files of one picture: which of them its format means, and where it means none.

`rank` says where a label lies: 0 where the format looks for it, more elsewhere. Of two files at the best rank neither
is meant more than the other: they have to say the same.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from data.example import Problem
from data.readers import text
from data.readers.folder import File

Rank = Callable[[File, File], int]  # of a picture and a label file; 0 is the best


class LabelSets:
    """What is told of all pictures together: each file that is left out, and one problem for each two rival folders."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._left: list[tuple[File, File]] = []
        self._rivals: dict[tuple[PurePosixPath, PurePosixPath], list[tuple[File, File]]] = {}

    def choose(self, picture: File, candidates: Sequence[File]) -> File:
        """The label of the picture among these, at least one; those that are left out are told of."""
        ordered = sorted(candidates, key=lambda label: (self._rank(picture, label), label.place.parts))
        chosen, best = ordered[0], self._rank(picture, ordered[0])
        for other in ordered[1:]:
            if self._rank(picture, other) == best and not _say_the_same(chosen, other):
                self._rivals.setdefault((chosen.place.parent, other.place.parent), []).append((chosen, other))
            else:
                self._left.append((chosen, other))
        return chosen

    def problems(self) -> Iterable[Problem]:
        """Those of which nobody can tell which is meant, and those that were left out."""
        for pairs in self._rivals.values():
            (chosen, other), count = pairs[0], len(pairs)
            detail = f"and {other.place} are labels of one picture, and differ ({count} such): keep one set of labels"
            yield Problem("label_sets", str(chosen.place), detail)
        for chosen, other in self._left:
            yield Problem("duplicate_annotation", str(other.place), f"of the picture of {chosen.place}; not used")


def _say_the_same(one: File, other: File) -> bool:
    try:
        return text.read_bytes(one.path).split() == text.read_bytes(other.path).split()
    except text.TextError:
        return False
