"""What goes where in one training picture: a plain picture, a mosaic, a CutMix or a MixUp. No pixel is touched here.

At most one of the three joins pictures: mosaic first, then CutMix, then MixUp, each by its own probability among those
that the ones before left over. So in the last share of the schedule without mosaic (mosaic_off_share, which switches
nothing else off) the pictures that would have been mosaics can become the others.

Each technique draws from a stream of its own, or the same count of numbers whatever its settings: switching one leaves
the draws of the others as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data import chance, letterbox
from data.batches import augment, cutmix, mixup, mosaic
from data.batches.augment import Change, Patch, Placement, Window
from data.chance import Stream
from data.config import AugmentConfig, Fit
from data.letterbox import Size


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture on the canvas.

    example: its index. placement: where its boxes lie. window: the part of the canvas that it is painted on. patch:
    which of its pixels are seen, None if none is. opacity: its share of the colours, the rest is what was there before.
    """

    example: int
    change: Change
    placement: Placement
    window: Window
    patch: Patch | None
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class Layout:
    """The tiles in the order in which they are painted; for a CutMix the last one is the pasted rectangle."""

    tiles: tuple[Tile, ...]
    is_cutmix: bool = False


@dataclass(frozen=True)
class Place:
    """A place in a batch: what its chance is keyed by."""

    seed: int
    step: int
    place: int

    def generator(self, stream: Stream) -> np.random.Generator:
        """The generator of this stream for this place, from its start."""
        return chance.generator(stream, self.seed, self.step, self.place)


def draw(
    rng: np.random.Generator,
    place: Place,
    first: int,
    stored_sizes: Sequence[tuple[int, int]],
    config: AugmentConfig,
    *,
    progress: float,
    size: Size,
    fit: Fit,
) -> Layout:
    """The layout of a picture that begins with example `first`.

    rng: the generator of stream PICTURE for this place. stored_sizes: (width, height) of every picture.
    """
    count = len(stored_sizes)
    quadrants = mosaic.draw_mosaic(rng, config, count, progress)
    changes = [augment.draw_change(rng, config) for _ in range(1 + mosaic.NUM_PARTNERS)]
    if config.resize != 1:
        resizing = place.generator(Stream.RESIZE)
        changes = [replace(change, resize=augment.draw_resize(resizing, config)) for change in changes]
    if quadrants is not None:
        return _mosaic(quadrants, (first, *quadrants.partners), changes, stored_sizes, size, fit)
    base = _whole(first, changes[0], stored_sizes, size, fit)
    # A technique that is off needs no generator: its stream is nobody else's.
    if config.cutmix_prob > 0:
        pasted = cutmix.draw_cutmix(place.generator(Stream.CUTMIX), config, count)
        if pasted is not None:
            where = cutmix.rectangle(pasted, size)
            other = _whole(_other(pasted.partner, first, count), pasted.change, stored_sizes, size, fit, where)
            return Layout((base, other), is_cutmix=True)
    if config.mixup_prob > 0:
        blended = mixup.draw_mixup(place.generator(Stream.MIXUP), config, count)
        if blended is not None:
            other = _whole(_other(blended.partner, first, count), blended.change, stored_sizes, size, fit)
            return Layout((base, replace(other, opacity=1 - blended.share)))
    return Layout((base,))


def _mosaic(
    quadrants: mosaic.Mosaic,
    members: Sequence[int],
    changes: Sequence[Change],
    stored_sizes: Sequence[tuple[int, int]],
    size: Size,
    fit: Fit,
) -> Layout:
    tiles = []
    for quadrant, (index, change) in enumerate(zip(members, changes, strict=True)):
        width, height = stored_sizes[index]
        crop = augment.region(change, width, height, size, fit)
        where = mosaic.place_quadrant(quadrants, quadrant, change, crop, width, height, size)
        window = Window(where.left, where.top, where.right, where.bottom)
        where, patch = augment.snap(where, window, width, height)
        tiles.append(Tile(index, change, where, window, patch))
    return Layout(tuple(tiles))


def _other(partner: int, first: int, count: int) -> int:
    """The partner, or the next picture where the first one itself was drawn: joined with itself it is doubled."""
    return partner if partner != first else (partner + 1) % count


def _whole(
    index: int,
    change: Change,
    stored_sizes: Sequence[tuple[int, int]],
    size: Size,
    fit: Fit,
    window: Window | None = None,
) -> Tile:
    """A picture laid out on the whole canvas, of which the window (or all) is painted."""
    width, height = stored_sizes[index]
    canvas_height, canvas_width = letterbox.sides(size)
    window = window or Window(0, 0, canvas_width, canvas_height)
    where = augment.place(augment.region(change, width, height, size, fit), change.flip, size)
    where, patch = augment.snap(where, window, width, height)
    return Tile(index, change, where, window, patch)


def boxes_of(
    layouts: Sequence[Layout], boxes: Sequence[NDArray[np.float64]], config: AugmentConfig
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All boxes of all layouts' pictures, tile after tile: (in the network's input [n, 4], which to keep).

    boxes: of every example, in its stored picture's pixels.
    """
    tiles = [tile for one in layouts for tile in one.tiles]
    counts = [len(boxes[tile.example]) for tile in tiles]
    placements = np.repeat(np.array([tile.placement for tile in tiles]), counts, axis=0)
    moved, keep = augment.apply_to_boxes(
        np.concatenate([boxes[tile.example] for tile in tiles]), placements, config.min_visible_share
    )
    end = 0
    for one in layouts:
        start, end = end, end + sum(len(boxes[tile.example]) for tile in one.tiles)
        if one.is_cutmix:
            num_first = len(boxes[one.tiles[0].example])
            seen = _seen(moved[start:end], num_first, one.tiles[1].window, config.cutmix_min_visible)
            moved[start:end], keep[start:end] = seen[0], keep[start:end] & seen[1]
    return moved, keep


def _seen(
    boxes: NDArray[np.float32], num_first: int, pasted: Window, least: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """CutMix's rule for the boxes of both pictures, those of the first one first."""
    beside, keep_beside = cutmix.outside(boxes[:num_first], pasted, least)
    within, keep_within = cutmix.inside(boxes[num_first:], pasted, least)
    return np.concatenate([beside, within]), np.concatenate([keep_beside, keep_within])
