"""Pascal VOC folders: lists, coordinates, and what is wrong in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import Dataset, DatasetError
from data.readers import voc
from data.readers.walking import walk
from data.sets import read

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
        ("<a><object><name>dog</name></object></a>", "object 1 (dog): expected a <bndbox>, got none"),
        ("<a><object><name>dog</name><bndbox><xmin>x</xmin></bndbox></object></a>", "expected a number in <xmin>"),
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
    with pytest.raises(DatasetError, match="split 'val': expected at least one usable labelled picture, got none"):
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


def test_xml_is_joined_by_stem_wherever_it_lies(tmp_path: Path, make_picture: Callable[..., None], xml) -> None:
    for place in ("pictures/one/a.JPG", "pictures/b.b.png", "c #1 größe.jpg"):
        make_picture(tmp_path / place)
    (tmp_path / "labels" / "deep").mkdir(parents=True)
    for stem in ("a", "b.b", "c #1 größe"):
        (tmp_path / "labels" / "deep" / f"{stem}.xml").write_text(xml(("dog", 1, 1, 9, 9)))
    dataset = read.load(tmp_path)
    assert dataset.format == "voc"
    assert sum(len(e.boxes) for examples in dataset.splits.values() for e in examples) == 3
    assert {p.kind for p in dataset.problems} == {"split_cut"}


def test_split_folders_with_xml_beside_the_pictures(tmp_path: Path, make_picture: Callable[..., None], xml) -> None:
    # One stem in all splits: each picture takes the XML beside it.
    for number, split in enumerate(("train", "valid", "test"), start=1):
        make_picture(tmp_path / split / "1.jpg")
        (tmp_path / split / "1.xml").write_text(xml(("dog", number, 1, 9, 9)))
    dataset = read.load(tmp_path)
    assert {split: float(examples[0].boxes[0, 0]) for split, examples in dataset.splits.items()} == {
        "train": 1,
        "val": 2,
        "test": 3,
    }
    assert dataset.problems == ()


def test_two_years_in_one_devkit(tmp_path: Path, make_voc: Make, xml) -> None:
    for number, year in enumerate(("VOC2007", "VOC2012"), start=1):
        objects = xml(("dog", number, 1, 9, 9))
        make_voc(tmp_path / "VOCdevkit" / year, dict.fromkeys("abcd", objects), LISTS)
    dataset = read.load(tmp_path)
    assert [(e.path.parent.parent.name, e.path.stem, float(e.boxes[0, 0])) for e in dataset.splits["train"]] == [
        ("VOC2007", "a", 1),
        ("VOC2007", "b", 1),
        ("VOC2012", "a", 2),
        ("VOC2012", "b", 2),
    ]
    assert dataset.problems == ()


def test_lists_with_suffixes_paths_flags_and_crlf(tmp_path: Path, make_voc: Make, xml) -> None:
    lists = {"train": "\ufeffa.jpg\r\nJPEGImages\\b.jpg\r\n", "val": "c  1\n", "test": "d -1\n"}
    dataset = read.load(make_voc(tmp_path, annotations(xml), lists))
    assert {split: [e.path.stem for e in found] for split, found in dataset.splits.items()} == {
        "train": ["a", "b"],
        "val": ["c"],
        "test": ["d"],
    }
    assert dataset.problems == ()


def test_a_list_means_the_pictures_in_its_splits_folder(tmp_path: Path, make_picture: Callable[..., None], xml) -> None:
    for number, split in enumerate(("train", "val", "test"), start=1):
        make_picture(tmp_path / split / "1.jpg", value=number * 50)
        (tmp_path / split / "1.xml").write_text(xml(("dog", number, 1, 9, 9)))
        (tmp_path / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_text("1\n")
    dataset = read.load(tmp_path)
    assert dataset.problems == ()
    assert {split: [float(e.boxes[0, 0]) for e in found] for split, found in dataset.splits.items()} == {
        "train": [1],
        "val": [2],
        "test": [3],
    }


def test_an_annotation_without_objects_is_a_true_negative(tmp_path: Path, make_voc: Make, xml) -> None:
    dataset = read.load(make_voc(tmp_path, annotations(xml, b=xml()), LISTS))
    assert [len(e.boxes) for e in dataset.splits["train"]] == [2, 0]
    assert dataset.problems == ()


def test_an_annotation_without_picture_and_one_too_many(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, annotations(xml), {})
    (root / "Annotations" / "ghost.xml").write_text(xml())
    (root / "backup").mkdir()
    (root / "backup" / "a.xml").write_text(xml())
    kinds = [(p.kind, p.file) for p in read.load_own_splits(root).problems]
    assert kinds == [("missing_picture", "Annotations/ghost.xml"), ("duplicate_annotation", "backup/a.xml")]


@pytest.mark.parametrize(
    ("size", "kinds"),
    [("<width>0</width><height>0</height>", []), ("", []), ("<width>80</width><height>60</height>", ["wrong_size"])],
)
def test_the_picture_decides_its_size(tmp_path: Path, make_voc: Make, xml, size: str, kinds: list[str]) -> None:
    text = xml(("dog", 10, 10, 40, 30)).replace("<size><width>0</width></size>", f"<size>{size}</size>")
    example = (dataset := read.load(make_voc(tmp_path, annotations(xml, a=text), LISTS))).splits["train"][0]
    assert (example.width, example.height) == (40, 30)
    assert example.boxes.tolist() == [[10, 10, 40, 30]]
    assert [p.kind for p in dataset.problems] == kinds


@pytest.mark.parametrize(
    ("box", "kind", "kept"),
    [
        ((1, 1, 9, 9), "duplicate_box", 1),
        ((9, 9, 2, 2), "inverted_box", 2),
        (("nan", 1, 9, 9), "malformed_box", 1),
        (("inf", 1, 9, 9), "malformed_box", 1),
        ((50, 1, 60, 9), "box_outside_picture", 1),
        ((-9, 1, 9, 9), "clipped_box", 2),
        ((2, 1, 2, 9), "zero_area_box", 1),
        ((2, 1, 2.00000001, 9), "zero_area_box", 1),
    ],
)
def test_boxes_that_need_mending(tmp_path: Path, make_voc: Make, xml, box, kind: str, kept: int) -> None:
    text = xml(("dog", 1, 1, 9, 9), ("dog", *box))
    dataset = read.load(make_voc(tmp_path, annotations(xml, a=text), LISTS), strict=False)
    boxes = dataset.splits["train"][0].boxes
    assert len(boxes) == kept
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert [(p.kind, p.file) for p in dataset.problems] == [(kind, "Annotations/a.xml")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949", "euc-kr"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="euc-kr"?>'])
def test_korean_class_names(tmp_path: Path, make_voc: Make, xml, encoding: str, declared: str) -> None:
    root = make_voc(tmp_path, annotations(xml), LISTS)
    text = declared + xml(("흰 강아지", 1, 1, 9, 9))
    (root / "Annotations" / "a.xml").write_bytes(text.encode(encoding))
    dataset = read.load(root)
    assert dataset.class_names == ("cat", "dog", "흰 강아지")
    guessed = encoding in ("cp949", "euc-kr") and "encoding" not in declared
    assert [p.kind for p in dataset.problems] == (["text_encoding"] if guessed else [])


def test_latin_class_names(tmp_path: Path, make_voc: Make, xml) -> None:
    root = make_voc(tmp_path, annotations(xml), LISTS)
    (root / "Annotations" / "a.xml").write_bytes(xml(("Größe", 1, 1, 9, 9)).encode("latin-1"))
    assert "Größe" in read.load(root).class_names


def test_rotated_boxes_are_refused(tmp_path: Path, make_voc: Make, xml) -> None:
    text = xml(("dog", 1, 1, 9, 9)).replace("bndbox", "robndbox")
    dataset = read.load(make_voc(tmp_path, annotations(xml, a=text), LISTS), strict=False)
    assert [p.kind for p in dataset.problems] == ["broken_annotation"]
    assert "object 1 (dog): expected a <bndbox>, got a turned box (<robndbox>)" in dataset.problems[0].detail


@pytest.mark.parametrize("home", ["VOC2007", ""])
@pytest.mark.parametrize("labelled", [False, True])
def test_lists_mean_the_pictures_beside_them_and_not_a_converted_copy(
    tmp_path: Path, make_voc: Make, make_picture: Callable[..., None], xml, home: str, labelled: bool
) -> None:
    root = make_voc(tmp_path / home, annotations(xml), LISTS)
    for split, text in LISTS.items():
        for stem in text.split():
            place = tmp_path / "yolo" / "images" / split / stem
            make_picture(place.with_suffix(".jpg"), value=10)
            if labelled:
                place.with_suffix(".xml").write_text(xml(("cow", 1, 1, 9, 9)))
    dataset = read.load(tmp_path, "voc")
    for split, text in LISTS.items():
        pictures = [root / "JPEGImages" / f"{stem}.jpg" for stem in text.split()]
        assert [example.path for example in dataset.splits[split]] == pictures
    assert dataset.class_names == ("cat", "dog")
    assert {p.kind for p in dataset.problems} == {"unlisted_picture"}


def test_an_empty_xml_beside_its_picture_is_a_broken_annotation(
    tmp_path: Path, make_picture: Callable[..., None], xml
) -> None:
    for stem in "abc":
        make_picture(tmp_path / f"{stem}.jpg")
        (tmp_path / f"{stem}.xml").write_text("" if stem == "c" else xml(("dog", 1, 1, 9, 9)))
    (tmp_path / "other.xml").write_text("")
    problems = read.load_own_splits(tmp_path, strict=False).problems
    assert [(p.kind, p.file) for p in problems] == [("broken_annotation", "c.xml")]
    with pytest.raises(DatasetError, match=r"c\.xml: expected XML, cannot read it"):
        read.load(tmp_path)


def test_empty_xml_files_make_no_other_format_of_a_yolo_data_set(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {"a": "1 0.5 0.5 0.5 0.2\n"}})
    (root / "train" / "images" / "a.xml").write_text("")
    assert read.detect(root) == "yolo"


def difficult(xml: str, mark: str) -> str:
    """The annotation with this mark in its first object."""
    return xml.replace("</bndbox>", f"</bndbox><difficult>{mark}</difficult>", 1)


@pytest.mark.parametrize(("mark", "is_difficult"), [("1", True), (" True ", True), ("0", False), ("", False)])
def test_difficult_objects_are_set_aside(tmp_path: Path, make_voc: Make, xml, mark: str, is_difficult: bool) -> None:
    changed = annotations(xml, a=difficult(annotations(xml)["a"], mark))
    dataset = read_folder(make_voc(tmp_path, changed, LISTS))
    assert dataset.class_names == ("cat", "dog")
    dog, cat = ([10, 12, 30, 18], 1), ([1.5, 2.5, 3, 4], 0)
    example = dataset.splits["train"][0]
    assert list(zip(example.boxes.tolist(), example.classes.tolist(), strict=True)) == [dog, cat][is_difficult:]
    ignored = example.ignored
    assert list(zip(ignored.boxes.tolist(), ignored.classes.tolist(), strict=True)) == [dog][: int(is_difficult)]
    assert not ignored.crowd.any()
    told = "object 1 (dog): a difficult 'dog': not trained on, ignored in evaluation"
    expected = [("difficult_box", "Annotations/a.xml", told)] if is_difficult else []
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == expected


def test_a_class_of_difficult_objects_alone_keeps_its_number(tmp_path: Path, make_voc: Make, xml) -> None:
    only = difficult(xml(("ant", 1, 1, 9, 9), ("cat", 1.5, 2.5, 3, 4)), "1")
    dataset = read_folder(make_voc(tmp_path, annotations(xml, a=only), LISTS))
    assert dataset.class_names == ("ant", "cat", "dog")
    assert dataset.splits["train"][0].classes.tolist() == [1]


def test_a_split_of_difficult_objects_alone_is_refused(tmp_path: Path, make_voc: Make, xml) -> None:
    changed = annotations(xml, c=difficult(xml(("dog", 1, 1, 9, 9)), "1"))
    root = make_voc(tmp_path, changed, LISTS)
    with pytest.raises(DatasetError, match=r"split 'val': expected at least one box, got 1 pictures without any"):
        read.load(root)
