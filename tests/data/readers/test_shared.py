"""The two real data sets, against the counts of their SOURCE.md."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.pictures.picture_files import picture_size, read_picture
from data.sets import read

SHARED = Path(__file__).resolve().parents[3] / "../shared/datasets"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not on this machine")


def boxes_of(dataset: Dataset, split: str) -> Counter[str]:
    return Counter(dataset.class_names[c] for example in dataset.splits[split] for c in example.classes)


def test_bccd() -> None:
    dataset = read.load(SHARED / "bccd")
    assert dataset.format == "voc"
    assert dataset.class_names == ("Platelets", "RBC", "WBC")
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 205, "val": 87, "test": 72}
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("zero_area_box", "Annotations/BloodImage_00343.xml"),
        ("zero_area_box", "Annotations/BloodImage_00338.xml"),
    ]
    # the two zero-area boxes, one in train and one in val, are RBC
    assert boxes_of(dataset, "train") == {"RBC": 2381, "WBC": 214, "Platelets": 209}
    assert boxes_of(dataset, "val") == {"RBC": 967, "WBC": 87, "Platelets": 83}
    assert boxes_of(dataset, "test") == {"RBC": 805, "WBC": 71, "Platelets": 69}
    assert {(e.width, e.height) for examples in dataset.splits.values() for e in examples} == {(640, 480)}


def test_thermal_cheetah() -> None:
    dataset = read.load(SHARED / "thermal-cheetah")
    assert dataset.format == "yolo"
    assert dataset.class_names == ("cheetah", "human")
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 90, "val": 25, "test": 14}
    assert Counter(p.kind for p in dataset.problems) == {"mended_path": 1, "empty_label_file": 3}
    assert {p.file.split("_jpg")[0] for p in dataset.problems if p.kind == "empty_label_file"} == {
        "train/labels/PIR-206_0_mov-14",
        "train/labels/PIR-206_21_mov-5",
        "train/labels/PIR-206_21_mov-6",
    }
    assert boxes_of(dataset, "train") == {"cheetah": 124, "human": 28}
    assert boxes_of(dataset, "val") == {"cheetah": 39, "human": 9}
    assert boxes_of(dataset, "test") == {"cheetah": 23, "human": 8}
    assert sum(len(example.boxes) == 0 for example in dataset.splits["train"]) == 3


@pytest.mark.parametrize("name", ["bccd", "thermal-cheetah"])
def test_boxes_lie_inside_and_reading_repeats(name: str) -> None:
    dataset, again = read.load(SHARED / name), read.load(SHARED / name)
    assert dataset.fingerprint == again.fingerprint
    for examples in dataset.splits.values():
        for example in examples:
            assert (example.boxes[:, :2] >= 0).all()
            assert (example.boxes[:, 2:] <= np.array([example.width, example.height])).all()
            assert (example.boxes[:, 2:] > example.boxes[:, :2]).all()


def test_header_sizes_are_those_of_the_pixels() -> None:
    for path in sorted((SHARED / "thermal-cheetah/test/images").glob("*.jpg")):
        height, width = read_picture(path).shape[:2]
        assert picture_size(path) == (width, height)
