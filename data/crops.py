"""The objects of a detection data set as a classification set: square crops around boxes, to train a backbone on."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from data import chance
from data.chance import Stream
from data.example import Example
from data.store import PictureStore

# The crop's side over the box's longer one; the object lies off its middle by at most _SHIFT of that side.
_MARGIN = (1.1, 1.9)
_SHIFT = 0.12


class Crops:
    """One crop per box of the examples, drawn anew each time it is used."""

    def __init__(self, examples: Sequence[Example], *, cache_bytes: int = 1 << 30) -> None:
        self._boxes = [(e.path, box, int(c)) for e in examples for box, c in zip(e.boxes, e.classes, strict=True)]
        if not self._boxes:
            raise ValueError("crops: expected at least one box, got none")
        largest = max(max(e.width, e.height) for e in examples)
        self._store = PictureStore(largest, cache_bytes)

    def batch(self, *, seed: int, step: int, batch: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Crops uint8 [batch, side, side, 3] RGB and their classes int32 [batch], by (seed, step, place) alone."""
        images = np.empty((batch, side, side, 3), np.uint8)
        classes = np.empty(batch, np.int32)
        for place in range(batch):
            rng = chance.generator(Stream.CROP, seed, step, place)
            path, box, classes[place] = self._boxes[int(rng.integers(len(self._boxes)))]
            images[place] = _crop(self._store.get(path).image, box, side, rng)
        return images, classes


def _crop(image: NDArray[np.uint8], box: NDArray[np.float32], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A square around the box, mirrored where it leaves the picture, at side x side pixels."""
    reach = float(max(box[2] - box[0], box[3] - box[1])) * rng.uniform(*_MARGIN)
    centre = (box[:2] + box[2:]) / 2 + rng.uniform(-_SHIFT, _SHIFT, 2) * reach
    scale = side / reach
    matrix = np.array([[scale, 0, side / 2 - centre[0] * scale], [0, scale, side / 2 - centre[1] * scale]])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT), np.uint8)
