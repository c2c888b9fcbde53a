"""YOLO folders: layouts, coordinates, and what is wrong in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data import read
from data.example import Dataset, DatasetError
from data.problems import FATAL
from data.readers import yolo
from data.readers.folder import walk

GOOD = "1 0.5 0.5 0.5 0.2\n"
SPLITS = {"train": {"a": GOOD, "b": GOOD}, "val": {"c": GOOD}, "test": {"d": GOOD}}


def read_folder(root: Path) -> Dataset:
    return yolo.read(walk(root))


def test_coordinates(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    dataset = read_folder(make_yolo(tmp_path, SPLITS))
    example = dataset.splits["train"][0]
    # 40 x 30: centre 20, 15; 20 wide and 6 high
    assert example.boxes.tolist() == [[10, 12, 30, 18]]
    assert example.classes.tolist() == [1]
    assert (example.width, example.height) == (40, 30)
    assert dataset.problems == ()


def test_the_other_layout_and_names_as_a_mapping(tmp_path: Path, make_picture: Callable[..., None]) -> None:
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\ntrain: images/train\nval: images/val\n")
    for split in ("train", "val"):
        make_picture(tmp_path / "images" / split / "x.y.1.jpg")
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / "x.y.1.txt").write_text(GOOD)
    dataset = read_folder(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert {split: len(examples[0].boxes) for split, examples in dataset.splits.items()} == {"train": 1, "val": 1}
    assert dataset.problems == ()


@pytest.mark.parametrize("name", ["valid", "validation", "val2017"])
def test_names_of_the_validation_folder(tmp_path: Path, make_yolo: Callable[..., Path], name: str) -> None:
    dataset = read_folder(make_yolo(tmp_path, {"train": {"a": GOOD}, name: {"b": GOOD}}))
    assert list(dataset.splits) == ["train", "val"]


def test_a_path_that_leaves_the_folder_is_mended_once(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    # A neighbour lies where the literal path leads: it must not be read.
    make_yolo(tmp_path, {"train": {"foreign": GOOD}})
    root = make_yolo(
        tmp_path / "mine", SPLITS, "names: [cat, dog]\ntrain: ../train/images\nval: ../valid/images\ntest: nowhere\n"
    )
    dataset = read_folder(root)
    assert [example.path.stem for example in dataset.splits["train"]] == ["a", "b"]
    assert [problem.kind for problem in dataset.problems] == ["mended_path"]


@pytest.mark.parametrize(
    "named", ["path: ../other\ntrain: images", "train: OTHER/images", "path: OTHER\ntrain: images"]
)
def test_a_folder_outside_is_not_followed(tmp_path: Path, make_picture: Callable[..., None], named: str) -> None:
    make_picture(tmp_path / "other" / "images" / "x.png")
    make_picture(tmp_path / "mine" / "pictures" / "y.png")
    text = named.replace("OTHER", str(tmp_path / "other"))
    (tmp_path / "mine" / "data.yaml").write_text(f"names: [cat, dog]\n{text}\n")
    with pytest.raises(DatasetError, match=r"train: expected a folder, got '.*', which lies outside the data set"):
        read_folder(tmp_path / "mine")


def test_an_absolute_path_inside_and_dots_that_stay_inside_are_followed(
    tmp_path: Path, make_yolo: Callable[..., Path]
) -> None:
    make_yolo(tmp_path, SPLITS, f"path: {tmp_path}/val\nnames: [cat, dog]\ntrain: ../train/images\nval: images\n")
    dataset = read_folder(tmp_path)
    assert [example.path.stem for example in dataset.splits["train"]] == ["a", "b"]
    assert [len(example.boxes) for example in dataset.splits["train"]] == [1, 1]
    assert dataset.problems == ()


def test_a_picture_in_two_splits_stays_in_the_one_scored_last(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    root = make_yolo(tmp_path, SPLITS)
    for split, stem, other in (("train", "again", "val/images/c.png"), ("val", "more", "test/images/d.png")):
        (root / split / "images" / f"{stem}.png").symlink_to(root / other)
    dataset = read.load(root)
    assert {split: [e.path.stem for e in examples] for split, examples in dataset.splits.items()} == {
        "train": ["a", "b"],
        "val": ["c"],
        "test": ["d"],
    }
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        ("in_two_splits", "val/images/more.png", "in val and test; left in test"),
        ("in_two_splits", "train/images/again.png", "in train and val; left in val"),
    ]


def test_two_splits_of_the_same_pictures_are_refused(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "b": GOOD}}, "names: [x, y]\ntrain: train\nval: train\n")
    with pytest.raises(DatasetError, match="split 'train': expected pictures of its own"):
        read.load(root)


def test_numbers_are_class_names_too(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    assert read_folder(make_yolo(tmp_path, SPLITS, "names: [7, 8.5]\n")).class_names == ("7", "8.5")


# Nine levels of ten aliases: 10^9 words, were they ever spelled out.
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


def test_empty_and_missing_label_files_are_true_negatives(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "b": "", "c": " \n"}, "val": {"d": GOOD}, "test": {"e": GOOD}})
    (root / "val" / "images" / "z.png").write_bytes((root / "val" / "images" / "d.png").read_bytes())
    dataset = read.load(root)
    assert [len(example.boxes) for example in dataset.splits["train"]] == [1, 0, 0]
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("empty_label_file", "train/labels/b.txt"),
        ("empty_label_file", "train/labels/c.txt"),
        ("missing_label_file", "val/labels/z.txt"),
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("0 0.5 0.5 0.5", "malformed_line"),
        ("cat 0.5 0.5 0.5 0.5", "malformed_line"),
        ("0.5 0.5 0.5 0.5 0.5", "malformed_line"),
        ("nan 0.5 0.5 0.5 0.5", "malformed_line"),
        ("0 0.5 nan 0.5 0.5", "malformed_box"),
        ("0 0.5 0.5 0.5 0.5 0.9", "malformed_line"),
        ("0 0,5 0,5 0,5 0,5", "malformed_line"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2", "polygon"),
        ("2 0.5 0.5 0.5 0.5", "class_out_of_range"),
        ("-1 0.5 0.5 0.5 0.5", "class_out_of_range"),
        ("0 0.5 0.5 0 0.5", "zero_area_box"),
        ("1 0.5 0.5 0.5 0.2", "duplicate_box"),
        ("0 1.5 0.5 0.2 0.2", "box_outside_picture"),
    ],
)
def test_a_wrong_line_is_skipped_and_named(
    tmp_path: Path, make_yolo: Callable[..., Path], line: str, kind: str
) -> None:
    root = make_yolo(tmp_path, SPLITS | {"train": {"a": GOOD + line + "\n0 0.2 0.5 0.1 0.2\n"}})
    dataset = read.load(root, strict=False)
    assert len(dataset.splits["train"][0].boxes) == 2
    assert [(p.kind, p.file) for p in dataset.problems] == [(kind, "train/labels/a.txt")]
    assert dataset.problems[0].detail.startswith("line 2")
    if kind in FATAL:
        with pytest.raises(DatasetError, match=r"train/labels/a\.txt: line 2: expected"):
            read.load(root)
    else:
        read.load(root)


def test_a_box_over_the_edge_is_cut_and_only_a_real_excess_is_told(
    tmp_path: Path, make_yolo: Callable[..., Path]
) -> None:
    # 40 px wide: 0.9 +- 0.15 ends at 42 px (told), 0.9 +- 0.11 at 40.4 px (rounding)
    root = make_yolo(tmp_path, SPLITS | {"train": {"a": "0 0.9 0.5 0.3 0.2\n", "b": "0 0.9 0.5 0.22 0.2\n"}})
    dataset = read_folder(root)
    assert [float(example.boxes[0, 2]) for example in dataset.splits["train"]] == [40, 40]
    assert [(p.kind, p.file) for p in dataset.problems] == [("clipped_box", "train/labels/a.txt")]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("nc: 3\nnames: [cat, dog]\n", "nc: expected 2"),
        ("train: x\n", "names: expected a list"),
        ("names: []\n", "names: expected a list"),
        ("names: [cat, cat]\n", "each class once"),
        ("names: {0: cat, 2: dog}\n", "numbers 0 to 1"),
        ("- cat\n", "expected a mapping"),
        ("names: [cat\n", "expected YAML"),
        ("names: !!python/object/apply:os.getcwd []\n", "expected YAML"),
        ("names: [cat, dog]\nval: nowhere\n", "'nowhere', which does not exist"),
        ("names: [cat, dog]\nval: [a, b]\n", "val: expected a folder, got 'a', which does not exist"),
        ("names: [cat, dog]\nval: data.yaml\n", "'data.yaml', which is a file"),
        ("names: [cat, no]\n", "expected text .or a number., got False: put it in quotes"),
        ("names: [cat, [dog]]\n", "got a list"),
        (ALIASES + "names: [cat, *a8]\n", "got a list"),
        (ALIASES + "names: [cat, dog]\nnc: *a8\n", "nc: expected 2, the number of names, got a list"),
        (ALIASES + "names: [cat, dog]\ntrain: *a8\n", "path of a folder or a list, got a list"),
        (f"names: [0x{'f' * 9000}, dog]\n", "got a huge number"),
        (f"names: [{'9' * 9000}]\n", "expected YAML"),
        ("names: [cat, dog]\ndate: 2024-13-01\n", "expected YAML"),
    ],
)
def test_a_wrong_data_yaml_is_one_sentence(
    tmp_path: Path, make_yolo: Callable[..., Path], yaml: str, message: str
) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD}}, yaml)
    with pytest.raises(DatasetError, match=message) as caught:
        read.load(root)
    assert "data.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
