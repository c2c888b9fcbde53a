"""Labels in forms that are not read: one sentence says what they are and what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import DatasetError
from data.sets import read

Make = Callable[..., Path]

LABELME = {"version": "5.0.1", "flags": {}, "shapes": [{"label": "cat", "points": [[1, 2], [3, 4]]}], "imagePath": "x"}
CVAT = "<?xml version='1.0'?><annotations><version>1.1</version><meta/>{}</annotations>"
FORMS = {
    "LabelMe": ("{}.json", json.dumps(LABELME), "LabelMe's JSON: convert them to COCO, YOLO or Pascal VOC"),
    "LabelMe without a path": ("{}.json", json.dumps({"version": "3", "shapes": []}), "LabelMe's JSON: convert"),
    "CVAT for images": (
        "annotations.xml",
        CVAT.format("<image id='0' name='a.jpg'><box label='cat' xtl='1' ytl='2' xbr='3' ybr='4'/></image>"),
        "CVAT's XML: export from there as COCO, YOLO or Pascal VOC",
    ),
    "CVAT for video": (
        "annotations.xml",
        CVAT.format("<track id='0' label='cat'><box frame='0' xtl='1' ytl='2' xbr='3' ybr='4'/></track>"),
        "CVAT's XML: export",
    ),
    "CVAT beside each picture": ("{}.xml", CVAT.format("<image id='0'/>"), "CVAT's XML: export"),
    "Label Studio": (
        "export.json",
        json.dumps([{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]),
        "Label Stu",
    ),
    "Supervisely": ("ann/{}.jpg.json", json.dumps({"size": {"height": 3}, "objects": [], "tags": []}), "Supervisely's"),
    "VGG Image Annotator": ("via.json", json.dumps({"a.jpg1": {"filename": "a.jpg", "regions": []}}), "VGG Image Anno"),
    "its project": ("via.json", json.dumps({"_via_settings": {}, "_via_img_metadata": {}}), "VGG Image Annotator"),
    "VoTT": ("{}.json", json.dumps({"asset": {}, "regions": []}), "VoTT's JSON"),
    "CreateML": ("c.json", json.dumps([{"image": "a.jpg", "annotations": [{"label": "cat"}]}]), "CreateML's JSON"),
    "Datumaro": ("default.json", json.dumps({"info": {}, "categories": {}, "items": []}), "Datumaro's JSON"),
    "V7": ("{}.json", json.dumps({"version": "2.0", "item": {}, "annotations": []}), "V7 Darwin's JSON"),
    "BDD100K": ("bdd.json", json.dumps([{"name": "a.jpg", "labels": [{"box2d": {}}]}]), "BDD100K's"),
    "dlib": ("d.xml", "<dataset><images><image file='a.jpg'><box top='1'/></image></images></dataset>", "dlib's"),
    "KITTI": (
        "{}.txt",
        "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n",
        "KITTI's",
    ),
    "DOTA": ("{}.txt", "184.0 350.0 944.0 185.0 981.0 355.0 221.0 521.0 ship 0\n", "DOTA's labels"),
    "lines of boxes": ("boxes.txt", "images/a.jpg 10,20,30,40,0 1,2,3,4,1\n", "lines of pictures with their boxes"),
    "commas": ("{}.txt", "0,0.5,0.5,0.2,0.2\n", "lines with commas between the numbers: put spaces there"),
    "semicolons": ("{}.txt", "0;0.5;0.5;0.2;0.2\n", "lines with semicolons between the numbers: put spaces there"),
    "decimal commas": ("{}.txt", "0 0,5 0,5 0,2 0,2\n", "numbers with decimal commas: write points"),
    "names for numbers": ("{}.txt", "cat 0.5 0.5 0.2 0.2\n", "lines with class names: write numbers instead"),
    "Git LFS": ("{}.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS: `git"),
    "Git LFS, JSON": ("a.json", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
    "a table": ("labels.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n", "a table of boxes: convert"),
    "TFRecord": ("train.tfrecord", "x", "TFRecord: unpack pictures and boxes"),
    "captions": ("c.json", json.dumps({"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}), "captions of"),
    "results": ("r.json", json.dumps([{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]), "results of a detector"),
    "an archive of labels": ("labels.zip", "x", "an archive: unpack it"),
}


@pytest.mark.parametrize("what", FORMS)
def test_what_they_are_is_reported(tmp_path: Path, make_picture: Callable[..., None], what: str) -> None:
    name, content, words = FORMS[what]
    for stem in "abc":
        make_picture(tmp_path / f"{stem}.jpg")
        (tmp_path / name.format(stem)).parent.mkdir(exist_ok=True)
        (tmp_path / name.format(stem)).write_text(content)
    with pytest.raises(DatasetError, match="expected labels of its pictures") as caught:
        read.load(tmp_path)
    said = str(caught.value)
    assert words in said
    assert name.format("a") in said
    assert "\n" not in said
    assert ("and 2 more" in said) == ("{}" in name)


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"a": 1}', "[1]", "{", "[" * 100_000, "null"])
def test_json_of_no_known_form_is_not_named(tmp_path: Path, make_picture: Callable[..., None], content: str) -> None:
    make_picture(tmp_path / "a.jpg")
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DatasetError, match=r"got none for \d+ pictures among 0 \.xml, 1 \.json, 0 \.txt files$"):
        read.load(tmp_path)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.7z", "X.ZIP"])
def test_an_archive_instead_of_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(DatasetError, match=r"got a file, an archive: unpack it, and name the resulting folder$"):
        read.load(tmp_path / name)
    with pytest.raises(DatasetError, match=r"got a folder without pictures, but .*: an archive: unpack it, and name"):
        read.load(tmp_path)


def test_settings_instead_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    with pytest.raises(DatasetError, match="got a file: name the folder that it is in"):
        read.load(tmp_path / "data.yaml")


def test_lines_of_another_form_among_yolos_settings(tmp_path: Path, make_yolo: Make) -> None:
    for form in ("KITTI", "DOTA"):
        line = FORMS[form][1].strip()
        root = make_yolo(tmp_path / form, {"train": {"a": line}, "val": {"b": line}, "test": {"c": line}})
        with pytest.raises(
            DatasetError, match=f"expected 'class x y w h', got .*, as in {form}'s labels: convert them"
        ):
            read.load(root)
