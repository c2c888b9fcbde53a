"""Small data sets on disk."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

YoloMaker = Callable[..., Path]


def write_picture(path: Path, width: int = 40, height: int = 30, value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(path.suffix, np.full((height, width, 3), value, dtype=np.uint8))
    path.write_bytes(encoded.tobytes())


def write_scene(path: Path, seed: int, *, width: int = 40, height: int = 30) -> None:
    """A picture of random grey squares, unlike that of any other seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    squares = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(squares, (width, height), interpolation=cv2.INTER_NEAREST)
    path.write_bytes(cv2.imencode(path.suffix.lower(), image)[1].tobytes())


def write_yolo(root: Path, labels: Mapping[str, Mapping[str, str]], yaml: str = "nc: 2\nnames: [cat, dog]\n") -> Path:
    """labels: split -> stem -> text of the label file. Layout SPLIT/images, SPLIT/labels; pictures are 40 x 30."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text(yaml)
    for number, (split, files) in enumerate(labels.items()):
        (root / split / "images").mkdir(parents=True)
        (root / split / "labels").mkdir()
        for stem, text in files.items():
            write_picture(root / split / "images" / f"{stem}.png", value=50 + 50 * number)
            (root / split / "labels" / f"{stem}.txt").write_text(text)
    return root


def voc_xml(*objects: tuple[str, float, float, float, float]) -> str:
    parts = [
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for name, x1, y1, x2, y2 in objects
    ]
    return f"<annotation><size><width>0</width></size>{''.join(parts)}</annotation>"


def write_voc(root: Path, annotations: Mapping[str, str], lists: Mapping[str, str]) -> Path:
    """annotations: stem -> XML; lists: split -> text of its list. Pictures are 40 x 30."""
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for stem, text in annotations.items():
        write_picture(root / "JPEGImages" / f"{stem}.jpg")
        (root / "Annotations" / f"{stem}.xml").write_text(text)
    for split, text in lists.items():
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(text)
    return root


def write_coco(
    root: Path, splits: Mapping[str, Mapping[str, Sequence[tuple[int, float, float, float, float]]]], **more: object
) -> Path:
    """splits: split -> stem -> (category id, x, y, width, height). Layout SPLIT/_annotations.coco.json; 40 x 30 pixels.

    Categories are 3 (cat) and 90 (dog); more: other keys of the documents.
    """
    for number, (split, pictures) in enumerate(splits.items()):
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for stem, boxes in pictures.items():
            write_picture(root / split / f"{stem}.png", value=50 + 50 * number)
            images.append({"id": len(images) + 7, "file_name": f"{stem}.png", "width": 40, "height": 30})
            for category, *box in boxes:
                annotations.append(
                    {"id": len(annotations), "image_id": images[-1]["id"], "category_id": category, "bbox": box}
                )
        categories = [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}]
        document = {"images": images, "annotations": annotations, "categories": categories} | more
        (root / split / "_annotations.coco.json").write_text(json.dumps(document))
    return root


@pytest.fixture
def make_coco() -> YoloMaker:
    return write_coco


@pytest.fixture
def make_picture() -> Callable[..., None]:
    return write_picture


@pytest.fixture
def make_scene() -> Callable[..., None]:
    return write_scene


@pytest.fixture
def make_yolo() -> YoloMaker:
    return write_yolo


@pytest.fixture
def make_voc() -> YoloMaker:
    return write_voc


@pytest.fixture
def xml() -> Callable[..., str]:
    return voc_xml
