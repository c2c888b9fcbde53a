"""Finding the format, sentences for what is no data set, and the fingerprint."""

import hashlib
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data import __main__ as commands
from data.boxes import IgnoredBoxes
from data.dataset import DatasetError, Example
from data.readers import dataset_builder
from data.sets import read

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
SPLITS = {"train": {"a": GOOD, "b": GOOD}, "val": {"c": GOOD}, "test": {"d": GOOD}}


def sentence(root: Path, format: str | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        read.load(root, format)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    assert sentence(tmp_path / "no") == f"{tmp_path / 'no'}: expected the folder of a data set, got nothing there"
    assert "nothing there" in sentence(tmp_path / "no", "voc")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("")
    assert "got a file" in sentence(tmp_path / "x.zip")


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    assert "a folder without pictures" in sentence(tmp_path)


def test_pictures_without_labels(tmp_path: Path, make_picture: Callable[..., None]) -> None:
    make_picture(tmp_path / "a" / "b.jpg")
    assert (
        "expected labels of its pictures, as .xml (Pascal VOC), .json (COCO) or .txt (YOLO), got none for 1 pictures"
        in sentence(tmp_path)
    )


@pytest.mark.parametrize(
    ("place", "text", "words"),
    [
        (
            "labels/1.txt",
            "0 0.5 0.5 0.5 0.2\n",
            "no picture has the name of labels/1.txt (the likeliest is a/0001.jpg)",
        ),
        ("x/1.xml", "<annotation/>", "no picture has the name of x/1.xml (the likeliest is a/0001.jpg)"),
        (
            "x.json",
            '{"images": [{"id": 1, "file_name": "b/1.jpg"}], "annotations": []}',
            "no picture has a name that x.json has, such as 'b/1.jpg' (the likeliest is a/0001.jpg)",
        ),
        (
            "x.json",
            '{"images": [{"id": 1, "path": "b/1.jpg"}], "annotations": []}',
            "expected a text as file_name, got None",
        ),
        ("x.json", '{"images": [{"id": 1, "file_na', "x.json: expected COCO's JSON, cannot read it: Unterminated"),
    ],
)
def test_labels_of_which_none_fits_are_told_with_the_likeliest_picture(
    tmp_path: Path, make_picture: Callable[..., None], place: str, text: str, words: str
) -> None:
    make_picture(tmp_path / "a" / "0001.jpg")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(text)
    assert words in sentence(tmp_path)


def test_a_format_without_labels_for_the_pictures_is_no_candidate(tmp_path: Path, make_yolo: Make, xml) -> None:
    root = make_yolo(tmp_path, SPLITS)
    (root / "Annotations").mkdir()
    (root / "Annotations" / "other.xml").write_text(xml(("dog", 1, 1, 9, 9)))
    (root / "package.json").write_text('{"images": [{"file_name": "elsewhere.png"}], "annotations": []}')
    assert read.detect(root) == "yolo"


def test_two_formats_are_named_and_one_can_be_chosen(tmp_path: Path, make_yolo: Make, xml) -> None:
    root = make_yolo(tmp_path, SPLITS)
    (root / "train" / "labels" / "a.xml").write_text(xml(("dog", 1, 1, 9, 9)))
    assert "got voc and yolo labels for its pictures: choose one with --format (`python -m data" in sentence(root)
    assert read.load(root, "yolo").format == "yolo"


def test_an_unknown_format(tmp_path: Path) -> None:
    assert "expected one of ['coco', 'voc', 'yolo'], got 'createml'" in sentence(tmp_path, "createml")


def test_an_empty_training_split(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, SPLITS | {"train": {}})
    assert "expected pictures (.jpg, .png ...) for split 'train', found none" in sentence(root)


def test_a_split_of_unreadable_pictures(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, SPLITS)
    (root / "val" / "images" / "c.png").write_bytes(b"no picture")
    assert "split 'val': expected at least one usable labelled picture, got none" in sentence(root)


def test_a_picture_that_was_cut_short_is_skipped_and_fatal_for_a_search(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, SPLITS)
    picture = root / "train" / "images" / "b.png"
    picture.write_bytes(picture.read_bytes()[:-20])
    dataset = read.load(root, strict=False)
    assert [e.path.stem for e in dataset.splits["train"]] == ["a"]
    assert [(p.kind, p.file) for p in dataset.problems] == [("truncated_picture", "train/images/b.png")]
    assert sentence(root) == f"{picture}: expected a whole picture, got a file that was cut short"


def test_no_boxes_at_all(tmp_path: Path, make_yolo: Make) -> None:
    assert "at least one usable box" in sentence(make_yolo(tmp_path, {"train": {"a": "", "b": ""}}))


def test_too_few_pictures_to_cut_from(tmp_path: Path, make_yolo: Make) -> None:
    assert "expected more than 2 training pictures" in sentence(make_yolo(tmp_path, {"train": {"a": GOOD, "b": GOOD}}))


def test_no_training_split(tmp_path: Path, make_yolo: Make) -> None:
    assert "expected a train split" in sentence(make_yolo(tmp_path, {"val": {"a": GOOD}}))


def test_a_missing_test_split_is_cut_from_train_and_reported(
    tmp_path: Path, make_yolo: Make, make_picture: Make
) -> None:
    train = {f"t{i}": GOOD for i in range(10)}
    root = make_yolo(tmp_path, {"train": train, "val": {"v": GOOD}})
    for number, name in enumerate(train):
        make_picture(root / "train" / "images" / f"{name}.png", value=20 * number)
    dataset = read.load(root)
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 8, "val": 1, "test": 2}
    assert [(p.kind, p.detail) for p in dataset.problems] == [
        ("split_cut", "no test split: 2 of 10 training pictures, by seed 0")
    ]


def test_a_split_without_boxes_is_refused_for_a_search(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, SPLITS | {"val": {"c": "", "e": ""}})
    assert sentence(root) == f"{root}: split 'val': expected at least one box, got 2 pictures without any"
    assert len(read.load(root, strict=False).splits["val"]) == 2


@pytest.mark.parametrize("seed", range(10))
def test_a_cut_leaves_a_box_in_every_split_where_it_can(tmp_path: Path, make_yolo: Make, seed: int) -> None:
    # 3 of 20 pictures have a box: chance alone would mostly leave val or test without
    root = make_yolo(tmp_path, {"train": {f"t{i:02d}": GOOD if i < 3 else "" for i in range(20)}})
    splits = read.load(root, split_seed=seed).splits
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 14, "val": 3, "test": 3}
    assert {split: sum(len(e.boxes) for e in examples) for split, examples in splits.items()} == {
        "train": 1,
        "val": 1,
        "test": 1,
    }
    assert sorted(e.path.stem for examples in splits.values() for e in examples) == [f"t{i:02d}" for i in range(20)]


def test_a_cut_of_too_few_boxes_is_refused(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {f"t{i}": GOOD if i < 2 else "" for i in range(9)}})
    assert "expected at least one box" in sentence(root)


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path, make_yolo: Make, make_picture) -> None:
    root = make_yolo(tmp_path / "one", SPLITS)
    before = read.load(root).fingerprint
    shutil.copytree(root, tmp_path / "two")
    assert read.load(tmp_path / "two").fingerprint == before
    label = root / "train" / "labels" / "a.txt"
    for changed in ("0 0.5 0.5 0.5 0.2\n", "1 0.5 0.5 0.5 0.3\n"):
        label.write_text(changed)
        assert read.load(root).fingerprint != before
    label.write_text(GOOD)
    assert read.load(root).fingerprint == before
    make_picture(root / "train" / "images" / "a.png", value=51)
    assert read.load(root).fingerprint != before


def test_the_command_names_every_reader() -> None:
    assert set(commands.FORMATS) == set(read.READERS)


# ---- One split alone.

YAML = "train: ../train/images\nval: ../val/images\ntest: ../test/images\nnames: [cat, dog]\n"


@pytest.mark.parametrize("yaml", ["names: [cat, dog]\n", YAML])
@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_alone_is_enough_for_what_needs_no_other(
    tmp_path: Path, make_yolo: Make, yaml: str, split: str
) -> None:
    root = make_yolo(tmp_path, {split: {"a": GOOD, "b": GOOD}}, yaml)
    dataset = read.load_split(root, split)
    assert {name: [e.path.stem for e in found] for name, found in dataset.splits.items()} == {split: ["a", "b"]}


@pytest.mark.parametrize("broken", ["x y\n", "7 .5 .5 .5 .5\n"])
def test_what_is_wrong_with_the_others_is_not_looked_at(tmp_path: Path, make_yolo: Make, broken: str) -> None:
    root = make_yolo(tmp_path, SPLITS | {"train": {"a": broken}})
    (root / "test/images/d.png").write_bytes(b"no picture")
    dataset = read.load_split(root, "val")
    assert list(dataset.splits) == ["val"]
    assert dataset.problems == ()
    assert sorted(dataset.unread_splits) == ["test", "train"]


def test_a_split_that_is_not_there_is_the_one_that_a_search_cuts(tmp_path: Path, make_yolo: Make, make_scene) -> None:
    root = make_yolo(tmp_path, {"train": {f"{i:02}": GOOD for i in range(20)}, "test": {"t": GOOD}})
    for number in range(20):
        make_scene(root / f"train/images/{number:02}.png", number)
    whole = read.load(root)
    for split in ("train", "val", "test"):
        found = read.load_split(root, split)
        assert [e.path for e in found.splits[split]] == [e.path for e in whole.splits[split]]
    assert len(whole.splits["val"]) == 3


def test_a_train_of_two_pictures_is_whole_where_nothing_can_be_cut(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "b": GOOD}})
    assert len(read.load_split(root, "train").splits["train"]) == 2
    with pytest.raises(DatasetError, match="expected more than 2 training pictures"):
        read.load_split(root, "val")


def test_a_split_that_nothing_can_be_cut_for(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"test": {"a": GOOD}})
    with pytest.raises(DatasetError, match=r"a split 'val', or 'train' to cut it from, found only \['test'\]"):
        read.load_split(root, "val")
    with pytest.raises(DatasetError, match=r"expected a split 'train', found only \['test'\]"):
        read.load_split(root, "train")


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_a_split_alone_in_other_formats(tmp_path: Path, make_coco: Make, make_voc: Make, xml, kind: str) -> None:
    if kind == "coco":
        root = make_coco(tmp_path, {"val": {"a": [(90, 1, 1, 9, 9)]}, "train": {"b": [(90, "x", 1, 9, 9)]}})
    else:
        annotations = {"a": xml(("dog", 1, 1, 9, 9)), "b": "<broken"}
        root = make_voc(tmp_path, annotations, {"val": "a\n", "train": "b\n"})
    dataset = read.load_split(root, "val")
    assert {split: [e.path.stem for e in found] for split, found in dataset.splits.items()} == {"val": ["a"]}
    assert dataset.unread_splits == ("train",)
    (root / "train/b.png" if kind == "coco" else root / "JPEGImages/b.jpg").unlink()
    assert list(read.load_split(root, "val").splits) == ["val"]


def test_a_folder_without_train_can_be_checked(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"val": {"a": GOOD}})
    dataset = read.load(root, strict=False)
    assert {split: len(found) for split, found in dataset.splits.items()} == {"val": 1}
    assert [problem.kind for problem in dataset.problems] == ["missing_split"]


def test_an_export_of_empty_label_files_says_so(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {"a": "", "b": ""}, "val": {"c": ""}, "test": {"d": ""}})
    assert "expected at least one usable box, got none: 4 label files are empty" in sentence(root)


def test_the_fingerprint_changes_with_ignored_boxes_and_is_the_old_one_without() -> None:
    boxes, classes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32), np.array([0, 1], np.int32)
    plain = Example(Path("/set/a.png"), 40, 30, boxes[:1], classes[:1], b"digest")

    def of(example: Example) -> str:
        return dataset_builder.fingerprint(Path("/set"), ["cat", "dog"], {"train": [example]})

    # The digest by the recipe of earlier versions, done here by hand.
    recipe = b'["cat", "dog"]' + b'["train", "a.png", 40, 30]' + struct.pack("<4fi", 1, 2, 3, 4, 0) + b"digest"
    assert of(plain) == hashlib.sha256(recipe).hexdigest()
    marked = [IgnoredBoxes(boxes[1:], classes[1:] - number, np.array([crowd])) for number in (0, 1) for crowd in (0, 1)]
    both = replace(plain, boxes=boxes, classes=classes)
    assert len({of(plain), of(both), *(of(replace(plain, ignored=ignored)) for ignored in marked)}) == 6
