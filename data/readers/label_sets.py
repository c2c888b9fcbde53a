"""Several label files for one picture: the format decides which one is meant, or they must say the same.

The rank of a label file is 0 if the format's tools look for it there, and higher elsewhere. Two files of the best rank
have equal claims.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from data.example import Problem
from data.readers import text
from data.readers.folder import File

Rank = Callable[[File, File], int]  # of a picture and a label file; 0 is the best


class LabelSets:
    """The choices for all pictures, and what is reported about them together."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._left: list[tuple[File, File]] = []
        self._rivals: dict[tuple[PurePosixPath, PurePosixPath], list[tuple[File, File]]] = {}

    def choose(self, picture: File, candidates: Sequence[File]) -> File:
        """The label file of the picture among these, of which there is at least one."""
        ordered = sorted(candidates, key=lambda label: (self._rank(picture, label), label.place.parts))
        chosen, best = ordered[0], self._rank(picture, ordered[0])
        for other in ordered[1:]:
            if self._rank(picture, other) == best and not _say_the_same(chosen, other):
                self._rivals.setdefault((chosen.place.parent, other.place.parent), []).append((chosen, other))
            else:
                self._left.append((chosen, other))
        return chosen

    def problems(self) -> Iterable[Problem]:
        """One problem for each two folders with equal claims, and one for each file that was left out."""
        for pairs in self._rivals.values():
            (chosen, other), count = pairs[0], len(pairs)
            detail = f"{other.place} is a label of the same picture, and differs ({count} such): keep one set of labels"
            yield Problem("label_sets", str(chosen.place), detail)
        for chosen, other in self._left:
            yield Problem("duplicate_annotation", str(other.place), f"of the picture of {chosen.place}; not used")


def _say_the_same(one: File, other: File) -> bool:
    try:
        return text.read_bytes(one.path).split() == text.read_bytes(other.path).split()
    except text.TextError:
        return False
