"""Cutting missing splits: by seed, with each class's share."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import read, splits
from data.example import Example

Make = Callable[..., Path]


def example(*classes: int) -> Example:
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(classes), 1))
    return Example(Path("x"), 10, 10, boxes, np.array(classes, dtype=np.int32))


def classes_in(examples: Sequence[Example], indices: Sequence[int]) -> Counter[int]:
    """Class -> pictures that have it."""
    return Counter(c for index in indices for c in set(examples[index].classes.tolist()))


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=3).map(tuple), min_size=4, max_size=60),
    st.integers(0, 2**32),
    st.integers(1, 2),
)
def test_parts_have_their_size_and_share_nothing(found: list[tuple[int, ...]], seed: int, number: int) -> None:
    examples = [example(*classes) for classes in found]
    counts = [max(1, len(examples) // 5)] * number
    parts = splits.stratified(examples, counts, seed)
    assert [len(part) for part in parts] == counts
    everyone = [index for part in parts for index in part]
    assert len(set(everyone)) == len(everyone)
    assert set(everyone) <= set(range(len(examples)))
    assert parts == splits.stratified(examples, counts, seed)


def test_each_class_has_its_share() -> None:
    # 200 pictures of class 0, 80 of 1, 20 of 2, 100 without boxes: 15 % of each, in both parts
    examples = [example(0)] * 200 + [example(1)] * 80 + [example(2)] * 20 + [example()] * 100
    for seed in range(5):
        for part in splits.stratified(examples, [60, 60], seed):
            assert classes_in(examples, part) == {0: 30, 1: 12, 2: 3}
            assert len(part) == 60


def test_a_rare_class_reaches_every_part() -> None:
    # 3 of 200 pictures have class 1, beside class 0: 15 % of 3 is less than half a picture
    examples = [example(0)] * 197 + [example(0, 1)] * 3
    for seed in range(20):
        parts = splits.stratified(examples, [30, 30], seed)
        rest = [index for index in range(200) if index not in {*parts[0], *parts[1]}]
        assert all(classes_in(examples, part)[1] == 1 for part in (*parts, rest))


def test_the_seed_decides_and_the_fingerprint_follows(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {f"{i:02d}": f"{i % 2} .5 .5 .2 .2\n" for i in range(20)}})
    one, same, other = read.load(root), read.load(root), read.load(root, split_seed=1)
    uncut = read.load_as_it_is(root)
    assert list(uncut.splits) == ["train"]
    assert [e.path for e in one.splits["val"]] == [e.path for e in same.splits["val"]]
    assert [e.path for e in one.splits["val"]] != [e.path for e in other.splits["val"]]
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, uncut.fingerprint}) == 3
    for split in ("val", "test"):
        assert sorted(int(e.classes[0]) for e in one.splits[split]) in ([0, 0, 1], [0, 1, 1])


def test_a_set_with_all_splits_is_left_as_it_is(tmp_path: Path, make_yolo: Make) -> None:
    good = {"x": "0 .5 .5 .2 .2\n"}
    root = make_yolo(tmp_path, {"train": good, "val": good, "test": good})
    assert read.load(root).fingerprint == read.load_as_it_is(root).fingerprint
    assert read.load(root, split_seed=5).fingerprint == read.load(root).fingerprint


@pytest.mark.parametrize("seed", range(5))
def test_many_classes_of_one_picture_each_still_leave_boxes_everywhere(
    tmp_path: Path, make_yolo: Make, seed: int
) -> None:
    labels = {f"{i}": f"{i} .5 .5 .2 .2\n" if i < 4 else "" for i in range(30)}
    root = make_yolo(tmp_path, {"train": labels}, f"names: {list('abcd')!r}\n")
    found = read.load(root, split_seed=seed).splits
    assert all(any(len(e.boxes) for e in examples) for examples in found.values())
