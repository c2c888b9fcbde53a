"""YOLO folders: layouts, coordinates, and what is wrong in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import Dataset, DatasetError
from data.problems import FATAL
from data.readers import yolo
from data.readers.walking import walk
from data.sets import read

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


def test_a_path_that_leaves_the_folder_is_corrected_once(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    # There is another data set where the literal path leads: it must not be read.
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
    with pytest.raises(DatasetError, match=r"train: expected a folder, got '.*', which is outside the data set"):
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
        ("0 0.1 0.1 0.2 0.1 0.2 0.2 0.3", "malformed_line"),
        ("0 0.1 nan 0.2 0.1 0.2 0.2", "malformed_line"),
        ("0 20 15 20 6", "pixel_box"),
        ("0 4 3 20 3 20 15", "pixel_box"),
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


def test_a_box_over_the_edge_is_cut_and_only_a_real_excess_is_reported(
    tmp_path: Path, make_yolo: Callable[..., Path]
) -> None:
    # 40 px wide: 0.9 +- 0.15 ends at 42 px (reported), 0.9 +- 0.11 at 40.4 px (rounding)
    root = make_yolo(tmp_path, SPLITS | {"train": {"a": "0 0.9 0.5 0.3 0.2\n", "b": "0 0.9 0.5 0.22 0.2\n"}})
    dataset = read_folder(root)
    assert [float(example.boxes[0, 2]) for example in dataset.splits["train"]] == [40, 40]
    assert [(p.kind, p.file) for p in dataset.problems] == [("clipped_box", "train/labels/a.txt")]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("nc: 3\nnames: [cat, dog]\n", "nc: expected 2"),
        ("train: x\n", "names: expected the class names, or how many"),
        ("nc: x\n", "names: expected a list"),
        ("names: []\n", "names: expected a list"),
        ("names: [cat, cat]\n", "each class once"),
        ("names: {0: cat, 2: dog}\n", "numbers 0 to 1"),
        ("- cat\n", "expected a mapping"),
        ("names: [cat\n", "expected YAML"),
        ("names: !!python/object/apply:os.getcwd []\n", "expected YAML"),
        ("names: [cat, dog]\nval: nowhere\n", "'nowhere', which does not exist"),
        ("names: [cat, dog]\nval: [a, b]\n", "val: expected a folder, got 'a', which does not exist"),
        ("names: [cat, dog]\nval: data.yaml\n", "'data.yaml', which is a file"),
        ("names: [cat, [dog]]\n", "got a list"),
        ("names: [cat, dog]\nnc: [2]\n", "nc: expected 2, the number of names, got a list"),
        ("names: [cat, dog]\ntrain: [[x]]\n", "path of a folder or a list, got a list"),
        ("names: [cat, dog]\nnames: [dog, cat]\n", "line 2: expected each key once, got 'names' twice"),
        ("x: &x {a: b}\n<<: *x\nnames: [cat, dog]\n", "line 2: expected keys, got a merge"),
        ("names: [cat, dog]\nnc: " + "[" * 20_000, "line 2: expected at most 32 levels of lists and mappings"),
        (ALIASES + "names: [cat, dog]\n", "line 5: expected at most 100,000 values"),
        (f"names: [cat, dog]\nnc: 0x{'f' * 9000}\n", "expected a whole number of at most 100 digits, got 9002"),
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


def splits_of(dataset: Dataset) -> dict[str, list[str]]:
    return {split: [e.path.stem for e in examples] for split, examples in dataset.splits.items()}


def boxed(dataset: Dataset) -> int:
    return sum(len(e.boxes) for examples in dataset.splits.values() for e in examples)


def flat(root: Path, stems: str, make_picture: Callable[..., None], folder: str = "obj_train_data") -> None:
    """Pictures with their labels beside them, as Darknet has them."""
    for stem in stems:
        make_picture(root / folder / f"{stem}.jpg")
        (root / folder / f"{stem}.txt").write_text(GOOD)


DARKNET = "classes = 2\ntrain = data/train.txt\nvalid=data/valid.txt\nnames = data/obj.names\nbackup = backup/\n"


@pytest.mark.parametrize(
    "line", ["data/obj_train_data/{}.jpg", "D:\\mine\\obj_train_data\\{}.jpg", "/home/x/{}.jpg", "{}.JPG"]
)
def test_darknet_with_lists_of_another_machine(tmp_path: Path, make_picture: Callable[..., None], line: str) -> None:
    flat(tmp_path, "abcd", make_picture)
    (tmp_path / "obj.data").write_text(DARKNET)
    (tmp_path / "obj.names").write_text("cat\r\nblack dog\r\n\r\n")
    for name, stems in (("train", "ba"), ("valid", "c")):
        (tmp_path / f"{name}.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(line.format(s) for s in stems).encode())
    dataset = read.load_own_splits(tmp_path)
    assert dataset.class_names == ("cat", "black dog")
    assert splits_of(dataset) == {"train": ["a", "b"], "val": ["c"]}
    assert boxed(dataset) == 3
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("mended_path", "obj.data"),
        ("unlisted_picture", "obj_train_data/d.jpg"),
    ]


@pytest.mark.parametrize("line", ["1.jpg\n", "/content/images/1.jpg\n", "D:\\set\\1.jpg\n"])
@pytest.mark.parametrize("described", [False, True])
def test_a_list_means_the_pictures_in_its_splits_folder(
    tmp_path: Path, make_picture: Callable[..., None], line: str, described: bool
) -> None:
    (tmp_path / "labels").mkdir()
    for number, split in enumerate(("train", "valid", "test")):
        make_picture(tmp_path / split / "images" / "1.jpg")
        (tmp_path / split / "images" / "1.txt").write_text(f"{number} .5 .5 .5 .2\n")
        (tmp_path / f"{split}.txt").write_text(line)
    lists = "train: train.txt\nval: valid.txt\ntest: test.txt\n" if described else ""
    (tmp_path / "data.yaml").write_text(f"names: [cat, dog, cow]\n{lists}")
    dataset = read_folder(tmp_path)
    assert dataset.problems == ()
    assert {split: [e.classes.tolist() for e in found] for split, found in dataset.splits.items()} == {
        "train": [[0]],
        "val": [[1]],
        "test": [[2]],
    }


def test_a_list_of_ghosts_and_of_pictures_that_one_name_cannot_tell_apart(
    tmp_path: Path, make_picture: Callable[..., None]
) -> None:
    for folder in ("one", "two"):
        flat(tmp_path, "a", make_picture, folder)
    flat(tmp_path, "b", make_picture, "two")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "train.txt").write_text("ghost.jpg\na.jpg\n/x/two/b.jpg\n")
    (tmp_path / "val.txt").write_text("/x/two/a.jpg\n")
    dataset = read.load_own_splits(tmp_path)
    assert splits_of(dataset) == {"train": ["b"], "val": ["a"]}
    assert dataset.splits["val"][0].path.parent.name == "two"
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("missing_picture", "train.txt"),
        ("missing_picture", "train.txt"),
        ("unlisted_picture", "one/a.jpg"),
    ]


@pytest.mark.parametrize(
    "yaml",
    [
        "names: {'0': cat, '1': dog}\ntrain: [images/one, images/two]\nval: images/three\n",
        "names: obj.names\npath: .\ntrain: train.txt\nval: ./val.txt\n",
        "names: [cat, dog]\npath: /content/mine\ntrain: images\\one\nval: /content/mine/images/three\n",
        "names: &names\n  - cat\n  - dog\nclasses: *names\ntrain: &all [images/one, images/two]\nval: images/three\n"
        "more: {train: *all, nc: &nc 2}\nnc: *nc\n",
    ],
)
def test_variants_of_data_yaml(tmp_path: Path, make_picture: Callable[..., None], yaml: str) -> None:
    for folder, stems in (("one", "a"), ("two", "b"), ("three", "c")):
        flat(tmp_path / "images", stems, make_picture, folder)
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    (tmp_path / "train.txt").write_text("images/one/a.jpg\nimages/two/b.jpg\n")
    (tmp_path / "val.txt").write_text("images/three/c.jpg\n")
    (tmp_path / "data.yaml").write_text(yaml)
    dataset = read.load_own_splits(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert splits_of(dataset)["val"] == ["c"]
    assert "a" in splits_of(dataset)["train"]
    assert boxed(dataset) == len([e for found in dataset.splits.values() for e in found])


def test_class_names_are_what_is_written(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    names = ["no", "yes", "010", "1.10", "1:30", "0x1F", "null", "true", "2024-13-01", "1e5"]
    listed, numbered = ", ".join(names), ", ".join(f"{place}: {name}" for place, name in enumerate(names))
    for place, text in enumerate((f"[{listed}]", f"{{{numbered}}}")):
        dataset = read.load(make_yolo(tmp_path / str(place), SPLITS, f"nc: {len(names)}\nnames: {text}\n"))
        assert dataset.class_names == tuple(names)


def test_an_exported_folder_inside_the_folder(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    make_yolo(tmp_path / "animals.v3.yolov5", SPLITS)
    dataset = read.load(tmp_path)
    assert splits_of(dataset) == {"train": ["a", "b"], "val": ["c"], "test": ["d"]}
    make_yolo(tmp_path / "cars.v1", SPLITS)
    with pytest.raises(DatasetError, match=r"one data set, got animals\.v3\.yolov5/data\.yaml, cars\.v1/data\.yaml"):
        read.load(tmp_path)


def test_without_any_class_names_they_are_numbers_and_it_is_reported(
    tmp_path: Path, make_picture: Callable[..., None]
) -> None:
    flat(tmp_path, "abc", make_picture)
    dataset = read.load_own_splits(tmp_path)
    assert dataset.class_names == ("0", "1")
    assert [p.kind for p in dataset.problems] == ["missing_class_names"]


def test_classes_without_names_in_data_yaml(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    dataset = read.load(make_yolo(tmp_path, SPLITS, "nc: 3\n"))
    assert dataset.class_names == ("0", "1", "2")
    assert [p.kind for p in dataset.problems] == ["missing_class_names"]


def test_a_label_without_picture(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    root = make_yolo(tmp_path, SPLITS)
    (root / "train" / "labels" / "ghost.txt").write_text(GOOD)
    (root / "train" / "labels" / "classes.txt").write_text("cat\ndog\n")
    (root / "README.roboflow.txt").write_text("Provided by a user\n")
    assert [(p.kind, p.file) for p in read.load(root).problems] == [("missing_picture", "train/labels/ghost.txt")]


def test_a_picture_does_not_take_the_label_of_another_splits_picture(
    tmp_path: Path, make_yolo: Callable[..., Path]
) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "1": GOOD}, "val": {"1": GOOD}, "test": {"1": GOOD}})
    (root / "train" / "labels" / "1.txt").unlink()
    dataset = read.load(root)
    assert [len(e.boxes) for e in dataset.splits["train"]] == [0, 1]
    assert [(p.kind, p.file) for p in dataset.problems] == [("missing_label_file", "train/labels/1.txt")]


def test_nor_that_of_a_picture_that_is_missing_there(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "1": ""}, "val": {"1": GOOD, "2": GOOD}, "test": {"3": GOOD}})
    (root / "train" / "labels" / "1.txt").unlink()
    (root / "val" / "images" / "1.png").unlink()
    dataset = read.load(root)
    assert [len(e.boxes) for e in dataset.splits["train"]] == [0, 1]
    assert ("missing_label_file", "train/labels/1.txt") in [(p.kind, p.file) for p in dataset.problems]
    assert ("missing_picture", "val/labels/1.txt") in [(p.kind, p.file) for p in dataset.problems]


def test_labels_in_a_folder_of_another_name(tmp_path: Path, make_picture: Callable[..., None]) -> None:
    for stem in ("a.b", "c"):
        make_picture(tmp_path / "photos" / f"{stem}.jpg")
        (tmp_path / "yolo_labels").mkdir(exist_ok=True)
        (tmp_path / "yolo_labels" / f"{stem}.txt").write_text(GOOD)
    (tmp_path / "yolo_labels" / "classes.txt").write_text("cat\ndog\n")
    dataset = read.load_own_splits(tmp_path)
    assert splits_of(dataset) == {"train": ["a.b", "c"]}
    assert boxed(dataset) == 2
    assert dataset.problems == ()


@pytest.mark.parametrize(
    "content", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.rstrip(), "\r\n" + GOOD + "\n\n"]
)
def test_marks_and_line_ends(tmp_path: Path, make_yolo: Callable[..., Path], content: str) -> None:
    root = make_yolo(tmp_path, SPLITS)
    (root / "train" / "labels" / "a.txt").write_bytes(content.encode())
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes.tolist() == [[10, 12, 30, 18]]
    assert dataset.problems == ()


@pytest.mark.parametrize(("encoding", "name"), [("cp949", "강아지"), ("latin-1", "Größe"), ("utf-16", "강아지")])
def test_names_in_a_code_page(tmp_path: Path, make_picture: Callable[..., None], encoding: str, name: str) -> None:
    flat(tmp_path, "ab", make_picture)
    (tmp_path / "obj.names").write_bytes(f"cat\n{name}\n".encode(encoding))
    dataset = read.load_own_splits(tmp_path)
    assert dataset.class_names == ("cat", name)
    assert [p.kind for p in dataset.problems] == ([] if encoding == "utf-16" else ["text_encoding"])


def test_an_inverted_box_is_fixed(tmp_path: Path, make_yolo: Callable[..., Path]) -> None:
    dataset = read.load(make_yolo(tmp_path, SPLITS | {"train": {"a": "1 0.5 0.5 -0.5 0.2\n"}}))
    assert dataset.splits["train"][0].boxes.tolist() == [[10, 12, 30, 18]]
    assert [p.kind for p in dataset.problems] == ["inverted_box"]


def test_a_list_means_the_pictures_beside_it_and_not_a_copy_in_its_splits_folder(
    tmp_path: Path, make_picture: Callable[..., None]
) -> None:
    home = tmp_path / "darknet"
    flat(home, "ab", make_picture, "pictures")
    (home / "obj.data").write_text("classes=2\ntrain=train.txt\nvalid=valid.txt\nnames=obj.names\n")
    (home / "obj.names").write_text("cat\ndog\n")
    for split, name, stem in (("train", "train", "a"), ("val", "valid", "b")):
        make_picture(tmp_path / "copy" / "images" / split / f"{stem}.jpg", value=10)
        (home / f"{name}.txt").write_text(f"/elsewhere/{stem}.jpg\n")
    dataset = read.load_own_splits(tmp_path, "yolo")
    assert {split: [e.path.parent.name for e in found] for split, found in dataset.splits.items()} == {
        "train": ["pictures"],
        "val": ["pictures"],
    }
    assert boxed(dataset) == 2


def test_a_list_does_not_mean_a_nearer_picture_of_another_split(
    tmp_path: Path, make_picture: Callable[..., None]
) -> None:
    home = tmp_path / "home"
    for place, value in (("home/train", 20), ("val", 70)):
        make_picture(tmp_path / place / "1.jpg", value=value)
        (tmp_path / place / "1.txt").write_text(GOOD)
    (home / "obj.data").write_text("classes=2\ntrain=train.txt\nvalid=valid.txt\nnames=obj.names\n")
    (home / "obj.names").write_text("cat\ndog\n")
    for name in ("train", "valid"):
        (home / f"{name}.txt").write_text("/elsewhere/1.jpg\n")
    dataset = read.load_own_splits(tmp_path, "yolo")
    assert {split: [e.path.parent.name for e in found] for split, found in dataset.splits.items()} == {
        "train": ["train"],
        "val": ["val"],
    }


def test_a_list_in_another_splits_folder_means_its_own_split(tmp_path: Path, make_picture: Callable[..., None]) -> None:
    for split in ("train", "val"):
        make_picture(tmp_path / split / "1.jpg", value=20 + 50 * (split == "val"))
        (tmp_path / split / "1.txt").write_text(GOOD)
        (tmp_path / "train" / f"{split}.txt").write_text("1.jpg\n")
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\ntrain: train/train.txt\nval: train/val.txt\n")
    dataset = read.load_own_splits(tmp_path)
    assert {split: [e.path.parent.name for e in found] for split, found in dataset.splits.items()} == {
        "train": ["train"],
        "val": ["val"],
    }


def test_lists_of_one_name_on_another_machine_are_told_apart_by_their_folders(
    tmp_path: Path, make_picture: Callable[..., None]
) -> None:
    for split, stems in (("train", "abc"), ("val", "de")):
        for stem in stems:
            make_picture(tmp_path / split / f"{stem}.jpg")
            (tmp_path / split / f"{stem}.txt").write_text(GOOD)
        lines = [f"/home/x/mine/{split}/{stem}.jpg\n" for stem in stems]
        (tmp_path / split / "list.txt").write_text("".join(lines))
    settings = "names = obj.names\ntrain = /home/x/mine/train/list.txt\nvalid = /home/x/mine/val/list.txt\n"
    (tmp_path / "obj.data").write_text(settings)
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    dataset = read.load_own_splits(tmp_path)
    assert splits_of(dataset) == {"train": ["a", "b", "c"], "val": ["d", "e"]}
    assert [p.kind for p in dataset.problems] == ["mended_path"]
