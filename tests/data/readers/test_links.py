"""Data sets made of links: pictures in a pool, folders in a store."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import Dataset
from data.sets import read

FORMATS = ("coco", "voc", "yolo")


@pytest.fixture
def label(xml: Callable[..., str]) -> Callable[[str, Path, str], None]:
    """Writes the labels of a split folder's picture, in a format."""

    def write(kind: str, folder: Path, stem: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "yolo":
            (folder / f"{stem}.txt").write_text("0 .5 .5 .5 .2\n")
        elif kind == "voc":
            (folder / f"{stem}.xml").write_text(xml(("dog", 10, 12, 30, 18)))
        else:
            file = folder / "labels.json"
            empty: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
            document = json.loads(file.read_text()) if file.exists() else empty
            document["images"].append({"id": stem, "file_name": f"{stem}.png"})
            document["annotations"].append({"image_id": stem, "category_id": 1, "bbox": [10, 12, 20, 6]})
            file.write_text(json.dumps(document | {"categories": [{"id": 1, "name": "dog"}]}))

    return write


def stems(dataset: Dataset) -> dict[str, list[str]]:
    return {split: [example.path.stem for example in examples] for split, examples in dataset.splits.items()}


@pytest.mark.parametrize("kind", FORMATS)
def test_splits_made_of_links_to_a_pool(tmp_path: Path, make_picture, label, kind: str) -> None:
    for number, stem in enumerate("abc"):
        make_picture(tmp_path / "pool" / f"{stem}.png", value=80 * number)
    for split, stem, pooled in (("train", "a", "a"), ("train", "b2", "b"), ("val", "b", "b"), ("test", "c", "c")):
        label(kind, tmp_path / split, stem)
        (tmp_path / split / f"{stem}.png").symlink_to(tmp_path / "pool" / f"{pooled}.png")
    dataset = read.load(tmp_path, kind)
    # b2 of train is the picture of b in val under another name; those of the pool are all in use
    assert stems(dataset) == {"train": ["a"], "val": ["b"], "test": ["c"]}
    problems = [(p.kind, p.file) for p in dataset.problems if p.kind != "missing_class_names"]
    assert problems == [("in_two_splits", "train/b2.png")]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("store", ["mine/.store", "elsewhere"])
def test_splits_that_are_links_to_a_store(tmp_path: Path, make_picture, label, kind: str, store: str) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    for number, (split, stem) in enumerate((("train", "a"), ("val", "b"), ("test", "c"))):
        make_picture(tmp_path / store / split / f"{stem}.png", value=80 * number)
        label(kind, tmp_path / store / split, stem)
        (root / split).symlink_to(tmp_path / store / split, target_is_directory=True)
    dataset = read.load(root)
    assert dataset.format == kind
    assert stems(dataset) == {"train": ["a"], "val": ["b"], "test": ["c"]}
    assert {p.kind for p in dataset.problems} <= {"missing_class_names"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_second_name_of_a_folder_is_reported(tmp_path: Path, make_picture, label, kind: str) -> None:
    for number in range(4):
        make_picture(tmp_path / "train" / f"{number}.png", value=60 * number)
        label(kind, tmp_path / "train", f"{number}")
    (tmp_path / "val").symlink_to("train", target_is_directory=True)
    dataset = read.load_own_splits(tmp_path)
    assert stems(dataset) == {"train": ["0", "1", "2", "3"]}
    assert [(p.kind, p.file) for p in dataset.problems if p.kind != "missing_class_names"] == [("repeated_link", "val")]


@pytest.mark.parametrize("kind", FORMATS)
def test_two_names_for_one_file_in_a_split_are_one_picture(tmp_path: Path, make_picture, label, kind: str) -> None:
    for number, stem in enumerate("abc"):
        make_picture(tmp_path / "train" / f"{stem}.png", value=60 * number)
        label(kind, tmp_path / "train", stem)
    (tmp_path / "train" / "again.png").symlink_to("a.png")
    label(kind, tmp_path / "train", "again")
    dataset = read.load_own_splits(tmp_path, kind)
    assert stems(dataset) == {"train": ["a", "b", "c"]}
    problems = [p for p in dataset.problems if p.kind != "missing_class_names"]
    assert [(p.kind, p.file) for p in problems] == [("repeated_link", "train/again.png")]
    assert problems[0].detail == "another name of train/a.png; not used"


@pytest.mark.parametrize("kind", FORMATS)
def test_of_two_names_the_one_with_labels_is_used(tmp_path: Path, make_picture, label, kind: str) -> None:
    for number, stem in enumerate("ab"):
        make_picture(tmp_path / "camera" / f"{stem}.png", value=60 * number)
        label(kind, tmp_path / "links", f"film_{stem}")
        (tmp_path / "links" / f"film_{stem}.png").symlink_to(tmp_path / "camera" / f"{stem}.png")
    dataset = read.load_own_splits(tmp_path, kind)
    assert stems(dataset) == {"train": ["film_a", "film_b"]}
    assert [len(example.boxes) for example in dataset.splits["train"]] == [1, 1]
    problems = [(p.kind, p.file) for p in dataset.problems if p.kind != "missing_class_names"]
    # COCO takes what its JSON lists, and that names the links alone
    reported = [("repeated_link", f"camera/{stem}.png") for stem in "ab"] if kind != "coco" else []
    assert problems == reported


@pytest.mark.parametrize("kind", FORMATS)
def test_a_link_into_a_folder_that_another_link_leads_to(tmp_path: Path, make_picture, label, kind: str) -> None:
    root, store = tmp_path / "mine", tmp_path / "elsewhere"
    root.mkdir()
    for number, place in enumerate(("sub/1", "sub/2", "3")):
        make_picture(store / f"{place}.png", value=60 * number)
        label(kind, (store / place).parent, (store / place).name)
    (root / "a").symlink_to(store, target_is_directory=True)
    (root / "b").symlink_to(store / "sub", target_is_directory=True)
    dataset = read.load_own_splits(root, kind)
    assert sorted(stems(dataset)["train"]) == ["1", "2", "3"]
    assert [len(example.boxes) for example in dataset.splits["train"]] == [1, 1, 1]
    problems = sorted((p.kind, p.file) for p in dataset.problems if p.kind != "missing_class_names")
    assert problems == [("repeated_link", "b/1.png"), ("repeated_link", "b/2.png")]


def test_a_list_that_names_a_picture_twice(tmp_path: Path, make_voc, xml) -> None:
    good = xml(("dog", 10, 12, 30, 18))
    root = make_voc(tmp_path, dict.fromkeys("abcd", good), {"train": "link\na\nb\n", "val": "c\n", "test": "d\n"})
    (root / "JPEGImages" / "link.jpg").symlink_to("a.jpg")
    dataset = read.load(root)
    assert stems(dataset)["train"] == ["a", "b"]  # the one that has an XML
    assert [(p.kind, p.file) for p in dataset.problems] == [("repeated_link", "JPEGImages/link.jpg")]
