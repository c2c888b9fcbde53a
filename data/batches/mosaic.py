"""Mosaic: four pictures around a cross, each in a quadrant of the network's input.

Darknet's form (data.c): each picture is laid out on a full canvas. The window of its quadrant's size next to the cross
is cut out of that, moved inwards past any padding there. Other trainers use a canvas of 2s x 2s instead. One
difference from Darknet's default: a box is cut to its quadrant, as with mosaic_bound=1.
"""

from dataclasses import dataclass

import numpy as np

from data import letterbox
from data.batches.augment import Change, Placement, Region, place_on_canvas
from data.config import AugmentConfig
from data.letterbox import Size

NUM_PARTNERS = 3


@dataclass(frozen=True)
class Mosaic:
    """The cross (shares of the side), the other three pictures, and whether each of the four moves to the cross."""

    cut_x: float
    cut_y: float
    partners: tuple[int, ...]
    to_cross: tuple[bool, ...]


def draw_mosaic(rng: np.random.Generator, config: AugmentConfig, num_pictures: int, progress: float) -> Mosaic | None:
    """Draw a mosaic, or None for a plain picture; takes equally many numbers from rng either way."""
    draws: list[float] = rng.random(3 + NUM_PARTNERS + NUM_PARTNERS + 1).tolist()
    wanted = draws[0] < config.mosaic_prob
    if not wanted or (config.mosaic_off_share > 0 and progress >= 1 - config.mosaic_off_share):
        return None
    low, high = config.mosaic_min_offset, 1 - config.mosaic_min_offset
    return Mosaic(
        cut_x=low + draws[1] * (high - low),
        cut_y=low + draws[2] * (high - low),
        partners=tuple(int(draw * num_pictures) for draw in draws[3 : 3 + NUM_PARTNERS]),
        to_cross=tuple(draw < 0.5 for draw in draws[3 + NUM_PARTNERS :]),
    )


def place_quadrant(
    mosaic: Mosaic, quadrant: int, change: Change, crop: Region, width: int, height: int, size: Size
) -> Placement:
    """Where the picture of a quadrant (0 top left, 1 top right, 2 bottom left, 3 bottom right) lands.

    width, height: of the picture. crop: its region that would fill the whole canvas.
    """
    is_right, is_bottom = quadrant % 2 == 1, quadrant >= 2
    if mosaic.to_cross[quadrant]:
        crop = _to_cross(crop, width, height, near_right=is_right == change.flip, near_bottom=not is_bottom)
    whole = place_on_canvas(crop, change.flip, size)
    input_height, input_width = letterbox.sides(size)
    cut_x = min(max(round(mosaic.cut_x * input_width), 1), input_width - 1)
    cut_y = min(max(round(mosaic.cut_y * input_height), 1), input_height - 1)
    ends_x = sorted((whole.offset_x, whole.scale_x * width + whole.offset_x))
    ends_y = (whole.offset_y, whole.scale_y * height + whole.offset_y)
    return whole._replace(
        offset_x=whole.offset_x + _shift(ends_x[0], ends_x[1], cut_x, input_width, is_far=is_right),
        offset_y=whole.offset_y + _shift(ends_y[0], ends_y[1], cut_y, input_height, is_far=is_bottom),
        left=cut_x if is_right else 0,
        right=input_width if is_right else cut_x,
        top=cut_y if is_bottom else 0,
        bottom=input_height if is_bottom else cut_y,
    )


def _to_cross(crop: Region, width: int, height: int, *, near_right: bool, near_bottom: bool) -> Region:
    """The region, moved so that padding is on the side away from the cross."""
    crop_width, crop_height = crop.right - crop.left, crop.bottom - crop.top
    left = width - crop_width if near_right else 0.0
    top = height - crop_height if near_bottom else 0.0
    return Region(left, top, left + crop_width, top + crop_height)


def _shift(start: float, end: float, cut: int, size: int, *, is_far: bool) -> float:
    """How far the canvas moves along one axis; on it, the picture reaches from start to end.

    Left (top) quadrants show the canvas's right (bottom) end, which moves to the cut: cut - size. Right (bottom)
    quadrants show its left (top) end, which moves to the cut. Padding at that end is moved past the cross.
    """
    if is_far:
        return cut - min(max(0.0, start), cut)
    return cut - size + min(max(0.0, size - end), size - cut)
