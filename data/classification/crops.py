"""A detection data set as a classification set: square crops around its boxes, to train a backbone on."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from data.dataset import Example
from data.pictures.memory_store import PictureStore

# The crop's side divided by the box's longer one; the object is off its middle by at most _SHIFT of the crop's side.
_MARGIN = (1.1, 1.9)
_SHIFT = 0.12
_MIN_SIDE = 2.0  # pixels: nothing can be recognized in a smaller box
_FINEST = 4  # a large view is taken at up to this many times the wanted side, then averaged


class Crops:
    """One crop for each box of the examples, drawn anew each time it is used (a class_mix.PictureSource)."""

    def __init__(self, examples: Sequence[Example], class_names: Sequence[str], *, cache_bytes: int = 1 << 30) -> None:
        self.class_names = tuple(class_names)
        boxes = [(e.path, box, int(c)) for e in examples for box, c in zip(e.boxes, e.classes, strict=True)]
        self._boxes = [entry for entry in boxes if _reach(entry[1]) >= _MIN_SIDE]
        if not self._boxes:
            raise ValueError(
                f"crops: expected at least one box of {_MIN_SIDE:g} pixels or more, got {len(boxes)} smaller ones"
            )
        largest = max(max(e.width, e.height) for e in examples)
        self._store = PictureStore(largest, cache_bytes)

    def __len__(self) -> int:
        return len(self._boxes)

    def picture(self, index: int, side: int, rng: np.random.Generator | None) -> tuple[NDArray[np.uint8], int]:
        """(the crop of this box, uint8 [side, side, 3] RGB, its class); if rng is None, the object is in the middle."""
        path, box, class_id = self._boxes[index]
        centre = (box[:2] + box[2:]) / 2
        reach = _reach(box) * (sum(_MARGIN) / 2 if rng is None else rng.uniform(*_MARGIN))
        if rng is not None:
            centre = centre + rng.uniform(-_SHIFT, _SHIFT, 2) * reach
        return square_view(self._store.get(path).image, centre, reach, side), class_id


def square_view(image: NDArray[np.uint8], centre: NDArray[np.floating], reach: float, side: int) -> NDArray[np.uint8]:
    """The square of `reach` pixels around centre (x, y), resized to side x side; mirrored beyond the edges."""
    finer = min(max(int(reach / side), 1), _FINEST)  # one bilinear step over many pixels would alias
    scale = side * finer / reach
    middle = side * finer / 2
    matrix = np.array([[scale, 0, middle - centre[0] * scale], [0, scale, middle - centre[1] * scale]])
    view = cv2.warpAffine(image, matrix, (side * finer, side * finer), borderMode=cv2.BORDER_REFLECT)
    if finer > 1:
        view = cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(view, np.uint8)


def _reach(box: NDArray[np.float32]) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))
