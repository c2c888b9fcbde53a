"""Draws detections on a picture: box, class and score."""

from collections.abc import Sequence

import cv2
import numpy as np

from data.drawing import Pixels, class_colour, draw_label, line_width
from model.detection.predict import Detections


def draw(picture: Pixels, detections: Detections, class_names: Sequence[str]) -> Pixels:
    """A copy of the picture [h, w, 3] RGB with boxes in its own pixels; the best detection is on top."""
    canvas = np.ascontiguousarray(picture).copy()
    rows = list(zip(detections.boxes.tolist(), detections.classes.tolist(), detections.scores.tolist(), strict=True))
    for box, class_id, _ in reversed(rows):
        left, top, right, bottom = (round(edge) for edge in box)
        cv2.rectangle(canvas, (left, top), (right, bottom), class_colour(class_id), line_width(canvas))
    for box, class_id, score in reversed(rows):  # after all boxes, whose lines would cross them out
        text = f"{class_names[class_id]} {score:.2f}"
        draw_label(canvas, text, round(box[0]), round(box[1]), class_colour(class_id))
    return canvas
