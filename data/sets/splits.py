"""Cutting the splits that a data set lacks out of its training pictures: by seed, with a fair share of every class.

Each picture counts for its rarest class, and the shares are cut class by class, the rarest first: a simple form of
Sechidis et al., "On the stratification of multi-label data", 2011. Pictures that are the same, or nearly so, go to one
split together: a score on copies of what was trained on is flattery.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np

from data import chance
from data.dataset import SPLITS, Dataset, DatasetError, Example, Problem
from data.sets import cached_families, duplicates

CUT_SHARE = 0.15  # of the training pictures, for each missing split

_NO_BOXES = -1  # the stratum of pictures without boxes


def cut_missing(dataset: Dataset, seed: int) -> Dataset:
    """The data set with all three splits; missing val and test are cut from train, and named in the problems.

    The fingerprint then follows from what was cut too.
    """
    missing = _missing(dataset)
    if not missing:
        return dataset
    if "train" not in dataset.splits:
        raise DatasetError(
            f"{dataset.root}: expected a train split, found only {list(dataset.splits)}", dataset.problems
        )
    # By name, whatever the order of a list or a JSON file: the same pictures and seed are the same cut.
    train = tuple(sorted(dataset.splits["train"], key=lambda example: example.path.as_posix()))
    if not can_cut(dataset):
        raise DatasetError(
            f"{dataset.root}: expected more than {len(missing)} training pictures to cut {' and '.join(missing)} from, "
            f"got {len(train)}",
            dataset.problems,
        )
    count = max(1, round(len(train) * CUT_SHARE)) if len(train) > 2 * len(missing) else 1
    parts, copies = _cut(train, dict.fromkeys(missing, count), seed)
    splits = dict(dataset.splits) | {
        split: tuple(train[index] for index in sorted(chosen)) for split, chosen in parts.items()
    }
    how = f"by seed {seed}{copies}"
    notes = [
        Problem("split_cut", "", f"no {split} split: {len(parts[split])} of {len(train)} training pictures, {how}")
        for split in missing
    ]
    return replace(
        dataset,
        splits={split: splits[split] for split in SPLITS if split in splits},
        problems=(*dataset.problems, *notes),
        fingerprint=_fingerprint(dataset, parts),
    )


def can_cut(dataset: Dataset) -> bool:
    """Whether its training pictures are enough to cut the missing splits from."""
    return len(dataset.splits.get("train", ())) > len(_missing(dataset))


def _missing(dataset: Dataset) -> list[str]:
    return [split for split in ("test", "val") if split not in dataset.splits and split not in dataset.unread_splits]


def _cut(train: Sequence[Example], counts: dict[str, int], seed: int) -> tuple[dict[str, list[int]], str]:
    """(split -> indices of its pictures, what became of the copies, in words)."""
    with_boxes = {index for index, example in enumerate(train) if len(example.boxes)}
    families, compared = cached_families.families(train)
    beyond = "" if compared else "; only equal files were kept together, the pictures are too many to compare"
    equal = families if not compared else duplicates.equal_files(train)
    for kept in (families, equal, []):
        cut = stratified(train, list(counts.values()), seed, kept)
        taken = {index for part in cut for index in part}
        rest = [index for index in range(len(train)) if index not in taken]
        if not kept:
            _share_boxes([*cut, rest], with_boxes)
        # Where one family is most of the data set, little is left for the others.
        elif any(with_boxes.isdisjoint(part) for part in (*cut, rest)) or any(
            2 * len(part) < count for part, count in zip(cut, counts.values(), strict=True)
        ):
            continue
        break
    parts = dict(zip(counts, cut, strict=True)) | {"train": rest}
    if kept != families:
        return parts, "; pictures that are nearly the same are too many to be kept in one split"
    return (
        parts,
        f"; {sum(map(len, kept))} (nearly) the same kept together in {len(kept)} groups{beyond}" if kept else "",
    )


def stratified(
    examples: Sequence[Example], counts: Sequence[int], seed: int, families: Iterable[Sequence[int]] = ()
) -> list[list[int]]:
    """For each count that many indices into the examples, none twice, with the classes in their proportions.

    A class that a part would not get by its share gives it a picture all the same, where it has one more than parts.
    families: indices that stay together; a part has fewer than its count where none is left that fits.
    """
    alone = set(range(len(examples))).difference(*families)
    units = sorted([*([index] for index in alone), *map(list, families)])
    rng = chance.generator(chance.Stream.SPLIT, seed)
    strata = [[units[at] for at in rng.permutation(members)] for members in _strata(examples, units)]
    parts: list[list[int]] = [[] for _ in counts]
    owed = [0.0] * len(counts)
    for members in strata:
        total, enough = sum(map(len, members)), len(members) > len(counts)
        for part, (number, count) in zip(parts, enumerate(counts), strict=True):
            owed[number] += count * total / len(examples)
            room = count - len(part)
            taken = _take(members, min(int(owed[number] + 0.5), room), least=1)
            if not taken and enough and len(members) > 1:
                taken = _take(members, min(room, min(map(len, members))), least=1)
            owed[number] -= len(taken)
            part += taken
    for part, count in zip(parts, counts, strict=True):
        for members in reversed(strata):  # the most frequent class fills what is open
            part += _take(members, count - len(part))
    return parts


def _take(units: list[list[int]], room: int, *, least: int = 0) -> list[int]:
    """The pictures of those units, from the last on, that fit; they leave the list, in which at least `least` stay."""
    taken: list[int] = []
    for at in range(len(units) - 1, -1, -1):
        if len(taken) >= room or len(units) <= least:
            break
        if len(units[at]) <= room - len(taken):
            taken += units.pop(at)
    return taken


def _strata(examples: Sequence[Example], units: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of units by the rarest class of each, rarest class first; those without boxes come last."""
    units_with: dict[int, int] = {}
    classes = [sorted({number for index in unit for number in examples[index].classes.tolist()}) for unit in units]
    for found in classes:
        for number in found:
            units_with[number] = units_with.get(number, 0) + 1
    strata: dict[int, list[int]] = {}
    for place, found in enumerate(classes):
        rarest = min(found, key=lambda number: (units_with[number], number), default=_NO_BOXES)
        strata.setdefault(rarest, []).append(place)
    order = sorted(strata, key=lambda number: (number == _NO_BOXES, units_with.get(number, 0), number))
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
