"""Colours and labels of boxes that are drawn on pictures."""

import cv2
import numpy as np
from numpy.typing import NDArray

FONT = cv2.FONT_HERSHEY_SIMPLEX
GOLDEN = 0.618  # share of the colour circle between consecutive classes, so that they differ clearly
ONE_PIXEL_LINE = 300  # pixels of a picture's longer side for each pixel of line width
SMALL_LABEL = 0.3  # scale of the font in pictures smaller than that

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]


def class_colour(class_id: int) -> Colour:
    """RGB of a class, the same in every picture."""
    hue = int(class_id * 180 * GOLDEN) % 180  # OpenCV halves the degrees
    red, green, blue = cv2.cvtColor(np.array([[[hue, 220, 235]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def line_width(picture: Pixels) -> int:
    """The width of boxes' lines in this picture [h, w, 3], in pixels."""
    longer_side: int = max(picture.shape[:2])
    return max(1, round(longer_side / ONE_PIXEL_LINE))


def draw_label(canvas: Pixels, text: str, left: int, top: int, colour: Colour) -> None:
    """Draw text on a filled background above the box, or inside if there is no room above.

    OpenCV's font has only ASCII; other letters become question marks.
    """
    text, thickness = text.encode("ascii", "replace").decode(), line_width(canvas)
    # in a small picture a label of full size would hide what it names
    scale = 0.35 + 0.15 * thickness if max(canvas.shape[:2]) >= ONE_PIXEL_LINE else SMALL_LABEL
    (width, height), below = cv2.getTextSize(text, FONT, scale, thickness)
    full = height + below + 2
    bottom = top if top >= full else min(top + full, canvas.shape[0])
    left = max(0, min(left, canvas.shape[1] - width - 2))
    cv2.rectangle(canvas, (left, bottom - full), (left + width + 2, bottom), colour, cv2.FILLED)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 128  # luma of the background
    ink = (255, 255, 255) if dark else (0, 0, 0)
    cv2.putText(canvas, text, (left + 1, bottom - below), FONT, scale, ink, thickness, cv2.LINE_AA)
