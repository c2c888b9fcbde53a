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

from data import augment, chance, cutmix, letterbox, mixup, mosaic
from data.augment import Change, Placement, Window
from data.chance import Stream
from data.config import AugmentConfig, Fit
from data.letterbox import Size


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture on the canvas.

    example: its index. window: the part of the canvas that it is painted on. opacity: its share of the colours there,
    the rest is what was painted before. placement: where its boxes lie.
    """

    example: int
    change: Change
    placement: Placement
    window: Window
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
            other = _whole(pasted.partner, pasted.change, stored_sizes, size, fit)
            return Layout((base, replace(other, window=cutmix.rectangle(pasted, size))), is_cutmix=True)
    if config.mixup_prob > 0:
        blended = mixup.draw_mixup(place.generator(Stream.MIXUP), config, count)
        if blended is not None:
            other = _whole(blended.partner, blended.change, stored_sizes, size, fit)
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
        crop = augment.region(change, width, height, fit)
        where = mosaic.place_quadrant(quadrants, quadrant, change, crop, width, height, size)
        tiles.append(Tile(index, change, where, Window(where.left, where.top, where.right, where.bottom)))
    return Layout(tuple(tiles))


def _whole(index: int, change: Change, stored_sizes: Sequence[tuple[int, int]], size: Size, fit: Fit) -> Tile:
    crop = augment.region(change, *stored_sizes[index], fit)
    height, width = letterbox.sides(size)
    return Tile(index, change, augment.place(crop, change.flip, size), Window(0, 0, width, height))


def boxes_of(
    layout: Layout, boxes: Sequence[NDArray[np.float64]], config: AugmentConfig
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All boxes of the layout's pictures, tile after tile: (in the network's input [n, 4], which to keep).

    boxes: of every example, in its stored picture's pixels.
    """
    mine = [boxes[tile.example] for tile in layout.tiles]
    counts = [len(some) for some in mine]
    placements = np.repeat(np.array([tile.placement for tile in layout.tiles]), counts, axis=0)
    moved, keep = augment.apply_to_boxes(np.concatenate(mine), placements, config.min_visible_share)
    if not layout.is_cutmix:
        return moved, keep
    window, least, end = layout.tiles[1].window, config.cutmix_min_visible, counts[0]
    beside, keep_beside = cutmix.outside(moved[:end], window, least)
    within, keep_within = cutmix.inside(moved[end:], window, least)
    return np.concatenate([beside, within]), keep & np.concatenate([keep_beside, keep_within])
