"""Evaluation combines batches, NMS, picture coordinates and AP; a perfect network must score 1."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data import letterbox
from data.boxes import NONE_IGNORED, IgnoredBoxes
from data.letterbox import Transform
from model.detection.average_precision import AveragePrecision
from model.detection.evaluate import PictureBatch, candidate_batches, score_candidates
from model.detection.predict import DecodedArrays, Forward

NAMES = ("a", "b")


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    ignored: IgnoredBoxes = NONE_IGNORED


@dataclass(frozen=True)
class Batch:
    images: NDArray[np.uint8]
    indices: NDArray[np.int64]
    transforms: tuple[Transform, ...]


PICTURES = [
    Picture(200, 100, np.array([[10, 10, 60, 90], [120, 5, 199, 60]], np.float32), np.array([0, 1], np.int32)),
    Picture(50, 80, np.array([[0, 0, 50, 80]], np.float32), np.array([1], np.int32)),
    Picture(64, 64, np.zeros((0, 4), np.float32), np.zeros(0, np.int32)),
]


def batches(*rows: list[int]) -> Iterator[Batch]:
    """Batches of two; the first pixel of each image is its picture's index."""
    for row in rows:
        images = np.zeros((2, 64, 64, 3), np.uint8)
        images[:, 0, 0, 0] = np.maximum(row, 0)
        transforms = tuple(
            letterbox.transform(PICTURES[k].width, PICTURES[k].height, 64, "letterbox") if k >= 0 else Transform(1, 1)
            for k in row
        )
        yield Batch(images, np.array(row), transforms)


def perfect(images: NDArray[np.uint8]) -> DecodedArrays:
    """Returns the truths in network pixels, and an exact copy of each box, which NMS must drop."""
    boxes, objectness = np.zeros((len(images), 4, 4), np.float32), np.zeros((len(images), 4), np.float32)
    class_probs = np.zeros((len(images), 4, 2), np.float32)
    for k, image in enumerate(images):
        picture = PICTURES[image[0, 0, 0]]
        n = len(picture.boxes)
        transform = letterbox.transform(picture.width, picture.height, 64, "letterbox")
        boxes[k, : 2 * n] = np.tile(transform.to_network(picture.boxes), (2, 1))
        objectness[k, : 2 * n] = 0.9
        class_probs[k, np.arange(2 * n), np.tile(picture.classes, 2)] = 1
    return boxes, objectness, class_probs


def evaluate(
    forward: Forward, made: Iterable[PictureBatch], pictures: Sequence[Any], names: Sequence[str]
) -> AveragePrecision:
    return score_candidates(candidate_batches(forward, made), pictures, names)


def test_a_perfect_network_scores_one_in_the_pictures_own_pixels() -> None:
    found = evaluate(perfect, batches([0, 1], [2, -1]), PICTURES, NAMES)
    assert (found.map50_95, found.map50, found.map75) == (1.0, 1.0, 1.0)
    assert found.images == 3
    assert found.per_class == {"a": 1.0, "b": 1.0}


def test_order_of_batches_does_not_matter() -> None:
    assert evaluate(perfect, batches([2, 1], [-1, 0]), PICTURES, NAMES).map50_95 == 1.0


def test_a_blind_network_scores_zero() -> None:
    def blind(images: NDArray[np.uint8]) -> DecodedArrays:
        return (
            np.zeros((len(images), 3, 4), np.float32),
            np.zeros((len(images), 3), np.float32),
            np.ones((len(images), 3, 2), np.float32),
        )

    assert evaluate(blind, batches([0, 1], [2, -1]), PICTURES, NAMES).map50 == 0.0


def test_a_missing_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected batches of all 3 pictures, got 2"):
        evaluate(perfect, batches([0, 1]), PICTURES, NAMES)


def test_a_detected_object_that_is_ignored_counts_neither_way() -> None:
    first = PICTURES[0]
    ignored = IgnoredBoxes(first.boxes[1:], first.classes[1:], np.array([False]))
    labelled = replace(first, boxes=first.boxes[:1], classes=first.classes[:1], ignored=ignored)
    scores = evaluate(perfect, batches([0, 1], [2, -1]), [labelled, *PICTURES[1:]], NAMES)
    assert (scores.map50_95, [(row.name, row.truths) for row in scores.rows]) == (1.0, [("a", 1), ("b", 1)])
