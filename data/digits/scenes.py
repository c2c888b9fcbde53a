"""The embedded scenes: handwritten digits on drawn backgrounds, as pictures, boxes and classes in memory.

The digits are scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" test set (1,797 pictures of
8 x 8 pixels). They are cut into two disjoint slices: "base", from which the shipped base checkpoint is made, and
"target", on which a search runs. Each slice is cut into train, val and test. So a search is scored on digits that
neither its training nor the checkpoint has seen. The backgrounds are in data/digits/backgrounds.py.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data import chance
from data.chance import Stream
from data.dataset import SPLITS
from data.digits import backgrounds

Slice = Literal["target", "base"]

SLICES: tuple[Slice, ...] = ("target", "base")
_SPLIT_SHARES = (0.6, 0.2, 0.2)
_CUT_SEED = 1797  # the digits of each slice and split do not depend on the seed of the scenes

# Shares of the scene's side: 30 to 60 pixels of 96. A network this small cannot read smaller ones.
_SMALLEST, _LARGEST = 30 / 96, 60 / 96
_FEWEST_DIGITS, _MOST_DIGITS = 1, 3
_MAX_OVERLAP = 0.05  # share of the smaller box
_MIN_CONTRAST = 80.0  # grey levels between a digit and its background
_INK = 0.35  # coverage from which a pixel belongs to the box


@dataclass(frozen=True, eq=False)
class Scene:
    """A drawn picture with its digits.

    image: uint8 [size, size, 3] RGB. boxes: [n, 4] xyxy pixels. classes: [n], the digits 0 to 9. sources: [n], the
    indices of the digits in load_digits.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    sources: NDArray[np.int64]


@lru_cache(maxsize=len(SLICES) * len(SPLITS))
def digit_indices(digits: Slice, split: str) -> NDArray[np.int64]:
    """The indices in load_digits of the digits of one split of one slice; these sets are disjoint."""
    _, labels = _digits()
    rng = chance.generator(Stream.SPLIT, _CUT_SEED)
    chosen = []
    for label in range(10):
        indices = rng.permutation(np.flatnonzero(labels == label))
        of_slice = np.array_split(indices, len(SLICES))[SLICES.index(digits)]
        ends = np.rint(np.cumsum(_SPLIT_SHARES) * len(of_slice)).astype(int)
        chosen.append(np.split(of_slice, ends[:-1])[SPLITS.index(split)])
    return np.concatenate(chosen)


def draw_scene(seed: int, split: str, index: int, size: int, digits: Slice) -> Scene:
    """Draw one scene; it depends on the arguments alone. index: of the scene in its split; size: its side in pixels."""
    rng = chance.generator(
        Stream.SCENE, seed, step=SPLITS.index(split) + len(SPLITS) * SLICES.index(digits), index=index
    )
    return _compose(rng, digit_indices(digits, split), size)


def _compose(rng: np.random.Generator, choice: NDArray[np.int64], size: int) -> Scene:
    pictures, labels = _digits()
    canvas = backgrounds.background(rng, size)
    boxes: list[tuple[int, int, int, int]] = []
    sources: list[int] = []
    for _ in range(int(rng.integers(_FEWEST_DIGITS, _MOST_DIGITS + 1))):
        source = int(rng.choice(choice))
        side = size * _SMALLEST * (_LARGEST / _SMALLEST) ** rng.random()  # small sizes are as likely as large ones
        coverage = _enlarge(pictures[source], side, rng)
        spot = _free_spot(coverage.shape, boxes, size, rng)
        if spot is None:
            continue
        box = _paint(canvas, coverage, spot, rng)
        boxes.append(box)
        sources.append(source)
    noisy = canvas + rng.normal(0, rng.uniform(1, 6), canvas.shape)
    return Scene(
        image=np.clip(np.rint(noisy), 0, 255).astype(np.uint8),
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=labels[sources].astype(np.int32),
        sources=np.array(sources, dtype=np.int64),
    )


def _enlarge(digit: NDArray[np.float64], side: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Ink [8, 8] in 0..1 -> coverage [h, w] in 0..1, cropped to the ink; the longer edge is about `side`."""
    scale, fine = 8, np.pad(digit, 2).astype(np.float32)
    fine = cv2.resize(fine, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    # A slight turn and slant, as hands have them.
    middle = fine.shape[0] / 2
    turn = cv2.getRotationMatrix2D((middle, middle), rng.uniform(-12, 12), 1.0)
    slant = rng.uniform(-0.15, 0.15)
    turn[0] += slant * turn[1]
    turn[0, 2] -= slant * middle
    fine = _inked(cv2.warpAffine(fine, turn, fine.shape[::-1], flags=cv2.INTER_CUBIC))
    height, width = fine.shape
    factor = side / max(height, width)
    shape = (max(4, round(width * factor)), max(4, round(height * factor)))
    small = cv2.resize(fine, shape, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    return np.asarray(np.clip((small - 0.2) / 0.5, 0, 1), dtype=np.float32)  # firm strokes, soft edges


def _inked(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.nonzero(ink > _INK)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _free_spot(
    shape: tuple[int, ...], boxes: list[tuple[int, int, int, int]], size: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """A random (left, top) where the digit hardly overlaps another one; None after 20 tries without success."""
    height, width = shape[:2]
    for _ in range(20):
        left, top = int(rng.integers(0, size - width + 1)), int(rng.integers(0, size - height + 1))
        if all(_overlap((left, top, left + width, top + height), box) <= _MAX_OVERLAP for box in boxes):
            return left, top
    return None


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def _paint(
    canvas: NDArray[np.float64], coverage: NDArray[np.float32], spot: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw the digit in a colour that stands out from the background; return its tight box."""
    left, top = spot
    height, width = coverage.shape
    behind = canvas[top : top + height, left : left + width]
    colour = backgrounds.contrasting(rng, behind.mean(axis=(0, 1)), _MIN_CONTRAST)
    cover = coverage[..., None].astype(np.float64)
    behind[...] = behind * (1 - cover) + colour * cover
    rows, columns = np.nonzero(coverage > _INK)
    return left + int(columns.min()), top + int(rows.min()), left + int(columns.max()) + 1, top + int(rows.max()) + 1


@lru_cache(maxsize=1)
def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(ink in 0..1 [1797, 8, 8], labels [1797])."""
    from sklearn.datasets import load_digits  # takes a second to import, so only when something is drawn

    bunch = load_digits()
    return bunch.images / 16.0, bunch.target.astype(np.int64)
