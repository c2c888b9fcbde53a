"""A detector over a data set -> average precision, in the pixels of the original pictures."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data.letterbox import Transform
from model.config import PostConfig
from model.detection import predict
from model.detection.average_precision import AveragePrecision, Detection, Truth, average_precision

# Pictures at network size -> what is in each, in network pixels
Detect = Callable[[NDArray[Any]], list[predict.Detections]]
# A batch's picture numbers, ways back and detections in network pixels
Seen = tuple[NDArray[np.int64], tuple[Transform, ...], list[predict.Detections]]


class Picture(Protocol):
    """A labelled picture: boxes [n, 4] xyxy in its own pixels, classes [n]."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def classes(self) -> NDArray[np.int32]: ...


class EvaluationBatch(Protocol):
    """Pictures at network size [b, s, s, 3], which they are (-1: padding), and the way back from network pixels."""

    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def indices(self) -> NDArray[np.int64]: ...
    @property
    def transforms(self) -> tuple[Transform, ...]: ...


class Looked(NamedTuple):
    """A batch after the forward pass, its pictures let go of: candidates before NMS, whose they are, the way back."""

    candidates: predict.Candidates
    indices: NDArray[np.int64]
    transforms: tuple[Transform, ...]


def evaluate(
    forward: predict.Forward,
    batches: Iterable[EvaluationBatch],
    pictures: Sequence[Picture],
    class_names: Sequence[str],
    post: PostConfig | None = None,
) -> AveragePrecision:
    """COCO's average precision of a network over pictures; batches' indices point into `pictures`.

    Raises ValueError when the batches leave out a picture: an AP over part of a split would look like one over all.
    """
    settings = post or PostConfig()
    return precision(look(forward, batches, settings), pictures, class_names, settings)


def look(
    forward: predict.Forward, batches: Iterable[EvaluationBatch], post: PostConfig | None = None
) -> Iterator[Looked]:
    """The forward pass, batch by batch: all that NMS needs, so that it can be done again with other settings."""
    settings = post or PostConfig()
    for batch in batches:
        found = predict.candidates(*forward(batch.images), score=settings.score, max_candidates=settings.max_candidates)
        yield Looked(found, batch.indices, batch.transforms)


def precision(
    looked: Iterable[Looked], pictures: Sequence[Picture], class_names: Sequence[str], post: PostConfig | None = None
) -> AveragePrecision:
    """COCO's average precision of candidates after NMS; ValueError when a picture is left out."""
    return precision_of(suppressed(looked, post), pictures, class_names)


def suppressed(looked: Iterable[Looked], post: PostConfig | None = None) -> Iterator[Seen]:
    """NMS, batch by batch."""
    settings = post or PostConfig()
    for one in looked:
        yield one.indices, one.transforms, predict.suppress(one.candidates, settings)


def precision_of(seen: Iterable[Seen], pictures: Sequence[Picture], class_names: Sequence[str]) -> AveragePrecision:
    """COCO's average precision of detections; ValueError when a picture is left out."""
    return average_precision(truths(pictures), _by_picture(seen, pictures), class_names)


def truths(pictures: Sequence[Picture]) -> list[Truth]:
    """Boxes and classes of each picture, as the protocols take them."""
    return [(picture.boxes, picture.classes) for picture in pictures]


def detections(detect: Detect, batches: Iterable[EvaluationBatch], pictures: Sequence[Picture]) -> list[Detection]:
    """What is found in each picture, in its own pixels; ValueError when the batches leave one out."""
    return _by_picture(((batch.indices, batch.transforms, detect(batch.images)) for batch in batches), pictures)


def _by_picture(batches: Iterable[Seen], pictures: Sequence[Picture]) -> list[Detection]:
    found: dict[int, predict.Detections] = {}
    for indices, transforms, seen_in_batch in batches:
        for index, transform, seen in zip(indices.tolist(), transforms, seen_in_batch, strict=True):
            if index >= 0:
                picture = pictures[index]
                found[index] = predict.to_picture(seen, transform, picture.width, picture.height)
    if len(found) != len(pictures):
        raise ValueError(f"evaluation: expected batches of all {len(pictures)} pictures, got {len(found)} of them")
    return [found[index] for index in range(len(pictures))]
