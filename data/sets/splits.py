"""Cut missing splits from the training pictures of a data set: by seed, with a fair share of every class.

Each picture counts for its rarest class, and the shares are cut class by class, the rarest first: a simple form of
Sechidis et al., "On the stratification of multi-label data", 2011. Pictures that are the same, or nearly so, stay
together in one split, since a score on copies of training pictures is too high.
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

    The new fingerprint depends on what was cut, too.
    """
    missing = _missing(dataset)
    if not missing:
        return dataset
    if "train" not in dataset.splits:
        raise DatasetError(
            f"{dataset.root}: expected a train split, found only {list(dataset.splits)}", dataset.problems
        )
    # Sorted by name, so that the cut depends on pictures and seed, not on the order in a list or JSON file.
    train = tuple(sorted(dataset.splits["train"], key=lambda example: example.path.as_posix()))
    if not can_cut(dataset):
        raise DatasetError(
            f"{dataset.root}: expected more than {len(missing)} training pictures to cut {' and '.join(missing)} from, "
            f"got {len(train)}",
            dataset.problems,
        )
    count = max(1, round(len(train) * CUT_SHARE)) if len(train) > 2 * len(missing) else 1
    parts, note_on_copies = _cut(train, dict.fromkeys(missing, count), seed)
    splits = dict(dataset.splits) | {
        split: tuple(train[index] for index in sorted(chosen)) for split, chosen in parts.items()
    }
    method = f"by seed {seed}{note_on_copies}"
    notes = [
        Problem("split_cut", "", f"no {split} split: {len(parts[split])} of {len(train)} training pictures, {method}")
        for split in missing
    ]
    return replace(
        dataset,
        splits={split: splits[split] for split in SPLITS if split in splits},
        problems=(*dataset.problems, *notes),
        fingerprint=_fingerprint(dataset, parts),
    )


def can_cut(dataset: Dataset) -> bool:
    """Whether there are enough training pictures to cut the missing splits from."""
    return len(dataset.splits.get("train", ())) > len(_missing(dataset))


def _missing(dataset: Dataset) -> list[str]:
    return [split for split in ("test", "val") if split not in dataset.splits and split not in dataset.unread_splits]


def _cut(train: Sequence[Example], counts: dict[str, int], seed: int) -> tuple[dict[str, list[int]], str]:
    """(split -> indices of its pictures, a note on pictures that are nearly the same, to be added to a sentence)."""
    with_boxes = {index for index, example in enumerate(train) if len(example.boxes)}
    families, compared = cached_families.families(train)
    limit_note = "" if compared else "; only equal files were kept together, since the pictures are too many to compare"
    equal = families if not compared else duplicates.equal_files(train)
    for groups in (families, equal, []):
        cut = stratified(train, list(counts.values()), seed, groups)
        taken = {index for part in cut for index in part}
        rest = [index for index in range(len(train)) if index not in taken]
        if not groups:
            _share_boxes([*cut, rest], with_boxes)
        # If one family is most of the data set, little is left for the other splits; then try smaller groups.
        elif any(with_boxes.isdisjoint(part) for part in (*cut, rest)) or any(
            2 * len(part) < count for part, count in zip(cut, counts.values(), strict=True)
        ):
            continue
        break
    parts = dict(zip(counts, cut, strict=True)) | {"train": rest}
    if groups != families:
        return parts, "; pictures that are nearly the same are too many to be kept in one split"
    return (
        parts,
        f"; {sum(map(len, groups))} (nearly) the same kept together in {len(groups)} groups{limit_note}"
        if groups
        else "",
    )


def stratified(
    examples: Sequence[Example], counts: Sequence[int], seed: int, families: Iterable[Sequence[int]] = ()
) -> list[list[int]]:
    """Parts of the examples: for each count that many indices, none twice, with the classes in proportion.

    A part gets at least one picture of each class that has more pictures (or families) than there are parts.
    families: groups of indices that stay together; a part is smaller than its count if no group fits any more.
    """
    alone = set(range(len(examples))).difference(*families)
    units = sorted([*([index] for index in alone), *map(list, families)])
    rng = chance.generator(chance.Stream.SPLIT, seed)
    strata = [[units[position] for position in rng.permutation(members)] for members in _strata(examples, units)]
    parts: list[list[int]] = [[] for _ in counts]
    due = [0.0] * len(counts)
    for members in strata:
        total, enough = sum(map(len, members)), len(members) > len(counts)
        for part, (index, count) in zip(parts, enumerate(counts), strict=True):
            due[index] += count * total / len(examples)
            room = count - len(part)
            taken = _take(members, min(int(due[index] + 0.5), room), least=1)
            if not taken and enough and len(members) > 1:
                taken = _take(members, min(room, min(map(len, members))), least=1)
            due[index] -= len(taken)
            part += taken
    for part, count in zip(parts, counts, strict=True):
        for members in reversed(strata):  # the most frequent class fills the rest
            part += _take(members, count - len(part))
    return parts


def _take(units: list[list[int]], room: int, *, least: int = 0) -> list[int]:
    """Remove units that fit into `room` from the end of the list, keeping `least` of them; return their pictures."""
    taken: list[int] = []
    for position in range(len(units) - 1, -1, -1):
        if len(taken) >= room or len(units) <= least:
            break
        if len(units[position]) <= room - len(taken):
            taken += units.pop(position)
    return taken


def _strata(examples: Sequence[Example], units: Sequence[Sequence[int]]) -> list[list[int]]:
    """The positions of units, grouped by their rarest class, rarest class first; those without boxes come last."""
    units_with: dict[int, int] = {}
    classes = [sorted({label for index in unit for label in examples[index].classes.tolist()}) for unit in units]
    for of_unit in classes:
        for label in of_unit:
            units_with[label] = units_with.get(label, 0) + 1
    strata: dict[int, list[int]] = {}
    for position, of_unit in enumerate(classes):
        rarest = min(of_unit, key=lambda label: (units_with[label], label), default=_NO_BOXES)
        strata.setdefault(rarest, []).append(position)
    order = sorted(strata, key=lambda label: (label == _NO_BOXES, units_with.get(label, 0), label))
    return [strata[label] for label in order]


def _share_boxes(parts: list[list[int]], boxed: set[int]) -> None:
    """If a part has no picture with boxes, exchange one with the part that has the most of them."""
    for part in parts:
        if boxed.isdisjoint(part):
            giver = max(parts, key=lambda other: len(boxed.intersection(other)))
            if len(boxed.intersection(giver)) > 1:
                position = next(position for position, index in enumerate(giver) if index in boxed)
                part[0], giver[position] = giver[position], part[0]


def _fingerprint(dataset: Dataset, parts: dict[str, list[int]]) -> str:
    """sha256 over the fingerprint of the data set as read and the split of each of its training pictures."""
    total = sha256(dataset.fingerprint.encode())
    for split in sorted(parts):
        total.update(split.encode())
        total.update(np.array(sorted(parts[split]), dtype="<i8").tobytes())
    return total.hexdigest()
