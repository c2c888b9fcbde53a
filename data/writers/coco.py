"""COCO JSON: images/SPLIT and annotations/instances_SPLIT.json, boxes alone. Format: cocodataset.org, "Data format".

Difficult objects have "ignore": 1, as other converters from Pascal VOC write it.
"""

import json
from pathlib import Path
from typing import Any

from data.dataset import Dataset, Example
from data.writers import files
from data.writers.files import NamedExamples


def write(dataset: Dataset, folder: Path) -> None:
    """Write the data set into this empty folder; categories are numbered from 1, in the order of the classes."""
    files.require_printable(dataset)
    (folder / "annotations").mkdir()
    for split, examples in dataset.splits.items():
        pictures = folder / "images" / split
        pictures.mkdir(parents=True)
        named = files.unique_names(examples)
        for name, example in named:
            files.copy_picture(example, pictures, name)
        text = json.dumps(_document(dataset, named), ensure_ascii=False, indent=1)
        (folder / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")


def _document(dataset: Dataset, named: NamedExamples) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, example) in enumerate(named, start=1):
        images.append({"id": image_id, "file_name": name, "width": example.width, "height": example.height})
        for annotation in _annotations(example):
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **annotation})
    categories = [{"id": number, "name": name} for number, name in enumerate(dataset.class_names, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _annotations(example: Example) -> list[dict[str, Any]]:
    ignored = example.ignored
    return [
        *(_annotation(box, label) for box, label in zip(example.boxes.tolist(), example.classes.tolist(), strict=True)),
        *(
            _annotation(box, label) | ({"iscrowd": 1} if crowd else {"ignore": 1})
            for box, label, crowd in zip(
                ignored.boxes.tolist(), ignored.classes.tolist(), ignored.crowd.tolist(), strict=True
            )
        ),
    ]


def _annotation(box: list[float], class_id: int) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {"category_id": class_id + 1, "bbox": [left, top, width, height], "area": width * height, "iscrowd": 0}
