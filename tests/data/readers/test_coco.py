"""COCO JSON: joining, category ids, crowds, segmentations, several files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset import Dataset, DatasetError
from data.sets import read

Make = Callable[..., Path]
BOX = (90, 10, 12, 20, 6)
SPLITS = {"train": {"a": [BOX, (3, 1.5, 2.5, 2.25, 4)], "b": []}, "valid": {"c": [BOX]}, "test": {"d": [BOX]}}


def change(root: Path, split: str, edit: Callable[[dict[str, Any]], None]) -> None:
    path = root / split / "_annotations.coco.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def kinds(dataset: Dataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.file) for problem in dataset.problems]


def test_boxes_classes_and_splits(tmp_path: Path, make_coco: Make) -> None:
    dataset = read.load(make_coco(tmp_path, SPLITS))
    assert dataset.format == "coco"
    assert dataset.class_names == ("cat", "dog")  # by their ids, 3 and 90
    assert {split: [e.path.name for e in found] for split, found in dataset.splits.items()} == {
        "train": ["a.png", "b.png"],
        "val": ["c.png"],
        "test": ["d.png"],
    }
    example = dataset.splits["train"][0]
    assert example.boxes.tolist() == [[10, 12, 30, 18], [1.5, 2.5, 3.75, 6.5]]
    assert example.classes.tolist() == [1, 0]
    assert dataset.problems == ()  # b is a true negative


def test_the_official_layout(tmp_path: Path, make_picture: Callable[..., None]) -> None:
    # Pictures of both splits have the same names; the split in the JSON's name decides.
    (tmp_path / "annotations").mkdir()
    for split, x in (("train2017", 1), ("val2017", 5)):
        make_picture(tmp_path / split / "000001.jpg")
        document = {
            "images": [{"id": 1, "file_name": "000001.jpg"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [x, 1, 9, 9], "iscrowd": 0}],
            "categories": [{"id": 1, "name": "person"}],
        }
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
        captions = {"images": document["images"], "annotations": [{"image_id": 1, "caption": "a man"}]}
        (tmp_path / "annotations" / f"captions_{split}.json").write_text(json.dumps(captions))
    dataset = read.load_own_splits(tmp_path)
    assert {split: found[0].path.parent.name for split, found in dataset.splits.items()} == {
        "train": "train2017",
        "val": "val2017",
    }
    assert [float(found[0].boxes[0, 0]) for found in dataset.splits.values()] == [1, 5]
    assert dataset.class_names == ("person",)
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("other_json", f"annotations/captions_{split}2017.json") for split in ("train", "val")
    ]


def test_a_json_means_the_pictures_beside_it_and_not_a_converted_copy(
    tmp_path: Path, make_picture: Callable[..., None]
) -> None:
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    for number, split in enumerate(("train", "val"), start=1):
        make_picture(tmp_path / "coco" / "images" / f"{number}.jpg", value=30 * number)
        make_picture(tmp_path / "yolo" / "images" / split / f"{number}.jpg", value=30 * number + 100)
        document = {
            "images": [{"id": 1, "file_name": f"{number}.jpg"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
            "categories": [{"id": 1, "name": "person"}],
        }
        (tmp_path / "coco" / "annotations" / f"{split}.json").write_text(json.dumps(document))
    dataset = read.load_own_splits(tmp_path, "coco")
    assert {split: found[0].path.relative_to(tmp_path).parts[0] for split, found in dataset.splits.items()} == {
        "train": "coco",
        "val": "coco",
    }


def test_one_class_may_have_another_id_in_every_file(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "valid", lambda d: d.update(categories=[{"id": 90, "name": "cat"}, {"id": 3, "name": "owl"}]))
    dataset = read.load(root)
    assert dataset.class_names == ("cat", "dog", "owl")
    assert dataset.class_names[dataset.splits["val"][0].classes[0]] == "cat"


def test_ids_as_numbers_and_as_text_are_one(tmp_path: Path, make_coco: Make) -> None:
    def as_text(document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["id"] = str(image["id"])
        document["annotations"][0]["category_id"] = "90"
        document["annotations"][0]["bbox"] = ["10", "12.0", 20, 6]

    root = make_coco(tmp_path, SPLITS)
    change(root, "train", as_text)
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes[0].tolist() == [10, 12, 30, 18]
    assert dataset.problems == ()


def test_a_group_that_has_no_objects_is_left_out_and_reported(tmp_path: Path, make_coco: Make) -> None:
    # As one exporter writes it: the data set's name is category 0 and the others' supercategory.
    categories = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 3, "name": "cat", "supercategory": "animals"},
        {"id": 90, "name": "dog", "supercategory": "animals"},
        {"id": 91, "name": "unicorn", "supercategory": "animals"},
    ]
    dataset = read.load(
        make_coco(tmp_path, {"train": SPLITS["train"] | {"x": [BOX], "y": [BOX]}}, categories=categories)
    )
    assert dataset.class_names == ("cat", "dog", "unicorn")
    assert kinds(dataset)[0] == ("unused_category", "train/_annotations.coco.json")


@pytest.mark.parametrize(
    ("mark", "crowd", "kind", "what"),
    [("iscrowd", True, "crowd_box", "a crowd of"), ("ignore", False, "difficult_box", "a difficult")],
)
def test_crowds_and_difficult_objects_are_set_aside(
    tmp_path: Path, make_coco: Make, mark: str, crowd: bool, kind: str, what: str
) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["annotations"][0].update({mark: 1}))
    change(root, "train", lambda d: d["annotations"][1].update({mark: 0}))
    dataset = read.load(root)
    example = dataset.splits["train"][0]
    assert (example.boxes.tolist(), example.classes.tolist()) == ([[1.5, 2.5, 3.75, 6.5]], [0])
    ignored = example.ignored
    assert (ignored.boxes.tolist(), ignored.classes.tolist()) == ([[10, 12, 30, 18]], [1])
    assert ignored.crowd.tolist() == [crowd]
    assert [(p.kind, p.detail) for p in dataset.problems] == [
        (kind, f"a.png, annotations[0]: {what} 'dog': not trained on, ignored in evaluation")
    ]


def test_an_object_and_a_crowd_with_equal_edges_are_two(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS | {"train": {"a": [BOX, BOX]}})
    change(root, "train", lambda d: d["annotations"][0].update(iscrowd=1))
    example = read.load(root).splits["train"][0]
    assert (len(example.boxes), len(example.ignored)) == (1, 1)


def test_crowds_may_be_in_a_file_of_their_own(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    document = json.loads((root / "train" / "_annotations.coco.json").read_text())
    for annotation in document["annotations"]:
        annotation["iscrowd"] = 1
    (root / "train" / "crowds.json").write_text(json.dumps(document))
    example = read.load(root).splits["train"][0]
    assert (len(example.boxes), len(example.ignored)) == (2, 2)


def test_only_crowds_are_no_data_set(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, {"train": {"a": [BOX]}})
    change(root, "train", lambda d: d["annotations"][0].update(iscrowd=1))
    with pytest.raises(DatasetError, match=r"at least one usable box, got none: 1 x crowd_box, the first in .*a crowd"):
        read.load(root)


def test_a_segmentation_is_used_only_without_a_box(tmp_path: Path, make_coco: Make) -> None:
    def edit(document: dict[str, Any]) -> None:
        first, second = document["annotations"]
        first["segmentation"] = [[0, 0, 40, 0, 40, 30]]
        second["bbox"] = []
        second["segmentation"] = [[5, 6, 9, 6, 9, 8], [4, 7, 5, 7, 5, 12.5]]

    root = make_coco(tmp_path, SPLITS)
    change(root, "train", edit)
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes.tolist() == [[10, 12, 30, 18], [4, 6, 9, 12.5]]
    assert [p.kind for p in dataset.problems] == ["box_from_segmentation"]


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=None), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[None, 2, 3, 4]), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[[1], 2, 3, 4]), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[float("nan"), 2, 3, 4]), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, float("inf"), 4]), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 10**400, 4]), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[], segmentation={"counts": "x", "size": [1, 2]}), "malformed_box"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 0, 4]), "zero_area_box"),
        (lambda d: d["annotations"][0].update(bbox=[30, 12, -20, 6]), "inverted_box"),
        (lambda d: d["annotations"][0].update(bbox=[50, 2, 3, 4]), "box_outside_picture"),
        (lambda d: d["annotations"][0].update(bbox=[-9, 2, 20, 4]), "clipped_box"),
        (lambda d: d["annotations"].append(d["annotations"][0]), "duplicate_box"),
        (lambda d: d["annotations"][0].update(category_id=[1]), "class_out_of_range"),
        (lambda d: d["annotations"][0].update(category_id=4), "class_out_of_range"),
        (lambda d: d["annotations"][0].update(image_id=4), "orphan_annotation"),
        (lambda d: d["annotations"].append(7), "broken_annotation"),
        (lambda d: d["images"].append({"id": 1}), "broken_annotation"),
        (lambda d: d["images"].append("x"), "broken_annotation"),
        (lambda d: d["images"].append({"id": 7, "file_name": "b.png"}), "broken_annotation"),
        (lambda d: d["images"].append({"id": 99, "file_name": "ghost.png"}), "missing_picture"),
        (lambda d: d["images"].pop(), "unlisted_picture"),
        (lambda d: d["images"][0].update(width=80, height=60), "wrong_size"),
        (lambda d: d.pop("categories"), "missing_class_names"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, make_coco: Make, edit: Callable[[dict[str, Any]], None], kind: str
) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", edit)
    dataset = read.load(root, strict=False)
    assert kind in [problem.kind for problem in dataset.problems]
    assert len(dataset.problems) == 1
    for examples in dataset.splits.values():
        for example in examples:
            assert np.isfinite(example.boxes).all()


@pytest.mark.parametrize("size", [{"width": 0, "height": 0}, {"width": None}, {"width": "x"}])
def test_a_size_that_says_nothing_is_no_problem(tmp_path: Path, make_coco: Make, size: dict[str, object]) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["images"][0].update(size))
    assert read.load(root).problems == ()


def test_a_picture_of_two_splits_stays_in_the_one_scored_last(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["images"].append({"id": 99, "file_name": "images/c.png"}))
    dataset = read.load(root)
    assert kinds(dataset) == [("in_two_splits", "valid/c.png")]
    assert [e.path.stem for e in dataset.splits["val"]] == ["c"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"images": [', "Expecting value"),
        (b'{"images": ' + b"[" * 100_000, "nested too deep"),
        (b'{"images": [], "x": ' + b"9" * 5000 + b"}", "integer"),
    ],
)
def test_a_broken_file_is_named_and_fatal_for_a_search(
    tmp_path: Path, make_coco: Make, content: bytes, words: str
) -> None:
    root = make_coco(tmp_path, SPLITS)
    (root / "more.json").write_bytes(content)
    dataset = read.load(root, strict=False)
    assert kinds(dataset) == [("broken_annotation", "more.json")]
    assert words in dataset.problems[0].detail
    with pytest.raises(DatasetError, match=r"more\.json: expected COCO's JSON"):
        read.load(root)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_encodings(tmp_path: Path, make_coco: Make, encoding: str) -> None:
    root = make_coco(tmp_path, SPLITS)
    path = root / "train" / "_annotations.coco.json"
    document = json.loads(path.read_text())
    document["categories"][0]["name"] = "강아지"
    path.write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
    assert "강아지" in read.load(root).class_names


def test_windows_paths_and_another_case_join_by_name(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["images"][0].update(file_name="C:\\Users\\me\\pictures\\A.PNG"))
    dataset = read.load(root)
    assert len(dataset.splits["train"][0].boxes) == 2
    assert dataset.problems == ()


def test_forced_without_any_file(tmp_path: Path, make_picture: Callable[..., None]) -> None:
    make_picture(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="expected COCO JSON files"):
        read.load(tmp_path, "coco")


@pytest.mark.parametrize(
    ("file", "pictures", "split", "said"),
    [
        ("annotations/instances_val2017.json", "images", "val", False),  # the name alone
        ("valid/_annotations.coco.json", "images", "val", False),  # the folder, as Roboflow writes it
        ("annotations/result.json", "val2017", "val", False),  # the pictures' folder
        ("valid/instances_val.json", "images", "val", False),  # name and folder agree
        ("train/instances_val.json", "images", "val", True),  # the name counts before the folder
        ("annotations/instances_val.json", "train", "val", False),  # and before the pictures' folder
    ],
)
def test_the_name_of_a_json_decides_its_split_then_its_folder_then_that_of_the_pictures(
    tmp_path: Path, make_picture: Callable[..., None], file: str, pictures: str, split: str, said: bool
) -> None:
    make_picture(tmp_path / pictures / "a.jpg")
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / file).write_text(json.dumps(document))
    dataset = read.load_own_splits(tmp_path)
    assert list(dataset.splits) == [split]
    assert kinds(dataset) == ([("unclear_split", file)] if said else [])
    if said:
        assert dataset.problems[0].detail == ("its name says val, its folder says train: its pictures are read as val")
