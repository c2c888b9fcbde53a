"""Training batches for a classifier: pictures mixed by CutMix and mosaic, labels by the area of each class.

CutMix (Yun et al. 2019, arXiv 1905.04899): lambda ~ Beta(alpha, alpha). A rectangle of another picture is pasted, with
a side of side * sqrt(1 - lambda) and a uniform centre, cut at the edges. A label's share is the share of the pixels
really pasted, not lambda. Mosaic (YOLOv4 paper, bag of freebies for the backbone): four pictures around a cross. Each
quadrant shows the middle of its picture at full scale, since the object of a crop is there. Darknet shows the part next
to the cross.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data import chance
from data.chance import Stream
from data.config import require

Pixels = NDArray[np.uint8]


class PictureSource(Protocol):
    """Pictures that each show one class."""

    @property
    def class_names(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def picture(self, index: int, side: int, rng: np.random.Generator | None) -> tuple[Pixels, int]:
        """(uint8 [side, side, 3] RGB, its class): a view drawn from rng, or the plain view if rng is None."""


@dataclass(frozen=True)
class MixConfig:
    """How often pictures are mixed; 0 switches a technique off."""

    cutmix_prob: float = 0.5  # per picture that is not a mosaic; Darknet's classifier: 0.5
    cutmix_alpha: float = 1.0  # of Beta(alpha, alpha); 1, as in the paper, is uniform; smaller: shares near 0 and 1
    mosaic_prob: float = 0.3  # with cutmix_prob 0.5 about a third each of mosaics, CutMixes and plain pictures
    mosaic_min_offset: float = 0.2  # the cross is in [offset, 1 - offset] of the side, as in Darknet

    def __post_init__(self) -> None:
        for name in ("cutmix_prob", "mosaic_prob"):
            require(0 <= getattr(self, name) <= 1, name, "0 to 1", getattr(self, name))
        require(self.cutmix_alpha > 0, "cutmix_alpha", "above 0", self.cutmix_alpha)
        require(0 < self.mosaic_min_offset <= 0.5, "mosaic_min_offset", "above 0, at most 0.5", self.mosaic_min_offset)


class Rectangle(NamedTuple):
    """A rectangle of whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> int:
        """The number of pixels in it."""
        return (self.right - self.left) * (self.bottom - self.top)


def draw_rectangle(rng: np.random.Generator, alpha: float, side: int) -> Rectangle:
    """Draw CutMix's rectangle on a picture of side x side pixels; it may be empty, or the whole picture."""
    length = side * np.sqrt(1 - rng.beta(alpha, alpha))
    centre = rng.uniform(0, side, 2)
    edges = np.clip(np.rint([*(centre - length / 2), *(centre + length / 2)]), 0, side).astype(int).tolist()
    return Rectangle(*edges)


def draw_cross(rng: np.random.Generator, min_offset: float, side: int) -> tuple[int, int]:
    """Draw mosaic's cut point (x, y); every quadrant has at least one pixel."""
    x, y = np.clip(np.rint(side * rng.uniform(min_offset, 1 - min_offset, 2)), 1, side - 1).astype(int).tolist()
    return x, y


def quadrants(x: int, y: int, side: int) -> tuple[Rectangle, ...]:
    """The four rectangles around the cross at (x, y): top left, top right, bottom left, bottom right."""
    return Rectangle(0, 0, x, y), Rectangle(x, 0, side, y), Rectangle(0, y, x, side), Rectangle(x, y, side, side)


def paste(onto: Pixels, picture: Pixels, rectangle: Rectangle) -> None:
    """Copy the picture's pixels inside the rectangle to the same position."""
    rows, columns = slice(rectangle.top, rectangle.bottom), slice(rectangle.left, rectangle.right)
    onto[rows, columns] = picture[rows, columns]


def paste_middle(onto: Pixels, picture: Pixels, rectangle: Rectangle) -> None:
    """Fill the rectangle with the part of its size from the picture's middle."""
    side = picture.shape[0]
    width, height = rectangle.right - rectangle.left, rectangle.bottom - rectangle.top
    left, top = (side - width) // 2, (side - height) // 2
    onto[rectangle.top : rectangle.bottom, rectangle.left : rectangle.right] = picture[
        top : top + height, left : left + width
    ]


class MixedBatches:
    """Training batches from a source, mixed as the configuration says."""

    def __init__(self, source: PictureSource, config: MixConfig) -> None:
        self._source = source
        self._config = config

    def batch(self, *, seed: int, step: int, batch: int, side: int) -> tuple[Pixels, NDArray[np.float32]]:
        """(pictures uint8 [batch, side, side, 3] RGB, labels float32 [batch, classes], whose rows sum to 1).

        The picture at each slot, its position in the batch, depends on (seed, step, slot) alone. The first picture has
        a generator of its own, so that it does not depend on what is mixed in.
        """
        images = np.empty((batch, side, side, 3), np.uint8)
        labels = np.zeros((batch, len(self._source.class_names)), np.float32)
        for slot in range(batch):
            first = self._draw(chance.generator(Stream.CROP, seed, step, slot), side)
            rng = chance.generator(Stream.CLASS_MIX, seed, step, slot)
            for class_id, pixels in self._mix(images[slot], first, rng):
                labels[slot, class_id] += pixels / side**2
        return images, labels

    def _mix(self, canvas: Pixels, first: tuple[Pixels, int], rng: np.random.Generator) -> Sequence[tuple[int, int]]:
        """Paint one training picture on the canvas; return (class, pixels) for each picture in it."""
        side = canvas.shape[0]
        wants_mosaic, wants_cutmix = rng.random(2) < (self._config.mosaic_prob, self._config.cutmix_prob)
        if wants_mosaic:
            rectangles = quadrants(*draw_cross(rng, self._config.mosaic_min_offset, side), side)
            members = [first, *(self._draw(rng, side) for _ in rectangles[1:])]
            for (picture, _), rectangle in zip(members, rectangles, strict=True):
                paste_middle(canvas, picture, rectangle)
            return [(class_id, rectangle.pixels) for (_, class_id), rectangle in zip(members, rectangles, strict=True)]
        canvas[:] = first[0]
        if not wants_cutmix:
            return [(first[1], side**2)]
        rectangle = draw_rectangle(rng, self._config.cutmix_alpha, side)
        picture, class_id = self._draw(rng, side)
        paste(canvas, picture, rectangle)
        return [(first[1], side**2 - rectangle.pixels), (class_id, rectangle.pixels)]

    def _draw(self, rng: np.random.Generator, side: int) -> tuple[Pixels, int]:
        return self._source.picture(int(rng.integers(len(self._source))), side, rng)


def plain_batches(
    source: PictureSource, *, side: int, limit: int, batch: int = 64
) -> Iterator[tuple[Pixels, NDArray[np.int32]]]:
    """Batches (pictures, classes) of the plain views of at most `limit` pictures, evenly spread over the source."""
    count = min(len(source), limit)
    indices = [position * len(source) // count for position in range(count)]
    for start in range(0, count, batch):
        views = [source.picture(index, side, None) for index in indices[start : start + batch]]
        yield np.stack([image for image, _ in views]), np.array([class_id for _, class_id in views], np.int32)
