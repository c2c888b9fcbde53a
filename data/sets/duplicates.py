"""Pictures that are nearly the same: frames of one video, in two splits, make a test score flatter than it is.

Each picture has a grey thumbnail (data/pictures/looks.py). Pairs whose difference hashes (64 signs of left-to-right
gradients) differ in few places are compared once more by the correlation of the thumbnails, which a change of
brightness leaves alone. Two views of one scene that moved or were focused anew are told apart from the same one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data.dataset import SPLITS, Dataset, Example, Problem, relative
from data.pictures import looks, picture_files

MAX_DISTANCE = 10  # of 64 signs; unrelated pictures differ in half of them
MIN_CORRELATION = 0.98
MAX_PARTNERS = 8  # of one picture in the splits that are scored later
FLAT = 2.0  # standard deviation in grey levels below which a thumbnail shows nothing to compare by

# Files in all that are compared with each other before a split is cut: two minutes of one core's time.
MAX_BYTES = 10_000_000_000

# What families hang on.
SETTINGS = (looks.SIDE, MAX_DISTANCE, MIN_CORRELATION, MAX_PARTNERS, FLAT, MAX_BYTES, picture_files.NARROW)

_ROWS = 64  # pictures compared with all others at a time: bounds the memory


@dataclass(frozen=True)
class Pair:
    """Two examples of different splits, `other` of the one that is scored later; correlation of their thumbnails."""

    split: str
    example: Example
    other_split: str
    other: Example
    correlation: float

    def problem(self, dataset: Dataset) -> Problem:
        """The pair as `data check` lists it."""
        name, other = (relative(each.path, dataset.root) for each in (self.example, self.other))
        detail = f"in {self.split}, nearly the same as {other} in {self.other_split} ({self.correlation:.3f})"
        return Problem("near_duplicate", name, detail)


def across_splits(splits: Mapping[str, Sequence[Example]]) -> list[Pair]:
    """Pairs of pictures that are nearly the same and in different splits, the most similar first.

    All of them, unless one picture has more than MAX_PARTNERS.
    """
    members = [(split, example) for split in SPLITS for example in splits.get(split, ())]
    thumbnails = looks.thumbnails([example for _, example in members])
    pairs = []
    for first, second, correlation in _similar(thumbnails, [SPLITS.index(split) for split, _ in members]):
        (split, example), (other_split, other) = members[first], members[second]
        pairs.append(Pair(split, example, other_split, other, correlation))
    return sorted(pairs, key=lambda pair: -pair.correlation)


def families(examples: Sequence[Example]) -> tuple[list[list[int]], bool]:
    """(the pictures that are the same or nearly so, by their indices, whether they were compared at all).

    A picture is of the family of whatever it is nearly the same as: the frames of a slow film are one. Of more than
    MAX_BYTES only files with equal bytes are found. PictureError where a file is no longer the one that was read.
    """
    equal = equal_files(examples)
    firsts = sorted(set(range(len(examples))).difference(*(family[1:] for family in equal)))
    if sum(examples[index].path.stat().st_size for index in firsts) > MAX_BYTES:
        return equal, False
    thumbnails = looks.thumbnails([examples[index] for index in firsts])
    telling = [place for place, image in enumerate(thumbnails) if image.std() >= FLAT]
    pairs = _similar([thumbnails[place] for place in telling], range(len(telling)))
    links = [(firsts[telling[first]], firsts[telling[second]]) for first, second, _ in pairs]
    return _joined([*equal, *links]), True


def equal_files(examples: Sequence[Example]) -> list[list[int]]:
    """The indices of the pictures whose files have the same bytes."""
    found: dict[bytes, list[int]] = {}
    for index, example in enumerate(examples):
        if example.digest:
            found.setdefault(example.digest, []).append(index)
    return [indices for indices in found.values() if len(indices) > 1]


def _joined(groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """Groups that share a member become one; each ascends, and so do they."""
    leader: dict[int, int] = {}

    def lead(member: int) -> int:
        while leader.setdefault(member, member) != member:
            leader[member] = leader[leader[member]]
            member = leader[member]
        return member

    for group in groups:
        for member in group:
            one, other = sorted((lead(group[0]), lead(member)))
            leader[other] = one
    found: dict[int, list[int]] = {}
    for member in sorted(leader):
        found.setdefault(lead(member), []).append(member)
    return list(found.values())


def difference_hash(image: NDArray[np.uint8]) -> int:
    """64 bits: whether each of 8 x 8 cells is darker than its right neighbour."""
    cells = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def _similar(thumbnails: Sequence[NDArray[np.uint8]], groups: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """(first, second, correlation) of the similar pairs of different groups; groups ascend."""
    if not thumbnails:
        return
    flat: dict[bytes, list[int]] = {}
    telling = []
    for index, image in enumerate(thumbnails):
        if image.std() < FLAT:
            flat.setdefault(image.tobytes(), []).append(index)
        else:
            telling.append(index)
    for same in flat.values():  # nothing to compare by, unless they are equal: named with the first of them
        yield from ((same[0], index, 1.0) for index in same[1:] if groups[index] != groups[same[0]])
    # groups ascend, and so do those of the telling ones
    hashes = np.array([difference_hash(thumbnails[index]) for index in telling], dtype=np.uint64)
    group = np.array([groups[index] for index in telling])
    for own in np.unique(group).tolist():
        later = int(np.searchsorted(group, own, side="right"))
        for start in range(int(np.searchsorted(group, own)), later, _ROWS):
            distance = np.bitwise_count(hashes[start : min(start + _ROWS, later), None] ^ hashes[None, later:])
            for row in np.flatnonzero((distance <= MAX_DISTANCE).any(axis=1)).tolist():
                for column in _nearest(distance[row]):
                    first, second = telling[start + row], telling[later + column]
                    correlation = _correlation(thumbnails[first], thumbnails[second])
                    if correlation >= MIN_CORRELATION:
                        yield first, second, correlation


def _nearest(distance: NDArray[np.uint8]) -> list[int]:
    """The places of the nearest hashes, at most MAX_PARTNERS: a set made of copies must not end in all its pairs."""
    near = np.flatnonzero(distance <= MAX_DISTANCE)
    order = np.argsort(distance[near], kind="stable")[:MAX_PARTNERS]
    found: list[int] = near[order].tolist()
    return found


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
