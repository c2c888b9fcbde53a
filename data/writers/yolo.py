"""YOLO text labels as Ultralytics lays them out: data.yaml, SPLIT/images, SPLIT/labels."""

from pathlib import Path

from data import safe_yaml
from data.dataset import Dataset, Example
from data.writers import files


def write(dataset: Dataset, folder: Path) -> None:
    """Write the data set into this empty folder; a picture without boxes gets an empty label file."""
    files.require_printable(dataset)
    for split, examples in dataset.splits.items():
        pictures, labels = folder / split / "images", folder / split / "labels"
        pictures.mkdir(parents=True)
        labels.mkdir()
        for name, example in files.unique_names(examples):
            files.copy_picture(example, pictures, name)
            (labels / f"{Path(name).stem}.txt").write_text(_lines(example), encoding="utf-8")
    paths = {split: f"{split}/images" for split in dataset.splits}
    settings = paths | {"nc": len(dataset.class_names), "names": list(dataset.class_names)}
    (folder / "data.yaml").write_text(safe_yaml.dump(settings), encoding="utf-8")


def _lines(example: Example) -> str:
    """Lines `class x y w h`, centre and sides relative to the picture; ten digits are a millionth of a pixel."""
    lines = []
    for (left, top, right, bottom), class_id in zip(example.boxes.tolist(), example.classes.tolist(), strict=True):
        x, y = (left + right) / 2 / example.width, (top + bottom) / 2 / example.height
        w, h = (right - left) / example.width, (bottom - top) / example.height
        lines.append(f"{class_id} {x:.10f} {y:.10f} {w:.10f} {h:.10f}\n")
    return "".join(lines)
