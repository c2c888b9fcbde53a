"""Pictures that are nearly the same. If frames of one video are in two splits, the test score is too high.

Each picture has a grey thumbnail (data/pictures/looks.py). Pictures whose difference hashes (64 signs of left-to-right
gradients) differ in few bits are then compared by the correlation of their thumbnails, which does not depend on
brightness. Two views of one scene that moved or was focused anew between them do not count as the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data.dataset import SPLITS, Dataset, Example, Problem, relative
from data.pictures import looks, picture_files
from data.pictures.thumbnails import FLAT, SIDE
from data.pictures.thumbnails import correlation as correlate

MAX_DISTANCE = 10  # bits of 64; unrelated pictures differ in half of them
MIN_CORRELATION = 0.98
MAX_PARTNERS = 8  # of one picture, in later splits

# Size of all files together up to which they are compared before a split is cut: two minutes on one core.
MAX_BYTES = 10_000_000_000

# What families depend on, besides the pictures.
SETTINGS = (SIDE, MAX_DISTANCE, MIN_CORRELATION, MAX_PARTNERS, FLAT, MAX_BYTES, picture_files.NARROW)

_ROWS = 64  # pictures compared with all others at a time, which bounds the memory


@dataclass(frozen=True)
class DuplicatePair:
    """Two nearly equal examples of different splits, `other` from the later one; correlation: of their thumbnails."""

    split: str
    example: Example
    other_split: str
    other: Example
    correlation: float

    def problem(self, dataset: Dataset) -> Problem:
        """The pair as `data check` lists it."""
        name, other = (relative(example.path, dataset.root) for example in (self.example, self.other))
        detail = f"in {self.split}, nearly the same as {other} in {self.other_split} ({self.correlation:.3f})"
        return Problem("near_duplicate", name, detail)


def across_splits(splits: Mapping[str, Sequence[Example]]) -> list[DuplicatePair]:
    """Pairs of pictures that are nearly the same and in different splits, the most similar first.

    All of them, except that one picture has at most MAX_PARTNERS.
    """
    members = [(split, example) for split in SPLITS for example in splits.get(split, ())]
    thumbnails = looks.thumbnails([example for _, example in members])
    pairs = []
    for first, second, correlation in _similar(thumbnails, [SPLITS.index(split) for split, _ in members]):
        (split, example), (other_split, other) = members[first], members[second]
        pairs.append(DuplicatePair(split, example, other_split, other, correlation))
    return sorted(pairs, key=lambda pair: -pair.correlation)


def families(examples: Sequence[Example]) -> tuple[list[list[int]], bool]:
    """(groups of indices of pictures that are nearly the same, whether thumbnails were compared).

    A picture belongs to the family of every picture that it is nearly the same as, so the frames of a slow film are one
    family. Beyond MAX_BYTES of files, thumbnails are not compared: only files with equal bytes are grouped.
    PictureError if a file changed after it was read with its boxes.
    """
    equal = equal_files(examples)
    firsts = sorted(set(range(len(examples))).difference(*(family[1:] for family in equal)))
    if sum(examples[index].path.stat().st_size for index in firsts) > MAX_BYTES:
        return equal, False
    thumbnails = looks.thumbnails([examples[index] for index in firsts])
    textured = [index for index, image in enumerate(thumbnails) if image.std() >= FLAT]
    pairs = _similar([thumbnails[index] for index in textured], range(len(textured)))
    links = [(firsts[textured[first]], firsts[textured[second]]) for first, second, _ in pairs]
    return _merged([*equal, *links]), True


def equal_files(examples: Sequence[Example]) -> list[list[int]]:
    """The indices of the pictures whose files have the same bytes."""
    by_digest: dict[bytes, list[int]] = {}
    for index, example in enumerate(examples):
        if example.digest:
            by_digest.setdefault(example.digest, []).append(index)
    return [indices for indices in by_digest.values() if len(indices) > 1]


def _merged(groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """Merge groups that share a member; members ascend in each group, and groups by their first member."""
    leader: dict[int, int] = {}

    def lead(member: int) -> int:
        while leader.setdefault(member, member) != member:
            leader[member] = leader[leader[member]]
            member = leader[member]
        return member

    for group in groups:
        for member in group:
            first, second = sorted((lead(group[0]), lead(member)))
            leader[second] = first
    merged: dict[int, list[int]] = {}
    for member in sorted(leader):
        merged.setdefault(lead(member), []).append(member)
    return list(merged.values())


def difference_hash(image: NDArray[np.uint8]) -> int:
    """64 bits: for each of 8 x 8 cells, whether it is darker than its right neighbour."""
    cells = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def _similar(thumbnails: Sequence[NDArray[np.uint8]], groups: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """(first, second, correlation) of similar pictures from different groups; `groups` must ascend."""
    if not thumbnails:
        return
    flat: dict[bytes, list[int]] = {}
    textured = []
    for index, image in enumerate(thumbnails):
        if image.std() < FLAT:
            flat.setdefault(image.tobytes(), []).append(index)
        else:
            textured.append(index)
    for same in flat.values():  # nothing to compare, so only equal ones are paired, each with the first
        yield from ((same[0], index, 1.0) for index in same[1:] if groups[index] != groups[same[0]])
    # groups ascend, and so do those of the textured pictures
    hashes = np.array([difference_hash(thumbnails[index]) for index in textured], dtype=np.uint64)
    group = np.array([groups[index] for index in textured])
    for own in np.unique(group).tolist():
        later = int(np.searchsorted(group, own, side="right"))
        for start in range(int(np.searchsorted(group, own)), later, _ROWS):
            distance = np.bitwise_count(hashes[start : min(start + _ROWS, later), None] ^ hashes[None, later:])
            for row in np.flatnonzero((distance <= MAX_DISTANCE).any(axis=1)).tolist():
                for column in _nearest(distance[row]):
                    first, second = textured[start + row], textured[later + column]
                    correlation = correlate(thumbnails[first], thumbnails[second])
                    if correlation >= MIN_CORRELATION:
                        yield first, second, correlation


def _nearest(distance: NDArray[np.uint8]) -> list[int]:
    """The indices of the nearest hashes, at most MAX_PARTNERS, so that a set of copies does not give all its pairs."""
    near = np.flatnonzero(distance <= MAX_DISTANCE)
    order = np.argsort(distance[near], kind="stable")[:MAX_PARTNERS]
    nearest: list[int] = near[order].tolist()
    return nearest
