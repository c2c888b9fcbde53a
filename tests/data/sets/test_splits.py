"""Cutting missing splits: by seed, with each class's share."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dataset import Example
from data.sets import duplicates, read, splits

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


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=3).map(tuple), min_size=8, max_size=60),
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.integers(0, 2**32),
)
def test_families_stay_together(found: list[tuple[int, ...]], sizes: list[int], seed: int) -> None:
    examples = [example(*classes) for classes in found]
    order = np.random.default_rng(seed).permutation(len(examples)).tolist()
    families = [f for end, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True) if (f := order[end - size : end])]
    counts = [max(1, len(examples) // 5)] * 2
    parts = splits.stratified(examples, counts, seed, families)
    assert all(len(part) <= count for part, count in zip(parts, counts, strict=True))
    where = {index: number for number, part in enumerate(parts) for index in part}
    assert len(where) == sum(map(len, parts))
    assert all(len({where.get(index) for index in family}) == 1 for family in families)
    assert parts == splits.stratified(examples, counts, seed, families)


def test_families_have_their_classes_share() -> None:
    # 40 films of class 0 and 20 of class 1, 5 frames each, and 100 single pictures of class 1: 15 % of 400 is 60,
    # of class 0 30, of class 1 30
    examples = [example(0)] * 200 + [example(1)] * 200
    families = [list(range(first, first + 5)) for first in range(0, 300, 5)]
    for seed in range(5):
        for part in splits.stratified(examples, [60, 60], seed, families):
            assert classes_in(examples, part) == {0: 30, 1: 30}


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
    uncut = read.load_own_splits(root)
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
    assert read.load(root).fingerprint == read.load_own_splits(root).fingerprint
    assert read.load(root, split_seed=5).fingerprint == read.load(root).fingerprint


@pytest.mark.parametrize("seed", range(5))
def test_many_classes_of_one_picture_each_still_leave_boxes_everywhere(
    tmp_path: Path, make_yolo: Make, seed: int
) -> None:
    labels = {f"{i}": f"{i} .5 .5 .2 .2\n" if i < 4 else "" for i in range(30)}
    root = make_yolo(tmp_path, {"train": labels}, f"names: {list('abcd')!r}\n")
    found = read.load(root, split_seed=seed).splits
    assert all(any(len(e.boxes) for e in examples) for examples in found.values())


def scene(seed: int) -> np.ndarray:
    """Circles on grey, unlike those of any other seed."""
    rng = np.random.default_rng(seed)
    image = np.full((120, 160, 3), 120, np.uint8)
    for _ in range(20):
        centre = (int(rng.integers(160)), int(rng.integers(120)))
        cv2.circle(image, centre, int(rng.integers(5, 25)), rng.integers(0, 256, 3).tolist(), -1)
    return image


def write(root: Path, name: str, image: np.ndarray, label: int) -> None:
    path = root / "train" / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    path.with_suffix(".txt").write_text(f"{label} .5 .5 .2 .2\n")


@pytest.fixture
def with_copies(tmp_path: Path) -> Path:
    """40 pictures of two classes; five have an equal copy, five a brighter one in JPEG, and one is a film of four."""
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    for number in range(40):
        write(tmp_path, f"{number:02d}.png", scene(number), number % 2)
        if number < 5:
            write(tmp_path, f"z{number:02d}.png", scene(number), number % 2)
        elif number < 10:
            brighter = cv2.convertScaleAbs(scene(number), alpha=0.9, beta=20)
            write(tmp_path, f"z{number:02d}.jpg", brighter, number % 2)
        elif number == 10:
            for frame in range(1, 4):
                write(tmp_path, f"z10_{frame}.png", np.roll(scene(10), frame, axis=1), 0)
    return tmp_path


@pytest.mark.parametrize("seed", range(8))
def test_copies_are_cut_into_one_split(with_copies: Path, seed: int) -> None:
    dataset = read.load(with_copies, split_seed=seed)
    where = {e.path.stem: split for split, examples in dataset.splits.items() for e in examples}
    assert all(where[f"{number:02d}"] == where[f"z{number:02d}"] for number in range(10))
    assert {where["10"]} == {where[f"z10_{frame}"] for frame in range(1, 4)}
    assert duplicates.across_splits(dataset.splits) == []
    # 53 pictures, 15 % of them 8; of each class about a half
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 37, "val": 8, "test": 8}
    for split in ("val", "test"):
        assert 2 <= sum(int(e.classes[0]) for e in dataset.splits[split]) <= 6
    assert [p.detail for p in dataset.problems] == [
        f"no {split} split: 8 of 53 training pictures, by seed {seed}; 24 (nearly) the same kept together in 11 groups"
        for split in ("test", "val")
    ]
    assert read.load(with_copies, split_seed=seed).fingerprint == dataset.fingerprint


def test_of_too_many_bytes_only_equal_files_are_kept_together(
    with_copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MAX_BYTES", 1)
    found = [read.load(with_copies, split_seed=seed) for seed in range(8)]
    for dataset in found:
        where = {e.path.stem: split for split, examples in dataset.splits.items() for e in examples}
        assert all(where[f"{number:02d}"] == where[f"z{number:02d}"] for number in range(5))
        assert "10 (nearly) the same kept together in 5 groups; only equal files" in dataset.problems[0].detail
    assert any(duplicates.across_splits(dataset.splits) for dataset in found)


def test_a_set_that_is_one_film_is_cut_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    for frame in range(20):
        write(tmp_path, f"{frame:02d}.png", np.roll(scene(0), frame, axis=1), frame % 2)
    dataset = read.load(tmp_path)
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 14, "val": 3, "test": 3}
    assert all("nearly the same are too many to be kept in one split" in p.detail for p in dataset.problems)
    assert duplicates.across_splits(dataset.splits) != []
