"""What XML of Pascal VOC's form holds beside plain objects: namespaces, several boxes, polygons."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import DatasetError
from data.sets import read

Make = Callable[..., Path]
LISTS = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}
BOX = "<bndbox><xmin>10</xmin><ymin>12</ymin><xmax>30</xmax><ymax>18</ymax></bndbox>"
SECOND = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
EDGES = [10, 12, 30, 18]


def first(tmp_path: Path, make_voc: Make, text: str, other: str | None = None):
    """(boxes of the first training picture, problems); its annotation has this text."""
    plain = f"<annotation><object><name>dog</name>{BOX}</object></annotation>"
    root = make_voc(tmp_path, {"a": text} | dict.fromkeys("bcd", other or plain), LISTS)
    dataset = read.load(root)
    example = dataset.splits["train"][0]
    return (
        [(dataset.class_names[c], b) for c, b in zip(example.classes, example.boxes.tolist(), strict=True)],
        [(p.kind, p.file) for p in dataset.problems],
    )


@pytest.mark.parametrize(
    "text",
    [
        '<annotation xmlns="http://x.example/voc"><object><name>dog</name>BOX</object></annotation>',
        '<v:annotation xmlns:v="http://x.example/voc"><v:object><v:name>dog</v:name>PREFIXED</v:object></v:annotation>',
        "<!-- made by hand -->\n<Annotation><Object><Name>dog</Name>CAPITALS</Object></Annotation>",
        "<annotation><!-- none --><object><name> dog </name>BOX</object></annotation>",
        '<annotation><object><name>dog</name><bndbox xmin="10" ymin="12" xmax="30" ymax="18"/></object></annotation>',
        "<annotation><object><name>dog</name>BOX<part><name>head</name>SECOND</part></object></annotation>",
    ],
)
@pytest.mark.parametrize("everywhere", [False, True])
def test_spellings_of_one_object(tmp_path: Path, make_voc: Make, text: str, everywhere: bool) -> None:
    prefixed = BOX.replace("</", "< /").replace("<", "<v:").replace("<v: /", "</v:")
    capitals = BOX.replace("bndbox", "BndBox").replace("min", "Min").replace("max", "Max")
    text = (
        text.replace("PREFIXED", prefixed).replace("CAPITALS", capitals).replace("BOX", BOX).replace("SECOND", SECOND)
    )
    assert first(tmp_path, make_voc, text, text if everywhere else None) == ([("dog", EDGES)], [])


@pytest.mark.parametrize("root", ['annotation xmlns="http://x.example/voc"', "annotation"])
def test_beside_the_pictures_a_namespace_is_read_too(
    tmp_path: Path, make_picture: Callable[..., None], root: str
) -> None:
    for stem in "abcd":
        make_picture(tmp_path / f"{stem}.jpg")
        text = f"<{root}><object><name>dog</name>{BOX}</object></annotation>"
        (tmp_path / f"{stem}.xml").write_text(text)
    dataset = read.load(tmp_path)
    assert dataset.format == "voc"
    assert sum(len(e.boxes) for found in dataset.splits.values() for e in found) == 4


@pytest.mark.parametrize("deleted", ["1", " 1 "])
def test_deleted_objects_are_none(tmp_path: Path, make_voc: Make, deleted: str) -> None:
    gone = f"<object><name>owl</name><deleted>{deleted}</deleted>{SECOND}</object>"
    plain = f"<object><name>dog</name><deleted>0</deleted>{BOX}</object>"
    assert first(tmp_path, make_voc, f"<annotation>{gone}{plain}</annotation>") == ([("dog", EDGES)], [])
    alone = first(tmp_path / "alone", make_voc, f"<annotation>{gone}</annotation>")
    assert alone == ([], [])


def test_each_box_of_an_object_is_one(tmp_path: Path, make_voc: Make) -> None:
    text = f"<annotation><object><name>dog</name>{BOX}{SECOND}</object></annotation>"
    boxes, problems = first(tmp_path, make_voc, text)
    assert boxes == [("dog", EDGES), ("dog", [1, 2, 9, 8])]
    assert problems == [("several_boxes", "Annotations/a.xml")]


@pytest.mark.parametrize(
    "polygon",
    [
        "<pt><x>10</x><y>12</y></pt><pt><x>30</x><y>12</y></pt><pt><x>20</x><y>18</y></pt>",  # LabelMe's web tool
        "<username>me</username><pt><x>10</x><y>12</y><time>1</time></pt><pt><x>30</x><y>18</y></pt><pt><x>11</x><y>13</y></pt>",
        "<x1>10</x1><y1>12</y1><x2>30</x2><y2>12</y2><x3>20</x3><y3>18</y3>",  # exports of segmentations
    ],
)
def test_a_polygon_alone_has_the_box_around_it(tmp_path: Path, make_voc: Make, polygon: str) -> None:
    text = f"<annotation><object><name>dog</name><polygon>{polygon}</polygon></object></annotation>"
    assert first(tmp_path, make_voc, text) == (
        [("dog", EDGES)],
        [("box_from_segmentation", "Annotations/a.xml")],
    )


def test_a_polygon_beside_a_box_is_passed_over(tmp_path: Path, make_voc: Make) -> None:
    polygon = "<polygon><x1>0</x1><y1>0</y1><x2>40</x2><y2>0</y2><x3>0</x3><y3>30</y3></polygon>"
    text = f"<annotation><object><name>dog</name>{polygon}{BOX}</object></annotation>"
    assert first(tmp_path, make_voc, text) == ([("dog", EDGES)], [])


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (f"<annotation><objects><item><name>dog</name>{BOX}</item></objects></annotation>", "got some outside of one"),
        (f"<annotation>{BOX}</annotation>", "expected boxes in <object>, got some outside of one"),
        ("<annotation><object><name>dog</name><polygon/></object></annotation>", "three corners or more"),
        (
            "<annotation><object><name>dog</name><polygon><x1>1</x1><y1>x</y1></polygon></object></annotation>",
            "expected a number in <y1>, got 'x'",
        ),
        ("<annotation><object><name>dog</name></object></annotation>", "object 1 (dog): expected a <bndbox>, got none"),
    ],
)
def test_what_has_no_box_is_not_a_picture_without_objects(
    tmp_path: Path, make_voc: Make, text: str, detail: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        first(tmp_path, make_voc, text)
    assert "Annotations/a.xml: " in str(caught.value)
    assert detail in str(caught.value)
