"""Makes heads.npz: what OpenCV's Darknet importer computes from the .cfg and .weights that we write.

Samples of raw maps by CASE/SIZE/NUMBER; for some cases also the boxes of every cell and anchor by
CASE/SIZE/boxes_NUMBER, as shares of the picture: centre x, y, width, height and objectness.

In an environment of its own, because OpenCV 5 has no such importer:

    python3.11 -m venv /tmp/opencv && /tmp/opencv/bin/pip install opencv-python-headless==4.10.0.84 numpy==2.4.6
    PYTHONPATH=. /tmp/opencv/bin/python tests/model/darknet/golden/make.py

The seeded weights (257 MB for the full network) lie in a temporary folder until OpenCV has read them. With --full DIR
whole maps go there too, and with --cfg NAME=FILE a network is read through that cfg instead of ours.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from cases import ANCHORS, CASES, SAMPLE, SEED, Case
from numpy.typing import NDArray
from seeded import picture, places, weights

from model.darknet import cfg, convert

OPENCV = "4.10.0"


Maps = list[NDArray[np.float32]]


def heads(case: Case, size: tuple[int, int], folder: Path, given: Path | None) -> tuple[Maps, Maps]:
    """The raw maps [rows, columns, channels] of one case, and its boxes [cells x anchors, 5]; finest stride first."""
    sections = case.sections
    text = cfg.render(
        sections,
        height=size[0],
        width=size[1],
        anchors=ANCHORS[case.config.variant],
        settings={"regularization.cmbn": True, "optimizer.freeze_share": 0.1},
        about={"class_names": [f"class {number}" for number in range(case.num_classes)]},
    )
    described, stored = folder / f"{case.name}.cfg", folder / f"{case.name}.weights"
    described.write_text(text, encoding="utf-8")
    if not stored.exists():
        convert.write(stored, sections, weights(sections, SEED))
    network = cv2.dnn.readNetFromDarknet(str(given or described), str(stored))
    network.setInput(np.ascontiguousarray(picture(*size, SEED).transpose(2, 0, 1)[None]))
    outputs = [place for place, section in enumerate(sections) if section.name.endswith("_output")]
    maps = [found[0].transpose(1, 2, 0) for found in network.forward([f"conv_{place}" for place in outputs])]
    yolos = [f"yolo_{place}" for place, section in enumerate(sections) if section.kind == "yolo"]
    boxes = [found[:, :5] for found in network.forward(yolos)] if case.decoded else []
    if case.config.variant == "yolov4-tiny":  # stride 32 comes first in the file
        maps, boxes = maps[::-1], boxes[::-1]
    return maps, boxes


def main() -> None:
    """Write heads.npz beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", type=Path, metavar="DIR")
    parser.add_argument("--cfg", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--only", metavar="NAME", help="this case alone; writes no golden file")
    options = parser.parse_args()
    if not cv2.__version__.startswith(OPENCV):
        raise SystemExit(f"expected OpenCV {OPENCV}, got {cv2.__version__}")
    cfgs = {name: Path(file) for name, _, file in (text.partition("=") for text in options.cfg)}
    kept: dict[str, NDArray[np.float32]] = {}
    for case in CASES:
        if options.only not in (None, case.name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for size in case.sizes:
                maps, boxes = heads(case, size, Path(folder), cfgs.get(case.name))
                prefix = f"{case.name}/{size[0]}x{size[1]}"
                kept |= {f"{prefix}/boxes_{number}": found for number, found in enumerate(boxes)}
                for number, found in enumerate(maps):
                    key = f"{prefix}/{number}"
                    spread = f"deviation {found.std():.3f} lowest {found.min():.2f} highest {found.max():.2f}"
                    sys.stdout.write(f"{key} {found.shape} {spread}\n")
                    kept[key] = found.reshape(-1)[places(found.size, SAMPLE, SEED)]
                    if options.full:
                        options.full.mkdir(parents=True, exist_ok=True)
                        np.save(options.full / f"{key.replace('/', '_')}.npy", found)
    if options.only is None and not cfgs:
        np.savez(Path(__file__).with_name("heads.npz"), **kept)


if __name__ == "__main__":
    main()
