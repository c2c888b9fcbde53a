"""Folders as people have them, read as they are meant; each has the layout that a bug report describes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.dataset import Dataset
from data.sets import read

Scene = Callable[..., None]
GOOD = "1 0.5 0.5 0.5 0.2\n"


@pytest.fixture
def yolo(tmp_path: Path, make_scene: Scene) -> Callable[..., None]:
    """Twelve pictures with a label each, and the names of two classes. {}: the number."""

    def write(pictures: str, labels: str, text: str = GOOD) -> None:
        for number in range(12):
            make_scene(tmp_path / pictures.format(number), number)
            label = tmp_path / labels.format(number)
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text)
        (tmp_path / "classes.txt").write_text("cat\ndog\n")

    return write


def assert_read(root: Path, format: str, kinds: list[str] | None = None) -> Dataset:
    """Twelve pictures with a box each are read, and nothing but these kinds is reported."""
    dataset = read.load_own_splits(root)
    assert dataset.format == format
    assert dataset.class_names == ("cat", "dog")
    examples = [example for found in dataset.splits.values() for example in found]
    assert [len(example.boxes) for example in examples] == [1] * 12
    assert [problem.kind for problem in dataset.problems] == (kinds or [])
    assert sum(len(found) for found in read.load(root).splits.values()) == 12
    return dataset


def test_notes_beside_classes(tmp_path: Path, yolo) -> None:
    # HumanSignal/label-studio, issue 6416: the same classes in another order
    yolo("images/im{}.jpg", "labels/im{}.txt")
    notes = {"categories": [{"id": 1, "name": "cat"}, {"id": 0, "name": "dog"}], "info": {}}
    (tmp_path / "notes.json").write_text(json.dumps(notes))
    assert_read(tmp_path, "yolo")


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("images/im{}.jpg.jpg", "labels/im{}.jpg.txt"),  # ultralytics/yolov5, PR 2300; pjreddie/darknet, issue 944
        ("images/im{}.jpg", "labels/im{}.TXT"),  # ultralytics/yolov5, issue 6872
        ("another/images/im{}.jpg", "another/images/im{}.txt"),  # ultralytics/ultralytics, issue 21224
        ("images/a/images/x_images_{}.png", "labels/a/images/x_images_{}.txt"),  # ultralytics/yolov5, issue 256
        ("Images/Train/im{}.jpg", "Labels/Train/im{}.txt"),  # roboflow/roboflow-python, PR 421
        ("data/1670577347.{:06}.jpg", "data/1670577347.{:06}.txt"),  # SkalskiP/make-sense, issue 314
    ],
)
def test_yolo(tmp_path: Path, yolo, pictures: str, labels: str) -> None:
    yolo(pictures, labels)
    assert_read(tmp_path, "yolo")


def test_labels_beside_some_pictures_and_in_their_folder_for_others(tmp_path: Path, make_scene: Scene) -> None:
    # ultralytics/ultralytics, issue 21224
    for number in range(12):
        folder = tmp_path / ("some/folder" if number < 6 else "another/folder/images")
        make_scene(folder / f"image{number:03}.jpg", number)
        (folder / f"image{number:03}.txt").write_text(GOOD)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert_read(tmp_path, "yolo")


def test_sides_a_little_over_1_are_cut_in_silence(tmp_path: Path, yolo) -> None:
    # HumanSignal/label-studio, issue 5014
    yolo("images/im{}.jpg", "labels/im{}.txt", "0 0.3040172 0.5002812 0.6080344 1.0004374\n")
    dataset = assert_read(tmp_path, "yolo")
    assert dataset.splits["train"][0].boxes[0, 1::2] == pytest.approx([0, 30], abs=0.01)


@pytest.fixture
def coco(make_scene: Scene) -> Callable[..., dict[str, Any]]:
    """A document of pictures by the numbers, with a box each; they are written to the folder under these names."""

    def write(folder: Path, names: dict[int, str]) -> dict[str, Any]:
        for number, name in names.items():
            make_scene(folder / name, number)
        return {
            "images": [{"id": number, "file_name": name} for number, name in names.items()],
            "annotations": [
                {"id": n, "image_id": number, "category_id": 2, "bbox": [1, 2, 3, 4]} for n, number in enumerate(names)
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        }

    return write


def test_ids_as_text_and_as_fractions_and_a_leading_slash(tmp_path: Path, coco) -> None:
    # pylabel-project/pylabel, issue 46; voxel51/fiftyone, issue 1939
    document = coco(tmp_path, {number: f"a/b/im{number}.jpg" for number in range(12)})
    for image in document["images"]:
        image.update(id=f"{image['id']:012}", file_name="/" + image["file_name"])
    for annotation in document["annotations"]:
        annotation.update(image_id=float(annotation["image_id"]), category_id="2", bbox=["1", "2", "3", "4"])
    (tmp_path / "x.json").write_text(json.dumps(document))
    assert_read(tmp_path, "coco")


def test_frames_of_one_name_in_two_subsets(tmp_path: Path, coco) -> None:
    # cvat-ai/cvat: COCO of a project
    (tmp_path / "annotations").mkdir()
    for subset, numbers in (("Train", range(8)), ("Validation", range(8, 12))):
        names = {number: f"frame_{number % 8:06}.jpg" for number in numbers}
        document = coco(tmp_path / "images" / subset, names)
        (tmp_path / f"annotations/instances_{subset}.json").write_text(json.dumps(document))
    dataset = assert_read(tmp_path, "coco")
    assert {split: len(found) for split, found in dataset.splits.items()} == {"train": 8, "val": 4}
    assert {e.path.parent.name for e in dataset.splits["val"]} == {"Validation"}


def test_an_empty_annotation(tmp_path: Path, coco) -> None:
    # jsbroks/coco-annotator, issue 109
    document = coco(tmp_path, {number: f"im{number}.jpg" for number in range(12)})
    empty = {"id": 99, "image_id": 1, "category_id": 1, "segmentation": [], "area": 0, "bbox": [0, 0, 0, 0]}
    document["annotations"].append(empty)
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert_read(tmp_path, "coco", ["zero_area_box"])
