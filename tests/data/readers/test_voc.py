"""Pascal VOC folders: lists, coordinates, and what is wrong in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data import read
from data.example import Dataset, DatasetError
from data.readers import voc
from data.readers.folder import walk

Make = Callable[..., Path]
LISTS = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}


def annotations(xml: Callable[..., str], **changed: str) -> dict[str, str]:
    good = xml(("dog", 10, 12, 30, 18), ("cat", 1.5, 2.5, 3, 4))
    return dict.fromkeys("abcd", good) | changed


def read_folder(root: Path) -> Dataset:
    return voc.read(walk(root))


def test_coordinates_stay_as_they_are_and_classes_are_sorted(tmp_path: Path, make_voc: Make, xml) -> None:
    dataset = read_folder(make_voc(tmp_path, annotations(xml), LISTS))
    assert dataset.class_names == ("cat", "dog")
    example = dataset.splits["train"][0]
    assert example.boxes.tolist() == [[10, 12, 30, 18], [1.5, 2.5, 3, 4]]
    assert example.classes.tolist() == [1, 0]
    assert (example.width, example.height) == (40, 30)  # the picture's, not the tag's 0
    assert {split: [e.path.stem for e in examples] for split, examples in dataset.splits.items()} == {
        "train": ["a", "b"],
        "val": ["c"],
        "test": ["d"],
    }
    assert dataset.problems == ()


def test_without_lists_the_splits_are_cut_by_seed(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, {f"p{i:02d}": xml(("dog", 1, 1, 9, 9)) for i in range(20)}, {})
    dataset = read.load(root)
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 14, "val": 3, "test": 3}
    stems = [e.path.stem for examples in dataset.splits.values() for e in examples]
    assert sorted(stems) == [f"p{i:02d}" for i in range(20)]
    assert [p.kind for p in dataset.problems] == ["split_cut", "split_cut"]
    again, other = read.load(root), read.load(root, split_seed=1)
    assert [e.path for e in again.splits["val"]] == [e.path for e in dataset.splits["val"]]
    assert [e.path for e in other.splits["val"]] != [e.path for e in dataset.splits["val"]]


def test_trainval_stands_in_for_train_without_what_is_scored(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, annotations(xml), {"trainval": "a\nb\nc\n", "val": "c\n", "test": "d\n"})
    dataset = read_folder(root)
    assert [e.path.stem for e in dataset.splits["train"]] == ["a", "b"]
    assert dataset.problems == ()


def test_what_is_listed_but_not_there_and_there_but_not_listed(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, annotations(xml, e=xml()), LISTS | {"train": "a\nb\nghost\nc\n"})
    (root / "Annotations" / "b.xml").unlink()
    dataset = read_folder(root)
    assert [e.path.stem for e in dataset.splits["train"]] == ["a"]
    assert sorted((p.kind, p.file) for p in dataset.problems) == [
        ("listed_twice", "ImageSets/Main/train.txt"),
        ("missing_annotation", "JPEGImages/b.jpg"),
        ("missing_picture", "Annotations/ghost.xml"),
        ("unlisted_picture", "JPEGImages/e.jpg"),
    ]


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><annotation><object><name>&b;</name></object></annotation>'
)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("<annotation><object>", "expected XML"),
        ("", "expected XML"),
        ('<?xml version="1.0" encoding="foo"?><a/>', "expected XML"),
        (BOMB, "without entities"),
        ("<a><object><name>dog</name></object></a>", "expected a number in <xmin>"),
        ("<a><object><bndbox/></object></a>", "expected a class in <name>"),
    ],
)
def test_a_broken_annotation_is_skipped_and_fatal_for_a_search(
    tmp_path: Path, make_voc: Make, xml, text: str, detail: str
) -> None:
    root = make_voc(tmp_path, annotations(xml, b=text), LISTS)
    dataset = read.load(root, strict=False)
    assert [e.path.stem for e in dataset.splits["train"]] == ["a"]
    assert [(p.kind, p.file) for p in dataset.problems] == [("broken_annotation", "Annotations/b.xml")]
    assert detail in dataset.problems[0].detail
    with pytest.raises(DatasetError, match=r"Annotations/b\.xml"):
        read.load(root)


def test_the_broken_file_is_named_even_when_its_split_is_empty_without_it(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, annotations(xml, c="<broken"), LISTS)
    with pytest.raises(DatasetError, match=r"Annotations/c\.xml"):
        read.load(root)
    with pytest.raises(DatasetError, match="split 'val' is there but holds nothing usable"):
        read.load(root, strict=False)


def test_zero_area_boxes_are_skipped_and_never_fatal(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, annotations(xml, a=xml(("dog", 5, 5, 5, 5), ("dog", 1, 1, 9, 9))), LISTS)
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes.tolist() == [[1, 1, 9, 9]]
    assert [(p.kind, p.file) for p in dataset.problems] == [("zero_area_box", "Annotations/a.xml")]


def test_of_two_pictures_with_one_stem_one_is_used_and_the_other_named(
    tmp_path: Path, make_voc: Make, make_picture: Callable[..., None], xml
) -> None:
    root = make_voc(tmp_path, annotations(xml), LISTS)
    make_picture(root / "JPEGImages" / "a.png")
    dataset = read.load(root)
    assert [e.path.name for e in dataset.splits["train"]] == ["a.jpg", "b.jpg"]
    assert [(p.kind, p.file) for p in dataset.problems] == [("duplicate_stem", "JPEGImages/a.png")]
