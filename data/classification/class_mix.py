"""Batches to learn classes from: pictures mixed by CutMix and mosaic, with labels by the area that each class has.

CutMix (Yun et al. 2019, arXiv 1905.04899): lambda ~ Beta(alpha, alpha), a rectangle of side * sqrt(1 - lambda) around a
uniform centre, cut at the edges, of another picture; a label's share is that of the pixels really pasted, not lambda.
Mosaic (YOLOv4 paper, bag of freebies for the backbone): four pictures around a cross. Each quadrant shows the middle of
its picture, at full scale: that is where the object of a crop is. Darknet takes the part next to the cross.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data import chance
from data.chance import Stream
from data.config import require

Pictures = NDArray[np.uint8]


class Source(Protocol):
    """Pictures that each show one class."""

    @property
    def class_names(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def picture(self, index: int, side: int, rng: np.random.Generator | None) -> tuple[Pictures, int]:
        """uint8 [side, side, 3] RGB and its class; drawn anew from rng, or the plain view without one."""


@dataclass(frozen=True)
class MixConfig:
    """How often pictures are mixed; 0 switches a technique off."""

    cutmix_prob: float = 0.5  # of a picture that is no mosaic; Darknet's classifier: 0.5
    cutmix_alpha: float = 1.0  # of Beta(alpha, alpha); 1, the paper's, is uniform, smaller ones mix little or much
    mosaic_prob: float = 0.3  # with cutmix_prob 0.5 about a third of the pictures each: mosaic, CutMix, plain
    mosaic_min_offset: float = 0.2  # the cross lies in [offset, 1 - offset] of the side (Darknet)

    def __post_init__(self) -> None:
        for name in ("cutmix_prob", "mosaic_prob"):
            require(0 <= getattr(self, name) <= 1, name, "0 to 1", getattr(self, name))
        require(self.cutmix_alpha > 0, "cutmix_alpha", "above 0", self.cutmix_alpha)
        require(0 < self.mosaic_min_offset <= 0.5, "mosaic_min_offset", "above 0, at most 0.5", self.mosaic_min_offset)


class Window(NamedTuple):
    """A rectangle of whole pixels; right and bottom are the first that lie outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> int:
        """How many it holds."""
        return (self.right - self.left) * (self.bottom - self.top)


def draw_window(rng: np.random.Generator, alpha: float, side: int) -> Window:
    """CutMix's rectangle on a picture of side x side pixels; it may be empty, or the whole picture."""
    length = side * np.sqrt(1 - rng.beta(alpha, alpha))
    centre = rng.uniform(0, side, 2)
    edges = np.clip(np.rint([*(centre - length / 2), *(centre + length / 2)]), 0, side).astype(int).tolist()
    return Window(*edges)


def draw_cross(rng: np.random.Generator, min_offset: float, side: int) -> tuple[int, int]:
    """Mosaic's cut point (x, y): every quadrant has at least one pixel."""
    x, y = np.clip(np.rint(side * rng.uniform(min_offset, 1 - min_offset, 2)), 1, side - 1).astype(int).tolist()
    return x, y


def quadrants(x: int, y: int, side: int) -> tuple[Window, ...]:
    """The four windows around the cross: top left, top right, bottom left, bottom right."""
    return Window(0, 0, x, y), Window(x, 0, side, y), Window(0, y, x, side), Window(x, y, side, side)


def paste(onto: Pictures, picture: Pictures, window: Window) -> None:
    """Write the picture's pixels of the window to the same place."""
    rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
    onto[rows, columns] = picture[rows, columns]


def paste_middle(onto: Pictures, picture: Pictures, window: Window) -> None:
    """Fill the window with as much of the picture's middle."""
    side = picture.shape[0]
    width, height = window.right - window.left, window.bottom - window.top
    left, top = (side - width) // 2, (side - height) // 2
    onto[window.top : window.bottom, window.left : window.right] = picture[top : top + height, left : left + width]


class MixedBatches:
    """Training batches from a source, mixed as the configuration says."""

    def __init__(self, source: Source, config: MixConfig) -> None:
        self._source = source
        self._config = config

    def batch(self, *, seed: int, step: int, batch: int, side: int) -> tuple[Pictures, NDArray[np.float32]]:
        """Pictures uint8 [batch, side, side, 3] RGB and labels float32 [batch, classes], each row of sum 1.

        Place by place a function of (seed, step, place): the first picture, and apart from it whatever is mixed in.
        """
        images = np.empty((batch, side, side, 3), np.uint8)
        labels = np.zeros((batch, len(self._source.class_names)), np.float32)
        for place in range(batch):
            first = self._draw(chance.generator(Stream.CROP, seed, step, place), side)
            rng = chance.generator(Stream.CLASS_MIX, seed, step, place)
            for number, pixels in self._mix(images[place], first, rng):
                labels[place, number] += pixels / side**2
        return images, labels

    def _mix(
        self, canvas: Pictures, first: tuple[Pictures, int], rng: np.random.Generator
    ) -> Sequence[tuple[int, int]]:
        """Paint one training picture on the canvas; the classes on it, each with its count of pixels."""
        side = canvas.shape[0]
        wants_mosaic, wants_cutmix = rng.random(2) < (self._config.mosaic_prob, self._config.cutmix_prob)
        if wants_mosaic:
            windows = quadrants(*draw_cross(rng, self._config.mosaic_min_offset, side), side)
            members = [first, *(self._draw(rng, side) for _ in windows[1:])]
            for (picture, _), window in zip(members, windows, strict=True):
                paste_middle(canvas, picture, window)
            return [(number, window.pixels) for (_, number), window in zip(members, windows, strict=True)]
        canvas[:] = first[0]
        if not wants_cutmix:
            return [(first[1], side**2)]
        window = draw_window(rng, self._config.cutmix_alpha, side)
        picture, number = self._draw(rng, side)
        paste(canvas, picture, window)
        return [(first[1], side**2 - window.pixels), (number, window.pixels)]

    def _draw(self, rng: np.random.Generator, side: int) -> tuple[Pictures, int]:
        return self._source.picture(int(rng.integers(len(self._source))), side, rng)


def plain_batches(
    source: Source, *, side: int, limit: int, batch: int = 64
) -> Iterator[tuple[Pictures, NDArray[np.int32]]]:
    """The plain views of at most `limit` pictures, evenly spread over the source, each once: (pictures, classes)."""
    count = min(len(source), limit)
    indices = [place * len(source) // count for place in range(count)]
    for start in range(0, count, batch):
        views = [source.picture(index, side, None) for index in indices[start : start + batch]]
        yield np.stack([image for image, _ in views]), np.array([number for _, number in views], np.int32)
