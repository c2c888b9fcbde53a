"""Runs a detector over a data set and computes its average precision, in the pixels of the original pictures."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data.boxes import IgnoredBoxes
from data.letterbox import Transform
from model.config import PostConfig
from model.detection import predict
from model.detection.average_precision import AveragePrecision, Detection, Truth, average_precision

# Pictures at network size -> the detections in each, in network pixels
Detect = Callable[[NDArray[Any]], list[predict.Detections]]
# A batch's picture indices, transforms back to the pictures, and detections in network pixels
DetectionBatch = tuple[NDArray[np.int64], tuple[Transform, ...], list[predict.Detections]]


class LabelledPicture(Protocol):
    """A labelled picture: boxes [n, 4] xyxy in its own pixels, classes [n]; and boxes that do not count."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def classes(self) -> NDArray[np.int32]: ...
    @property
    def ignored(self) -> IgnoredBoxes: ...


class PictureBatch(Protocol):
    """Pictures at network size [b, s, s, 3], their indices (-1: padding), and the transforms from network pixels."""

    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def indices(self) -> NDArray[np.int64]: ...
    @property
    def transforms(self) -> tuple[Transform, ...]: ...


class CandidateBatch(NamedTuple):
    """A batch after the forward pass, without its pictures: candidates before NMS, picture indices and transforms."""

    candidates: predict.Candidates
    indices: NDArray[np.int64]
    transforms: tuple[Transform, ...]


def candidate_batches(
    forward: predict.Forward, batches: Iterable[PictureBatch], post: PostConfig | None = None
) -> Iterator[CandidateBatch]:
    """Run the forward pass batch by batch; keeps what NMS needs, so that it can be repeated with other settings."""
    settings = post or PostConfig()
    for batch in batches:
        candidates = predict.candidates(
            *forward(batch.images), score=settings.score, max_candidates=settings.max_candidates
        )
        yield CandidateBatch(candidates, batch.indices, batch.transforms)


def score_candidates(
    batches: Iterable[CandidateBatch],
    pictures: Sequence[LabelledPicture],
    class_names: Sequence[str],
    post: PostConfig | None = None,
) -> AveragePrecision:
    """COCO's average precision of candidates after NMS; ValueError if a picture is left out."""
    return score_detections(apply_nms(batches, post), pictures, class_names)


def apply_nms(batches: Iterable[CandidateBatch], post: PostConfig | None = None) -> Iterator[DetectionBatch]:
    """Apply NMS batch by batch."""
    settings = post or PostConfig()
    for batch in batches:
        yield batch.indices, batch.transforms, predict.suppress(batch.candidates, settings)


def score_detections(
    batches: Iterable[DetectionBatch], pictures: Sequence[LabelledPicture], class_names: Sequence[str]
) -> AveragePrecision:
    """COCO's average precision of detections; ValueError if a picture is left out."""
    return average_precision(truths(pictures), _merge_batches(batches, pictures), class_names)


def truths(pictures: Sequence[LabelledPicture]) -> list[Truth]:
    """The labels of each picture, in the form that the protocols take."""
    return [Truth(picture.boxes, picture.classes, picture.ignored) for picture in pictures]


def detections(detect: Detect, batches: Iterable[PictureBatch], pictures: Sequence[LabelledPicture]) -> list[Detection]:
    """The detections in each picture, in its own pixels; ValueError if the batches leave one out."""
    return _merge_batches(((batch.indices, batch.transforms, detect(batch.images)) for batch in batches), pictures)


def _merge_batches(batches: Iterable[DetectionBatch], pictures: Sequence[LabelledPicture]) -> list[Detection]:
    by_index: dict[int, predict.Detections] = {}
    for indices, transforms, detections_of_batch in batches:
        for index, transform, detections in zip(indices.tolist(), transforms, detections_of_batch, strict=True):
            if index >= 0:
                picture = pictures[index]
                by_index[index] = predict.to_picture(detections, transform, picture.width, picture.height)
    if len(by_index) != len(pictures):
        raise ValueError(f"evaluation: expected batches of all {len(pictures)} pictures, got {len(by_index)} of them")
    return [by_index[index] for index in range(len(pictures))]
