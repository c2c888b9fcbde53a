"""Lay out one training picture: a plain picture, a mosaic, a CutMix or a MixUp. No pixel is touched here.

At most one technique joins pictures. Mosaic is tried first, then CutMix, then MixUp; the probability of each applies to
the pictures that the techniques before it left over. So where mosaic is off at the end of the schedule
(mosaic_off_share, which switches off nothing else), a picture that would have been a mosaic can become a CutMix or
MixUp.

Each technique draws from a stream of its own, or takes equally many numbers whatever its settings, so that switching
one on or off leaves the draws of the others as they are.
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


@dataclass(frozen=True)
class Canvas:
    """What pictures are fitted to: the network's input size, and how."""

    size: Size
    fit: Fit


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture on the canvas.

    example: its index. placement: maps its boxes to the canvas. window: the part of the canvas that it is painted on.
    patch: which of its pixels are seen; None if none is. opacity: its share in the colours; the rest is what was
    painted before.
    """

    example: int
    change: Change
    placement: Placement
    window: Window
    patch: Patch | None
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class Layout:
    """The tiles of one picture in the order in which they are painted; in a CutMix the last is the pasted rectangle."""

    tiles: tuple[Tile, ...]
    is_cutmix: bool = False


@dataclass(frozen=True)
class BatchSlot:
    """One picture of one batch: the key of its random draws. slot: the position in the batch."""

    seed: int
    step: int
    slot: int

    def generator(self, stream: Stream) -> np.random.Generator:
        """The generator of this stream for this picture, from its start."""
        return chance.generator(stream, self.seed, self.step, self.slot)


def draw_layout(
    rng: np.random.Generator,
    slot: BatchSlot,
    first: int,
    stored_sizes: Sequence[tuple[int, int]],
    config: AugmentConfig,
    canvas: Canvas,
    progress: float,
) -> Layout:
    """Draw the layout of a training picture whose first picture is example `first`.

    rng: the generator of stream PICTURE for this slot. stored_sizes: (width, height) of every stored picture.
    """
    count = len(stored_sizes)
    quadrants = mosaic.draw_mosaic(rng, config, count, progress)
    changes = [augment.draw_change(rng, config) for _ in range(1 + mosaic.NUM_PARTNERS)]
    if config.resize != 1:
        resizing = slot.generator(Stream.RESIZE)
        changes = [replace(change, resize=augment.draw_resize(resizing, config)) for change in changes]
    if quadrants is not None:
        return _mosaic(quadrants, (first, *quadrants.partners), changes, stored_sizes, canvas)
    base = _whole(first, changes[0], stored_sizes, canvas)
    # A technique that is off needs no generator, since no other one draws from its stream.
    if config.cutmix_prob > 0:
        pasted = cutmix.draw_cutmix(slot.generator(Stream.CUTMIX), config, count)
        if pasted is not None:
            window = cutmix.rectangle(pasted, canvas.size)
            other = _whole(_other(pasted.partner, first, count), pasted.change, stored_sizes, canvas, window)
            return Layout((base, other), is_cutmix=True)
    if config.mixup_prob > 0:
        blended = mixup.draw_mixup(slot.generator(Stream.MIXUP), config, count)
        if blended is not None:
            other = _whole(_other(blended.partner, first, count), blended.change, stored_sizes, canvas)
            return Layout((base, replace(other, opacity=1 - blended.share)))
    return Layout((base,))


def _mosaic(
    quadrants: mosaic.Mosaic,
    members: Sequence[int],
    changes: Sequence[Change],
    stored_sizes: Sequence[tuple[int, int]],
    canvas: Canvas,
) -> Layout:
    tiles = []
    for quadrant, (index, change) in enumerate(zip(members, changes, strict=True)):
        width, height = stored_sizes[index]
        crop = augment.region(change, width, height, canvas.size, canvas.fit)
        placement = mosaic.place_quadrant(quadrants, quadrant, change, crop, width, height, canvas.size)
        window = Window(placement.left, placement.top, placement.right, placement.bottom)
        placement, patch = augment.snap(placement, window, width, height)
        tiles.append(Tile(index, change, placement, window, patch))
    return Layout(tuple(tiles))


def _other(partner: int, first: int, count: int) -> int:
    """The partner, or the picture after it if the first picture itself was drawn, which would be joined with itself."""
    return partner if partner != first else (partner + 1) % count


def _whole(
    index: int,
    change: Change,
    stored_sizes: Sequence[tuple[int, int]],
    canvas: Canvas,
    window: Window | None = None,
) -> Tile:
    """A picture laid out on the whole canvas; only the window is painted, or all if it is None."""
    width, height = stored_sizes[index]
    canvas_height, canvas_width = letterbox.sides(canvas.size)
    window = window or Window(0, 0, canvas_width, canvas_height)
    crop = augment.region(change, width, height, canvas.size, canvas.fit)
    placement = augment.place_on_canvas(crop, change.flip, canvas.size)
    placement, patch = augment.snap(placement, window, width, height)
    return Tile(index, change, placement, window, patch)


def boxes_of(
    layouts: Sequence[Layout], boxes: Sequence[NDArray[np.float64]], config: AugmentConfig
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The boxes of all layouts, tile after tile: (boxes in the network's input [n, 4], which to keep [n]).

    boxes: those of each example, in the pixels of its stored picture.
    """
    tiles = [tile for layout in layouts for tile in layout.tiles]
    counts = [len(boxes[tile.example]) for tile in tiles]
    placements = np.repeat(np.array([tile.placement for tile in tiles]), counts, axis=0)
    moved, keep = augment.apply_to_boxes(
        np.concatenate([boxes[tile.example] for tile in tiles]), placements, config.min_visible_share
    )
    end = 0
    for layout in layouts:
        start, end = end, end + sum(len(boxes[tile.example]) for tile in layout.tiles)
        if layout.is_cutmix:
            num_first = len(boxes[layout.tiles[0].example])
            visible = _visible(moved[start:end], num_first, layout.tiles[1].window, config.cutmix_min_visible)
            moved[start:end], keep[start:end] = visible[0], keep[start:end] & visible[1]
    return moved, keep


def _visible(
    boxes: NDArray[np.float32], num_first: int, pasted: Window, least: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Apply CutMix's rule to the boxes of both pictures; those of the first picture come first."""
    beside, keep_beside = cutmix.outside(boxes[:num_first], pasted, least)
    within, keep_within = cutmix.inside(boxes[num_first:], pasted, least)
    return np.concatenate([beside, within]), np.concatenate([keep_beside, keep_within])
