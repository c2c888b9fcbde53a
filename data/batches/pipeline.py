"""Examples -> batches of pictures, padded boxes and classes; the one file that chains the others.

Every draw is a function of (seed, step, place in the batch) alone: batches may be asked for in any order, twice, or by
several threads, and a run goes on from any step without what came before. What is drawn: data/batches/composition.py.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data import chance, letterbox
from data.batches import augment, composition
from data.batches.composition import Layout, Place
from data.chance import Stream
from data.config import AugmentConfig, Fit
from data.dataset import Example
from data.letterbox import Size, Transform
from data.pictures.disk_cache import SharedCache, Wanted
from data.pictures.memory_store import PictureStore, StoredPicture, stored_size

PADDING = -1  # the class of a row that holds no box; the index of a place that holds no picture

logger = logging.getLogger(__name__)

_GREY_FILL = (float(letterbox.GREY),) * 3


@dataclass(frozen=True, eq=False)
class Batch:
    """Training pictures.

    images: uint8 [batch, height, width, 3] RGB. boxes: float32 [batch, max_boxes, 4] xyxy, network pixels.
    classes: int32 [batch, max_boxes], -1 is padding. dropped: boxes that were more than max_boxes; a pipeline tells its
    first batch with any in the log.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    dropped: int


@dataclass(frozen=True, eq=False)
class EvaluationBatch:
    """Pictures as they are. indices: into the examples, -1 where the last batch is filled up with black pictures.

    transforms: from each picture's pixels to the network's and back; one for each place.
    """

    images: NDArray[np.uint8]
    indices: NDArray[np.int64]
    transforms: tuple[Transform, ...]


def training_size(seed: int, step: int, sizes: Sequence[int], period: int) -> int:
    """The training shape at this step: one of `sizes`, drawn anew every `period` steps."""
    rng = chance.generator(Stream.SHAPE, seed, step // period)
    return sizes[int(rng.random() * len(sizes))]


class Pipeline:
    """Batches from these examples; pictures are kept at a longer side of store_side or less.

    They are kept on disk where `shared` has room for all of them, for every process of the machine; otherwise, up to
    cache_bytes, in memory. Batches are the same either way.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        store_side: int,
        cache_bytes: int = 1 << 30,
        shared: SharedCache | None = None,
    ) -> None:
        if not examples:
            raise ValueError("pipeline: expected at least one example, got none")
        self._examples = tuple(examples)
        self._store = PictureStore(store_side, cache_bytes)
        # Boxes as the stored pictures have them, and each stored picture's share of the file's size.
        self._stored_sizes = [stored_size(e.width, e.height, store_side) for e in self._examples]
        self._boxes = [self._stored_boxes(i) for i in range(len(self._examples))]
        self._entry = shared.open(self._wanted(), store_side) if shared else None
        self._told_dropped = False
        self._order = lru_cache(maxsize=8)(self._shuffled)

    def batch(
        self,
        *,
        seed: int,
        step: int,
        batch: int,
        size: Size,
        augment: AugmentConfig,
        progress: float,
        max_boxes: int,
        fit: Fit,
    ) -> Batch:
        """The batch of this step. progress: step over the steps of the whole schedule, in 0..1."""
        images = np.empty((batch, *letterbox.sides(size), 3), dtype=np.uint8)
        rngs = [chance.generator(Stream.PICTURE, seed, step, place) for place in range(batch)]
        layouts = [
            composition.draw(
                rng,
                Place(seed, step, place),
                self._example_at(seed, step * batch + place),
                self._stored_sizes,
                augment,
                progress=progress,
                size=size,
                fit=fit,
            )
            for place, rng in enumerate(rngs)
        ]
        for drawn, canvas in zip(layouts, images, strict=True):
            self._paint(drawn, canvas, fit)
        boxes, keep = composition.boxes_of(layouts, self._boxes, augment)
        classes = [self._examples[tile.example].classes for drawn in layouts for tile in drawn.tiles]
        places = np.repeat(
            [place for place, drawn in enumerate(layouts) for _ in drawn.tiles], [len(some) for some in classes]
        )
        made = _pad(images, boxes[keep], np.concatenate(classes)[keep], places[keep], rngs, max_boxes)
        if made.dropped and not self._told_dropped:
            self._told_dropped = True
            logger.warning(
                "step %d: expected at most %d boxes in a training picture (input.max_boxes), got more: "
                "%d of this batch are left out by chance; later ones are not told",
                step,
                max_boxes,
                made.dropped,
            )
        return made

    def evaluation(self, *, size: Size, fit: Fit, batch: int) -> Iterator[EvaluationBatch]:
        """All pictures in order, unchanged but for their fit; every batch is full."""
        for start in range(0, len(self._examples), batch):
            images = np.zeros((batch, *letterbox.sides(size), 3), dtype=np.uint8)
            indices = np.full(batch, PADDING, dtype=np.int64)
            transforms = [Transform(1.0, 1.0)] * batch
            for place, index in enumerate(range(start, min(start + batch, len(self._examples)))):
                picture = self._picture(index)
                images[place], how = letterbox.fit_picture(picture.image, size, fit)
                indices[place] = index
                transforms[place] = how.after(*self._stored_scale(index))
            yield EvaluationBatch(images, indices, tuple(transforms))

    def sample(self, count: int, *, size: Size, fit: Fit, batch: int) -> list[NDArray[np.uint8]]:
        """Pictures spread evenly over the examples, as evaluation shows them: full batches, `count` in all or fewer.

        One batch of all the examples if there are fewer than a batch; none for a count of 0.
        """
        count = min(count, len(self._examples))
        if count == 0:
            return []
        batch = min(batch, count)
        chosen = np.linspace(0, len(self._examples) - 1, count).round().astype(int)
        pictures = [letterbox.fit_picture(self._picture(index).image, size, fit)[0] for index in chosen.tolist()]
        return [np.stack(pictures[start : start + batch]) for start in range(0, count - batch + 1, batch)]

    def _paint(self, drawn: Layout, canvas: NDArray[np.uint8], fit: Fit) -> None:
        """The pictures of the layout on the canvas [height, width, 3]."""
        for tile in drawn.tiles:
            picture = self._picture(tile.example)
            # Around letterboxed pictures the grey of use, around others Darknet's mean colour.
            fill = _GREY_FILL if fit == "letterbox" else picture.mean
            colours = augment.apply_to_image(picture.image, tile.patch, tile.window, tile.change, fill)
            left, top, right, bottom = tile.window
            if tile.opacity < 1:
                below = canvas[top:bottom, left:right]
                colours = np.asarray(cv2.addWeighted(colours, tile.opacity, below, 1 - tile.opacity, 0), dtype=np.uint8)
            canvas[top:bottom, left:right] = colours

    def _example_at(self, seed: int, position: int) -> int:
        """The picture at this position of an endless row of epochs, each in an order of its own."""
        epoch, within = divmod(position, len(self._examples))
        return int(self._order(seed, epoch)[within])

    def _shuffled(self, seed: int, epoch: int) -> NDArray[np.int64]:
        return chance.generator(Stream.ORDER, seed, epoch).permutation(len(self._examples))

    def _picture(self, index: int) -> StoredPicture:
        example = self._examples[index]
        picture = self._stored_picture(index, example)
        if picture.size != (example.width, example.height):
            raise ValueError(
                f"{example.path}: expected the {example.width}x{example.height} picture that was read with its boxes, "
                f"got {picture.size[0]}x{picture.size[1]}"
            )
        return picture

    def _stored_picture(self, index: int, example: Example) -> StoredPicture:
        if self._entry is None:
            return self._store.get(example.path, example.digest)
        picture = self._entry.get(index)
        if picture is None:
            # Its digest went into the fingerprint that names the entry: no other picture gets in.
            picture = self._store.get(example.path, example.digest)
            if self._entry.put(index, picture):
                self._store.forget(example.path)
        return picture

    def _wanted(self) -> list[Wanted]:
        """Names from the folder that all pictures lie in, so that they are the same wherever that one lies."""
        root = os.path.commonpath([example.path.parent for example in self._examples])
        return [
            Wanted(os.path.relpath(example.path, root), width, height)
            for example, (width, height) in zip(self._examples, self._stored_sizes, strict=True)
        ]

    def _stored_scale(self, index: int) -> tuple[float, float]:
        example, (width, height) = self._examples[index], self._stored_sizes[index]
        return width / example.width, height / example.height

    def _stored_boxes(self, index: int) -> NDArray[np.float64]:
        scale_x, scale_y = self._stored_scale(index)
        return np.asarray(self._examples[index].boxes * np.array([scale_x, scale_y, scale_x, scale_y]))


def _pad(
    images: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    classes: NDArray[np.int32],
    places: NDArray[np.intp],
    rngs: Sequence[np.random.Generator],
    max_boxes: int,
) -> Batch:
    """Boxes sorted by place -> a fixed number of rows for each picture."""
    starts = np.searchsorted(places, np.arange(len(rngs) + 1))
    rows = np.arange(len(places)) - starts[places]
    dropped = 0
    for place in np.flatnonzero(np.diff(starts) > max_boxes).tolist():
        # Darknet's rule for a picture with too many: shuffle, then cut, so that no corner of it is favoured.
        count = int(starts[place + 1] - starts[place])
        rows[starts[place] : starts[place + 1]] = rngs[place].permutation(count)
        dropped += count - max_boxes
    fits = rows < max_boxes
    padded_boxes = np.zeros((len(rngs), max_boxes, 4), dtype=np.float32)
    padded_classes = np.full((len(rngs), max_boxes), PADDING, dtype=np.int32)
    padded_boxes[places[fits], rows[fits]] = boxes[fits]
    padded_classes[places[fits], rows[fits]] = classes[fits]
    return Batch(images, padded_boxes, padded_classes, dropped)
