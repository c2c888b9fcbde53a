"""A grid of labelled pictures, each beside itself with the detections."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from data import letterbox
from data.commands import preview_grid
from data.commands.preview_grid import GridCell
from data.dataset import Example
from data.drawing import Pixels, draw_label
from data.pictures.picture_files import read_picture
from model.config import SHOWN_SCORE
from model.detection import drawing
from model.detection.average_precision import Detection
from model.detection.predict import Detections

PICTURES = 8
SIDE = 320  # of each picture, in pixels
COLUMNS = 4  # two pictures with their detections
WHITE = (255, 255, 255)


def write(path: Path, examples: Sequence[Example], detections: Sequence[Detection], class_names: Sequence[str]) -> None:
    """Write pictures of a split with their truth on the left and the detections above SHOWN_SCORE on the right.

    Pictures with objects are taken, spread evenly over the split, so that every detector is shown on the same ones.
    detections: one entry for each example, in the pixels of its picture.
    """
    with_objects = [index for index, example in enumerate(examples) if len(example.boxes)] or list(range(len(examples)))
    count = min(PICTURES, len(with_objects))
    cells: list[Pixels] = []
    for k in range(count):
        index = with_objects[k * len(with_objects) // count]
        cells += _pair(examples[index], detections[index], class_names)
    picture = preview_grid.grid(cells, COLUMNS if count > 1 else 2)
    encoded, content = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not encoded:
        raise OSError(f"{path}: could not be encoded")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.tobytes())


def _pair(example: Example, detection: Detection, class_names: Sequence[str]) -> list[Pixels]:
    """The picture with its truth, and with its detections."""
    image, transform = letterbox.fit_picture(read_picture(example.path), SIDE, "letterbox")
    ignored = replace(example.ignored, boxes=transform.to_network(example.ignored.boxes))
    cell = GridCell(image.copy(), transform.to_network(example.boxes), example.classes, ignored)
    truth = preview_grid.draw(cell, class_names)
    boxes, classes, scores = detection
    shown = scores >= SHOWN_SCORE
    found = Detections(transform.to_network(boxes[shown]), classes[shown], scores[shown])
    detected = drawing.draw(image, found, class_names)
    for picture, text in ((truth, "truth"), (detected, "detected")):
        draw_label(picture, text, SIDE, SIDE, WHITE)
    return [truth, np.ascontiguousarray(detected)]
