"""Examples -> batches of pictures, padded boxes and classes; the one file that chains the others.

Every draw is a function of (seed, step, place in the batch) alone: batches may be asked for in any order, twice, or by
several threads, and a run goes on from any step without what came before. All draws are made whatever the
probabilities, so that switching one technique leaves the draws of the others as they were.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data import augment, chance, letterbox, mosaic
from data.augment import Placement
from data.chance import Stream
from data.config import AugmentConfig, Fit
from data.example import Example
from data.letterbox import Transform
from data.store import PictureStore, StoredPicture, stored_size

PADDING = -1  # the class of a row that holds no box; the index of a place that holds no picture

_GREY_FILL = (float(letterbox.GREY),) * 3


@dataclass(frozen=True, eq=False)
class Batch:
    """Training pictures.

    images: uint8 [batch, size, size, 3] RGB. boxes: float32 [batch, max_boxes, 4] xyxy, network pixels.
    classes: int32 [batch, max_boxes], -1 is padding. dropped: boxes that were more than max_boxes.
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


@dataclass(frozen=True, eq=False)
class _Tile:
    """One picture in one place of the batch: a whole input, or a quadrant of it."""

    place: int
    example: int
    placement: Placement


def training_size(seed: int, step: int, sizes: Sequence[int], period: int) -> int:
    """The training shape at this step: one of `sizes`, drawn anew every `period` steps."""
    rng = chance.generator(Stream.SHAPE, seed, step // period)
    return sizes[int(rng.random() * len(sizes))]


class Pipeline:
    """Batches from these examples; pictures are kept in memory at a longer side of store_side or less."""

    def __init__(self, examples: Sequence[Example], *, store_side: int, cache_bytes: int = 1 << 30) -> None:
        if not examples:
            raise ValueError("pipeline: expected at least one example, got none")
        self._examples = tuple(examples)
        self._store = PictureStore(store_side, cache_bytes)
        # Boxes as the stored pictures have them, and each stored picture's share of the file's size.
        self._stored_sizes = [stored_size(e.width, e.height, store_side) for e in self._examples]
        self._boxes = [self._stored_boxes(i) for i in range(len(self._examples))]
        self._order = lru_cache(maxsize=8)(self._shuffled)

    def batch(
        self,
        *,
        seed: int,
        step: int,
        batch: int,
        size: int,
        augment: AugmentConfig,
        progress: float,
        max_boxes: int,
        fit: Fit,
    ) -> Batch:
        """The batch of this step. progress: step over the steps of the whole schedule, in 0..1."""
        images = np.empty((batch, size, size, 3), dtype=np.uint8)
        rngs = [chance.generator(Stream.PICTURE, seed, step, place) for place in range(batch)]
        tiles: list[_Tile] = []
        for place, rng in enumerate(rngs):
            first = self._example_at(seed, step * batch + place)
            tiles += self._draw_picture(rng, place, first, images[place], augment, progress, fit)
        boxes, classes, places = self._place_boxes(tiles, augment.min_visible_share)
        return _pad(images, boxes, classes, places, rngs, max_boxes)

    def evaluation(self, *, size: int, fit: Fit, batch: int) -> Iterator[EvaluationBatch]:
        """All pictures in order, unchanged but for their fit; every batch is full."""
        for start in range(0, len(self._examples), batch):
            images = np.zeros((batch, size, size, 3), dtype=np.uint8)
            indices = np.full(batch, PADDING, dtype=np.int64)
            transforms = [Transform(1.0, 1.0)] * batch
            for place, index in enumerate(range(start, min(start + batch, len(self._examples)))):
                picture = self._picture(index)
                images[place], how = letterbox.fit_picture(picture.image, size, fit)
                indices[place] = index
                transforms[place] = how.after(*self._stored_scale(index))
            yield EvaluationBatch(images, indices, tuple(transforms))

    def _draw_picture(
        self,
        rng: np.random.Generator,
        place: int,
        first: int,
        canvas: NDArray[np.uint8],
        config: AugmentConfig,
        progress: float,
        fit: Fit,
    ) -> list[_Tile]:
        """Paint one training picture on the canvas; which example went where."""
        drawn = mosaic.draw_mosaic(rng, config, len(self._examples), progress)
        changes = [augment.draw_change(rng, config) for _ in range(1 + mosaic.NUM_PARTNERS)]
        members = (first, *drawn.partners) if drawn else (first,)
        tiles = []
        for quadrant, (index, change) in enumerate(zip(members, changes, strict=False)):
            width, height = self._stored_sizes[index]
            crop = augment.region(change, width, height, fit)
            if drawn:
                where = mosaic.place_quadrant(drawn, quadrant, change, crop, width, height, canvas.shape[0])
            else:
                where = augment.place(crop, change.flip, canvas.shape[0])
            picture = self._picture(index)
            # Around letterboxed pictures the grey of use, around others Darknet's mean colour; the change of colour
            # goes over picture and fill alike.
            fill = _GREY_FILL if fit == "letterbox" else picture.mean
            window = augment.apply_to_image(picture.image, where, fill)
            canvas[where.top : where.bottom, where.left : where.right] = augment.change_colour(window, change)
            tiles.append(_Tile(place, index, where))
        return tiles

    def _place_boxes(
        self, tiles: Sequence[_Tile], min_visible_share: float
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.intp]]:
        """All boxes of the batch at once: (boxes [n, 4], classes [n], place in the batch [n]), sorted by place."""
        counts = [len(self._boxes[tile.example]) for tile in tiles]
        boxes, keep = augment.apply_to_boxes(
            np.concatenate([self._boxes[tile.example] for tile in tiles]),
            np.repeat(np.array([tile.placement for tile in tiles]), counts, axis=0),
            min_visible_share,
        )
        classes = np.concatenate([self._examples[tile.example].classes for tile in tiles])
        places = np.repeat(np.array([tile.place for tile in tiles], dtype=np.intp), counts)
        return boxes[keep], classes[keep], places[keep]

    def _example_at(self, seed: int, position: int) -> int:
        """The picture at this position of an endless row of epochs, each in an order of its own."""
        epoch, within = divmod(position, len(self._examples))
        return int(self._order(seed, epoch)[within])

    def _shuffled(self, seed: int, epoch: int) -> NDArray[np.int64]:
        return chance.generator(Stream.ORDER, seed, epoch).permutation(len(self._examples))

    def _picture(self, index: int) -> StoredPicture:
        example = self._examples[index]
        picture = self._store.get(example.path)
        if picture.size != (example.width, example.height):
            raise ValueError(
                f"{example.path}: expected the {example.width}x{example.height} picture that was read with its boxes, "
                f"got {picture.size[0]}x{picture.size[1]}"
            )
        return picture

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
