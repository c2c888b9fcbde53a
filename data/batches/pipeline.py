"""Examples -> batches of pictures, padded boxes and classes. This file calls the others of this room.

Every draw depends on (seed, step, slot) alone; the slot is the position in the batch. So batches may be asked for in
any order, twice, or by several threads, and training goes on from any step without the batches before it. What is drawn
is in data/batches/composition.py.
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
from data.batches.composition import BatchSlot, Canvas, Layout
from data.chance import Stream
from data.config import AugmentConfig, Fit, InputConfig
from data.dataset import Example
from data.letterbox import Size, Transform
from data.pictures.disk_cache import PictureKey, SharedCache
from data.pictures.memory_store import PictureStore, StoredPicture, stored_size

PADDING = -1  # the class of a row without a box; the index of a slot without a picture

logger = logging.getLogger(__name__)

_GREY_FILL = (float(letterbox.GREY),) * 3


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Training pictures with their boxes.

    images: uint8 [batch, height, width, 3] RGB. boxes: float32 [batch, max_boxes, 4] xyxy, network pixels.
    classes: int32 [batch, max_boxes], -1 is padding. dropped: how many boxes were left out beyond max_boxes; a
    pipeline logs the first batch that drops some.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    dropped: int


@dataclass(frozen=True, eq=False)
class FittedBatch:
    """Pictures without augmentation, fitted to the network's input.

    images: uint8 [batch, height, width, 3] RGB. indices: into the examples, -1 where the last batch is filled up with
    black pictures. transforms: from each picture's pixels to the network's and back, one for each slot.
    """

    images: NDArray[np.uint8]
    indices: NDArray[np.int64]
    transforms: tuple[Transform, ...]


def training_size(seed: int, step: int, sizes: Sequence[int], period: int) -> int:
    """The training size at this step: one of `sizes`, drawn anew every `period` steps."""
    rng = chance.generator(Stream.SHAPE, seed, step // period)
    return sizes[int(rng.random() * len(sizes))]


class Pipeline:
    """Batches from these examples. Decoded pictures are stored with a longer side of at most store_side.

    They are stored on disk, for all processes of the machine, if `shared` has room for all of them; otherwise in
    memory, up to cache_bytes. Batches are the same either way.
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
        # The size of each stored picture, and its boxes in the stored picture's pixels.
        self._stored_sizes = [stored_size(e.width, e.height, store_side) for e in self._examples]
        self._boxes = [self._stored_boxes(i) for i in range(len(self._examples))]
        self._entry = shared.open(self._picture_keys(), store_side) if shared else None
        self._reported_dropped = False
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
        input_config: InputConfig,
    ) -> TrainingBatch:
        """The batch of this step. progress: step divided by the steps of the whole schedule, 0 to 1."""
        images = np.empty((batch, *letterbox.sides(size), 3), dtype=np.uint8)
        rngs = [chance.generator(Stream.PICTURE, seed, step, slot) for slot in range(batch)]
        layouts = [
            composition.draw_layout(
                rng,
                BatchSlot(seed, step, slot),
                self._example_at(seed, step * batch + slot),
                self._stored_sizes,
                augment,
                Canvas(size, input_config.fit),
                progress,
            )
            for slot, rng in enumerate(rngs)
        ]
        for layout, canvas in zip(layouts, images, strict=True):
            self._paint(layout, canvas, input_config.fit)
        boxes, keep = composition.boxes_of(layouts, self._boxes, augment)
        classes = [self._examples[tile.example].classes for layout in layouts for tile in layout.tiles]
        slots = np.repeat(
            [slot for slot, layout in enumerate(layouts) for _ in layout.tiles], [len(of_tile) for of_tile in classes]
        )
        padded = _pad(images, boxes[keep], np.concatenate(classes)[keep], slots[keep], rngs, input_config.max_boxes)
        if padded.dropped and not self._reported_dropped:
            self._reported_dropped = True
            logger.warning(
                "step %d: expected at most %d boxes in a training picture (input.max_boxes), got more: "
                "%d of this batch are left out at random; later batches are not reported",
                step,
                input_config.max_boxes,
                padded.dropped,
            )
        return padded

    def evaluation(self, *, size: Size, fit: Fit, batch: int) -> Iterator[FittedBatch]:
        """All pictures in order, fitted but not augmented; every batch is full."""
        for start in range(0, len(self._examples), batch):
            images = np.zeros((batch, *letterbox.sides(size), 3), dtype=np.uint8)
            indices = np.full(batch, PADDING, dtype=np.int64)
            transforms = [Transform(1.0, 1.0)] * batch
            for slot, index in enumerate(range(start, min(start + batch, len(self._examples)))):
                picture = self._picture(index)
                images[slot], transform = letterbox.fit_picture(picture.image, size, fit)
                indices[slot] = index
                transforms[slot] = transform.after(*self._stored_scale(index))
            yield FittedBatch(images, indices, tuple(transforms))

    def sample(self, count: int, *, size: Size, fit: Fit, batch: int) -> list[NDArray[np.uint8]]:
        """Pictures spread evenly over the examples, as `evaluation` shows them: full batches, at most `count` pictures.

        One batch of all the examples if they are fewer than a batch; no batch for a count of 0.
        """
        count = min(count, len(self._examples))
        if count == 0:
            return []
        batch = min(batch, count)
        chosen = np.linspace(0, len(self._examples) - 1, count).round().astype(int)
        pictures = [letterbox.fit_picture(self._picture(index).image, size, fit)[0] for index in chosen.tolist()]
        return [np.stack(pictures[start : start + batch]) for start in range(0, count - batch + 1, batch)]

    def _paint(self, layout: Layout, canvas: NDArray[np.uint8], fit: Fit) -> None:
        """Paint the pictures of the layout on the canvas [height, width, 3]."""
        for tile in layout.tiles:
            picture = self._picture(tile.example)
            # The fill of letterboxed pictures is the grey of evaluation; of others their mean colour, as in Darknet.
            fill = _GREY_FILL if fit == "letterbox" else picture.mean
            colours = augment.apply_to_image(picture.image, tile.patch, tile.window, tile.change, fill)
            left, top, right, bottom = tile.window
            if tile.opacity < 1:
                below = canvas[top:bottom, left:right]
                colours = np.asarray(cv2.addWeighted(colours, tile.opacity, below, 1 - tile.opacity, 0), dtype=np.uint8)
            canvas[top:bottom, left:right] = colours

    def _example_at(self, seed: int, position: int) -> int:
        """The index of the example at this position in a sequence of epochs, each of which is shuffled anew."""
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
            # The digest is part of the fingerprint that names the entry, so no other picture is stored in it.
            picture = self._store.get(example.path, example.digest)
            if self._entry.put(index, picture):
                self._store.forget(example.path)
        return picture

    def _picture_keys(self) -> list[PictureKey]:
        """Keys with names relative to the pictures' common folder, so that they stay the same if it is moved."""
        root = os.path.commonpath([example.path.parent for example in self._examples])
        return [
            PictureKey(os.path.relpath(example.path, root), width, height)
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
    slots: NDArray[np.intp],
    rngs: Sequence[np.random.Generator],
    max_boxes: int,
) -> TrainingBatch:
    """Boxes, sorted by slot -> a batch with max_boxes rows for each picture."""
    starts = np.searchsorted(slots, np.arange(len(rngs) + 1))
    rows = np.arange(len(slots)) - starts[slots]
    dropped = 0
    for slot in np.flatnonzero(np.diff(starts) > max_boxes).tolist():
        # Darknet's rule for a picture with too many boxes: shuffle, then cut, so that no part of it is favoured.
        count = int(starts[slot + 1] - starts[slot])
        rows[starts[slot] : starts[slot + 1]] = rngs[slot].permutation(count)
        dropped += count - max_boxes
    fits = rows < max_boxes
    padded_boxes = np.zeros((len(rngs), max_boxes, 4), dtype=np.float32)
    padded_classes = np.full((len(rngs), max_boxes), PADDING, dtype=np.int32)
    padded_boxes[slots[fits], rows[fits]] = boxes[fits]
    padded_classes[slots[fits], rows[fits]] = classes[fits]
    return TrainingBatch(images, padded_boxes, padded_classes, dropped)
