"""Pictures of formats that are not read, among those that are: each is named, with what to do, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.dataset import Dataset, DatasetError
from data.sets import read

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
SPLITS = {"train": {"a": GOOD, "b": GOOD}, "val": {"c": GOOD}, "test": {"d": GOOD}}
HEIC = b"\0\0\0\x18ftypheic" + bytes(100)


def reported(dataset: Dataset) -> list[tuple[str, str]]:
    return [(p.kind, p.file) for p in dataset.problems]


@pytest.mark.parametrize("suffix", [".HEIC", ".heif", ".avif", ".gif", ".jp2", ".jxl", ".DNG", ".cr2", ".NEF", ".psd"])
def test_yolo(tmp_path: Path, make_yolo: Make, suffix: str) -> None:
    root = make_yolo(tmp_path, SPLITS)
    for stem in ("x", "y"):
        (root / f"train/images/{stem}{suffix}").write_bytes(HEIC)
    (root / "train/labels/x.txt").write_text(GOOD)  # y is without a label
    dataset = read.load(root)
    assert reported(dataset) == [("unread_picture", f"train/images/{stem}{suffix}") for stem in "xy"]
    assert dataset.problems[0].detail == f"one of 2 {suffix} files, which are not read: convert them to JPEG or PNG"


def test_a_list_that_names_them(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, SPLITS, "names: [cat, dog]\ntrain: train.txt\n")
    (root / "train/images/x.HEIC").write_bytes(HEIC)
    (root / "train.txt").write_text("train/images/a.png\ntrain/images/b.png\ntrain/images/x.HEIC\n")
    assert reported(read.load(root)) == [("unread_picture", "train/images/x.HEIC")]


def test_voc(tmp_path: Path, make_voc: Make, xml: Callable[..., str]) -> None:
    lists = {"train": "a\nb\nx\n", "val": "c\n", "test": "d\ny\n"}
    root = make_voc(tmp_path, dict.fromkeys("abcdx", xml(("dog", 1, 1, 9, 9))), lists)
    (root / "JPEGImages/x.jpg").rename(root / "JPEGImages/x.HEIC")
    (root / "JPEGImages/y.HEIC").write_bytes(HEIC)
    assert reported(read.load(root)) == [
        ("unread_picture", "JPEGImages/x.HEIC"),
        ("unread_picture", "JPEGImages/y.HEIC"),
    ]


def test_coco(tmp_path: Path, make_coco: Make) -> None:
    boxes = [(90, 10, 12, 20, 6)]
    root = make_coco(tmp_path, {"train": {"a": boxes, "x": boxes}, "valid": {"b": boxes}, "test": {"c": boxes}})
    (root / "train/x.png").rename(root / "train/x.HEIC")
    file = root / "train/_annotations.coco.json"
    file.write_text(file.read_text().replace("x.png", "x.HEIC"))
    assert reported(read.load(root)) == [("unread_picture", "train/x.HEIC")]


def test_originals_of_converted_pictures_are_passed_over_and_their_names_mean_these(
    tmp_path: Path, make_coco: Make
) -> None:
    boxes = [(90, 10, 12, 20, 6)]
    root = make_coco(tmp_path, {"train": {"a": boxes}, "valid": {"b": boxes}, "test": {"c": boxes}})
    file = root / "train/_annotations.coco.json"
    file.write_text(json.dumps(json.loads(file.read_text())).replace("a.png", "a.HEIC"))
    for original in (False, True):
        if original:
            (root / "train/a.HEIC").write_bytes(HEIC)
        dataset = read.load(root)
        assert dataset.problems == ()
        assert [e.path.name for e in dataset.splits["train"]] == ["a.png"]


def test_nothing_else_is_there(tmp_path: Path) -> None:
    for name in ("a.HEIC", "b.HEIC", "c.gif"):
        (tmp_path / name).write_bytes(HEIC)
    with pytest.raises(DatasetError, match=r"got 2 \.HEIC, 1 \.gif files alone, which are not read: convert them"):
        read.load(tmp_path)


@pytest.mark.parametrize("suffix", [".jfif", ".JFIF", ".jpe", ".jif", ".jfi", ".mpo"])
def test_jpegs_of_other_names_are_read(tmp_path: Path, make_yolo: Make, suffix: str) -> None:
    root = make_yolo(tmp_path, SPLITS)
    jpeg = cv2.imencode(".jpg", np.full((30, 40, 3), 90, np.uint8))[1].tobytes()
    (root / f"train/images/x{suffix}").write_bytes(jpeg)
    (root / "train/labels/x.txt").write_text(GOOD)
    dataset = read.load(root)
    assert dataset.problems == ()
    assert len(dataset.splits["train"]) == 3
