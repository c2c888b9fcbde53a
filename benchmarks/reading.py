"""How long the reading of a large data set takes: `python benchmarks/reading.py --pictures 100000 --json`.

Makes tiny pictures with labels in each format, once all in one folder and once as films (a folder for each, with the
same names 00000, 00001 ... in all of them), then reads them: seconds of this process's own time, and by the clock.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from data.sets import read

FRAMES = 100  # of a film
XML = (
    "<annotation><size><width>40</width><height>30</height></size><object><name>dog</name><bndbox><xmin>10</xmin>"
    "<ymin>12</ymin><xmax>30</xmax><ymax>18</ymax></bndbox></object></annotation>"
)


def main() -> int:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    flat = [f"{number:06d}" for number in range(arguments.pictures)]
    films = [f"film{number // FRAMES:05d}/{number % FRAMES:05d}" for number in range(arguments.pictures)]
    figures: dict[str, object] = {"pictures": arguments.pictures}
    for name, places in (("one_folder", flat), ("films", films)):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            _write_pictures(root / "images", places)
            figures[name] = {kind: _measured(root, kind, places) for kind in ("coco", "voc", "yolo")}
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))
    return 0


def _measured(root: Path, kind: str, places: Sequence[str]) -> dict[str, float]:
    _write_labels(root, kind, places)
    own, clock = time.process_time(), time.perf_counter()
    dataset = read.load_own_splits(root, kind)
    seconds = {"own": round(time.process_time() - own, 1), "wall": round(time.perf_counter() - clock, 1)}
    if len(dataset.splits["train"]) != len(places) or dataset.problems:
        raise ValueError(f"{kind}: expected {len(places)} pictures, got {len(dataset.splits['train'])}")
    return seconds


def _write_pictures(folder: Path, places: Sequence[str]) -> None:
    content = cv2.imencode(".png", np.full((30, 40, 3), 100, np.uint8))[1].tobytes()
    for place in places:
        path = folder / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _write_labels(root: Path, kind: str, places: Sequence[str]) -> None:
    if kind == "coco":
        document = {
            "images": [{"id": i, "file_name": f"{p}.png", "width": 40, "height": 30} for i, p in enumerate(places)],
            "annotations": [
                {"image_id": i, "category_id": 1, "bbox": [10, 12, 20, 6], "iscrowd": 0} for i in range(len(places))
            ],
            "categories": [{"id": 1, "name": "dog"}],
        }
        (root / "train.json").write_text(json.dumps(document), encoding="utf-8")
        return
    folder, suffix, text = {"voc": ("Annotations", "xml", XML), "yolo": ("labels", "txt", "0 .5 .5 .5 .2\n")}[kind]
    if kind == "yolo":
        (root / "classes.txt").write_text("dog\n", encoding="utf-8")
    for place in places:
        path = root / folder / f"{place}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
