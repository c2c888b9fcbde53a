"""Cutting the splits that a data set lacks out of its training pictures: by seed, with a fair share of every class.

Each picture counts for its rarest class, and the shares are cut class by class, the rarest first: a simple form of
Sechidis et al., "On the stratification of multi-label data", 2011.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np

from data import chance
from data.example import SPLITS, Dataset, DatasetError, Example, Problem

CUT_SHARE = 0.15  # of the training pictures, for each missing split

_NO_BOXES = -1  # the stratum of pictures without boxes


def cut_missing(dataset: Dataset, seed: int) -> Dataset:
    """The data set with all three splits; missing val and test are cut from train, and named in the problems.

    The fingerprint then follows from what was cut too.
    """
    missing = [split for split in ("test", "val") if split not in dataset.splits]
    if not missing:
        return dataset
    if "train" not in dataset.splits:
        raise DatasetError(
            f"{dataset.root}: expected a train split, found only {list(dataset.splits)}", dataset.problems
        )
    # By name, whatever the order of a list or a JSON file: the same pictures and seed are the same cut.
    train = tuple(sorted(dataset.splits["train"], key=lambda example: example.path.as_posix()))
    if len(train) <= len(missing):
        raise DatasetError(
            f"{dataset.root}: expected more than {len(missing)} training pictures to cut {' and '.join(missing)} from, "
            f"got {len(train)}",
            dataset.problems,
        )
    count = max(1, round(len(train) * CUT_SHARE)) if len(train) > 2 * len(missing) else 1
    cut = stratified(train, [count] * len(missing), seed)
    taken = {index for part in cut for index in part}
    rest = [index for index in range(len(train)) if index not in taken]
    _share_boxes([*cut, rest], {index for index, example in enumerate(train) if len(example.boxes)})
    parts = dict(zip(missing, cut, strict=True)) | {"train": rest}
    splits = dict(dataset.splits) | {
        split: tuple(train[index] for index in sorted(chosen)) for split, chosen in parts.items()
    }
    notes = [
        Problem("split_cut", "", f"no {split} split: {count} of {len(train)} training pictures, by seed {seed}")
        for split in missing
    ]
    return replace(
        dataset,
        splits={split: splits[split] for split in SPLITS},
        problems=(*dataset.problems, *notes),
        fingerprint=_fingerprint(dataset, parts),
    )


def stratified(examples: Sequence[Example], counts: Sequence[int], seed: int) -> list[list[int]]:
    """For each count that many indices into the examples, none twice, with the classes in their proportions.

    A class that a part would not get by its share gives it a picture all the same, where it has one more than parts.
    """
    rng = chance.generator(chance.Stream.SPLIT, seed)
    strata = [rng.permutation(members).tolist() for members in _strata(examples)]
    parts: list[list[int]] = [[] for _ in counts]
    owed = [0.0] * len(counts)
    for members in strata:
        total = len(members)
        for number, count in enumerate(counts):
            owed[number] += count * total / len(examples)
            take = min(int(owed[number] + 0.5), count - len(parts[number]), len(members) - 1)
            if take <= 0:
                take = int(total > len(counts) and len(parts[number]) < count and len(members) > 1)
            owed[number] -= take
            parts[number] += [members.pop() for _ in range(take)]
    for part, count in zip(parts, counts, strict=True):
        for members in reversed(strata):  # the most frequent class fills what is open
            while len(part) < count and members:
                part.append(members.pop())
    return parts


def _strata(examples: Sequence[Example]) -> list[list[int]]:
    """The indices by the rarest class of each picture, rarest class first; those without boxes come last."""
    pictures_with: dict[int, int] = {}
    classes = [sorted(set(example.classes.tolist())) for example in examples]
    for found in classes:
        for number in found:
            pictures_with[number] = pictures_with.get(number, 0) + 1
    strata: dict[int, list[int]] = {}
    for index, found in enumerate(classes):
        rarest = min(found, key=lambda number: (pictures_with[number], number), default=_NO_BOXES)
        strata.setdefault(rarest, []).append(index)
    order = sorted(strata, key=lambda number: (number == _NO_BOXES, pictures_with.get(number, 0), number))
    return [strata[number] for number in order]


def _share_boxes(parts: list[list[int]], boxed: set[int]) -> None:
    """Where a part has none of the boxed pictures, exchange one with the part that has the most."""
    for part in parts:
        if boxed.isdisjoint(part):
            giver = max(parts, key=lambda other: len(boxed.intersection(other)))
            if len(boxed.intersection(giver)) > 1:
                place = next(place for place, index in enumerate(giver) if index in boxed)
                part[0], giver[place] = giver[place], part[0]


def _fingerprint(dataset: Dataset, parts: dict[str, list[int]]) -> str:
    """sha256 over the read data set's fingerprint and which of its training pictures went where."""
    total = sha256(dataset.fingerprint.encode())
    for split in sorted(parts):
        total.update(split.encode())
        total.update(np.array(sorted(parts[split]), dtype="<i8").tobytes())
    return total.hexdigest()
