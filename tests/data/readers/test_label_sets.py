"""Two sets of labels for one set of pictures: the format's own folder decides, or nothing does; both are named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import DatasetError
from data.sets import check, read

Make = Callable[..., Path]
ONE, OTHER = "0 .5 .5 .5 .2\n", "0 .4 .5 .3 .2\n"


@pytest.fixture
def make(tmp_path: Path, make_picture: Callable[..., None]) -> Callable[..., Path]:
    """Pictures a to f in images, with a label file of each text in the folder beside it."""

    def make(*folders: tuple[str, str]) -> Path:
        for number, stem in enumerate("abcdef"):
            make_picture(tmp_path / "images" / f"{stem}.jpg", value=30 * number)
            for folder, text in folders:
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / f"{stem}.txt").write_text(text)
        (tmp_path / "classes.txt").write_text("cat\n")
        return tmp_path

    return make


@pytest.mark.parametrize("second", ["labels_v2", "backup", "Labels (old)", "annotations", "predictions/labels"])
def test_the_known_place_is_read_and_the_other_set_is_named(make: Make, tmp_path: Path, second: str) -> None:
    (tmp_path / second).mkdir(parents=True)
    root = make(("labels", ONE), (second, OTHER))
    dataset = read.load_own_splits(root)
    assert {tuple(e.boxes[0].tolist()) for e in dataset.splits["train"]} == {(10, 12, 30, 18)}
    kind = "derived_file" if second.startswith("predictions") else "duplicate_annotation"
    assert [(p.kind, p.file) for p in dataset.problems] == [(kind, f"{second}/{stem}.txt") for stem in "abcdef"]
    if kind == "duplicate_annotation":
        assert dataset.problems[0].detail == "fits the picture images/a.jpg, which has the label labels/a.txt; not used"


def test_two_known_places_that_differ_are_refused_by_both_names(make: Make) -> None:
    root = make(("labels", ONE), ("images", OTHER))
    with pytest.raises(DatasetError) as caught:
        read.load(root)
    for said in ("labels/a.txt", "images/a.txt", "one label for a picture", "keep one set"):
        assert said in str(caught.value)
    assert check.check_dataset(root).error is not None


def test_two_known_places_that_differ_for_some_pictures_stop_a_search(make: Make, tmp_path: Path) -> None:
    make(("labels", ONE), ("images", ONE))
    (tmp_path / "images/c.txt").write_text(OTHER)
    with pytest.raises(DatasetError, match=r"labels/c\.txt"):
        read.load_own_splits(tmp_path)
    dataset = read.load_own_splits(tmp_path, strict=False)
    assert [e.path.stem for e in dataset.splits["train"]] == list("abdef")  # c is no picture without objects
    assert sorted({(p.kind, p.file) for p in dataset.problems if "c." in p.file}) == [
        ("ambiguous_label", "images/c.jpg"),
        ("ambiguous_label", "images/c.txt"),
        ("ambiguous_label", "labels/c.txt"),
    ]


def test_two_known_places_that_say_the_same_are_one_set(make: Make) -> None:
    dataset = read.load_own_splits(make(("labels", ONE), ("images", ONE)))
    assert {p.kind for p in dataset.problems} == {"duplicate_annotation"}


def test_two_unknown_places(make: Make) -> None:
    root = make(("one", ONE), ("two", OTHER))
    with pytest.raises(DatasetError) as caught:
        read.load(root)
    assert "one/a.txt" in str(caught.value)
    assert "two/a.txt" in str(caught.value)
    assert "keep one set of pictures and one of labels" in str(caught.value)


def test_two_unknown_places_that_say_the_same_are_one_set(make: Make) -> None:
    dataset = read.load_own_splits(make(("one", ONE), ("two", ONE)))
    assert [len(e.boxes) for e in dataset.splits["train"]] == [1] * 6
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("duplicate_annotation", f"two/{stem}.txt") for stem in "abcdef"
    ]


def test_a_file_without_boxes_is_another_set_and_captions_are_none(make: Make) -> None:
    with pytest.raises(DatasetError, match="one label for a picture"):
        read.load_own_splits(make(("one", ONE), ("two", "")))
    dataset = read.load_own_splits(make(("one", ONE), ("two", "a cat on a mat\n")))
    assert dataset.problems == ()


def voc(root: Path, make_voc: Make, xml: Callable[..., str], *folders: tuple[str, int]) -> Path:
    """Annotations in each of these folders beside JPEGImages, with this left edge."""
    lists = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}
    make_voc(root, dict.fromkeys("abcd", xml(("dog", 1, 1, 9, 9))), lists)
    written = root / "Annotations"
    for stem in "abcd":
        (written / f"{stem}.xml").unlink()
        for folder, left in folders:
            (root / folder).mkdir(exist_ok=True)
            (root / folder / f"{stem}.xml").write_text(xml(("dog", left, 1, 30, 9)))
    return root


@pytest.mark.parametrize("second", ["Annot_old", "Annotations_v2", "backup", "labels", "xmls"])
def test_voc_annotations_are_meant_and_not_what_comes_first_by_name(
    tmp_path: Path, make_voc: Make, xml: Callable[..., str], second: str
) -> None:
    dataset = read.load(voc(tmp_path, make_voc, xml, (second, 5), ("Annotations", 2)))
    assert dataset.splits["train"][0].boxes.tolist() == [[2, 1, 30, 9]]
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("duplicate_annotation", f"{second}/{stem}.xml") for stem in "abcd"
    ]


def test_voc_annotations_in_two_unknown_places(tmp_path: Path, make_voc: Make, xml: Callable[..., str]) -> None:
    root = voc(tmp_path, make_voc, xml, ("one", 5), ("two", 2))
    with pytest.raises(DatasetError) as caught:
        read.load(root)
    assert "one/a.xml" in str(caught.value)
    assert "two/a.xml" in str(caught.value)


def test_voc_annotations_beside_pictures_of_any_folder(
    tmp_path: Path, make_picture: Callable[..., None], xml: Callable[..., str]
) -> None:
    for stem in "abcd":
        make_picture(tmp_path / f"photos/{stem}.jpg")
        for folder, left in (("Annotations", 2), ("xmls", 5)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{stem}.xml").write_text(xml(("dog", left, 1, 30, 9)))
    dataset = read.load_own_splits(tmp_path)
    assert dataset.splits["train"][0].boxes.tolist() == [[2, 1, 30, 9]]
    assert {(p.kind, p.file[:4]) for p in dataset.problems} == {("duplicate_annotation", "xmls")}


def test_two_formats_are_both_named(make: Make, xml: Callable[..., str]) -> None:
    root = make(("labels", ONE))
    for stem in "abcdef":
        (root / "labels" / f"{stem}.xml").write_text(xml(("dog", 1, 1, 9, 9)))
    with pytest.raises(DatasetError, match="expected labels of one format, got voc and yolo labels"):
        read.load(root)
