"""Changes to one picture: jitter crop, resize, flip, colour. Each is drawn once, then applied to picture and boxes.

Follows Darknet's data.c and image_opencv.cpp, with these differences. Hue wraps around (Darknet's 8-bit hue stops at
0). Only the part of a picture that is shown is resized. That part is whole pixels of the picture on whole pixels of the
network's input (`snap`): resizing whole pixels is several times faster than a warp, and boxes follow it exactly.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from data import letterbox
from data.config import AugmentConfig, Fit
from data.letterbox import Size

_NUM_DRAWS = 10
_NUM_RESIZE_DRAWS = 2


@dataclass(frozen=True)
class Change:
    """What happens to one picture, whatever its size."""

    left: float  # the crop's edge moves inwards by this share of the picture's side; negative: outwards
    top: float
    right: float
    bottom: float
    flip: bool
    hue: float  # added to H, as a share of the colour circle
    saturation: float  # factor on S
    exposure: float  # factor on V
    resize: float = (
        1.0  # factor on the crop's sides, about its centre: above 1 shows more of the picture, and it smaller
    )


class Window(NamedTuple):
    """A rectangle of whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


class Patch(NamedTuple):
    """Whole pixels of a picture that are stretched onto whole pixels of the network's input."""

    source: Window  # in the picture
    target: Window
    flip: bool


class Region(NamedTuple):
    """The part of the picture that fills the canvas, in the picture's pixels; it may reach outside."""

    left: float
    top: float
    right: float
    bottom: float


class Placement(NamedTuple):
    """Where a picture lands in the network's input: x' = scale_x * x + offset_x. It is shown inside a window only.

    scale_x is negative if the picture is flipped. left, top, right, bottom: the window, in the network's pixels.
    """

    scale_x: float
    offset_x: float
    scale_y: float
    offset_y: float
    left: int
    top: int
    right: int
    bottom: int


def draw_change(rng: np.random.Generator, config: AugmentConfig) -> Change:
    """Draw a change; takes equally many numbers from rng whatever the configuration."""
    draws: list[float] = rng.random(_NUM_DRAWS).tolist()
    left, top, right, bottom = ((2 * draw - 1) * config.jitter for draw in draws[:4])
    return Change(
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        flip=draws[4] < config.flip_prob,
        hue=(2 * draws[5] - 1) * config.hue,
        saturation=_factor(draws[6], draws[7], config.saturation),
        exposure=_factor(draws[8], draws[9], config.exposure),
    )


def draw_resize(rng: np.random.Generator, config: AugmentConfig) -> float:
    """Draw the factor on a crop's sides; takes equally many numbers from rng whatever the configuration.

    The factor is between 1/r and r for resize r, as in Darknet, and equally often below and above 1.
    """
    share, side = rng.random(_NUM_RESIZE_DRAWS).tolist()
    return _factor(share, side, config.resize)


def draw_resized_change(rng: np.random.Generator, config: AugmentConfig) -> Change:
    """Draw a change and its resize, both from rng."""
    change = draw_change(rng, config)
    return replace(change, resize=draw_resize(rng, config))


def _factor(share: float, side: float, limit: float) -> float:
    """1 + share * (limit - 1), inverted if side < 0.5; share and side are in [0, 1)."""
    drawn = 1 + share * (limit - 1)
    return drawn if side < 0.5 else 1 / drawn


def region(change: Change, width: int, height: int, size: Size, fit: Fit) -> Region:
    """The jittered crop of a picture of this width and height; for "letterbox" widened to the aspect ratio of `size`.

    size: the network's input.
    """
    left, right = change.left * width, width - change.right * width
    top, bottom = change.top * height, height - change.bottom * height
    if fit == "letterbox":
        # As Darknet does: widened by what the whole picture lacks, so that jitter still changes the aspect ratio.
        input_height, input_width = letterbox.sides(size)
        missing_x = max(0, height * (input_width / input_height) - width) / 2
        missing_y = max(0, width * (input_height / input_width) - height) / 2
        left, right, top, bottom = left - missing_x, right + missing_x, top - missing_y, bottom + missing_y
    if change.resize != 1:
        # After the widening, so that both axes are scaled alike.
        grow_x, grow_y = ((change.resize - 1) / 2 * side for side in (right - left, bottom - top))
        left, right, top, bottom = left - grow_x, right + grow_x, top - grow_y, bottom + grow_y
    return Region(left, top, right, bottom)


def place_on_canvas(crop: Region, flip: bool, size: Size) -> Placement:
    """The placement that shows this region of a picture on the whole canvas."""
    height, width = letterbox.sides(size)
    scale_x, scale_y = width / (crop.right - crop.left), height / (crop.bottom - crop.top)
    if flip:
        return Placement(-scale_x, crop.right * scale_x, scale_y, -crop.top * scale_y, 0, 0, width, height)
    return Placement(scale_x, -crop.left * scale_x, scale_y, -crop.top * scale_y, 0, 0, width, height)


def snap(placement: Placement, window: Window, width: int, height: int) -> tuple[Placement, Patch | None]:
    """Move a placement so that whole pixels of the picture fall on whole pixels of the input.

    width, height: of the picture. Returns (the moved placement, the patch that is seen in the window); the patch is
    None if nothing is seen. Edges move by at most half a pixel, of the picture or of the input.
    """
    x = _snap_axis(placement.scale_x, placement.offset_x, window.left, window.right, width)
    y = _snap_axis(placement.scale_y, placement.offset_y, window.top, window.bottom, height)
    if x is None or y is None:
        return placement, None
    snapped = placement._replace(scale_x=x.scale, offset_x=x.offset, scale_y=y.scale, offset_y=y.offset)
    source = Window(x.source_start, y.source_start, x.source_end, y.source_end)
    target = Window(x.target_start, y.target_start, x.target_end, y.target_end)
    return snapped, Patch(source, target, flip=x.scale < 0)


class _Axis(NamedTuple):
    scale: float
    offset: float
    source_start: int
    source_end: int
    target_start: int
    target_end: int


def _snap_axis(scale: float, offset: float, start: int, end: int, length: int) -> _Axis | None:
    """`snap` along one axis. start, end: the window; length: the picture. None if nothing is seen."""
    edges = (offset, scale * length + offset)
    target_start, target_end = max(start, round(min(edges))), min(end, round(max(edges)))
    if target_start >= target_end:
        return None
    sources = ((target_start - offset) / scale, (target_end - offset) / scale)
    source_start = min(max(round(min(sources)), 0), length - 1)
    source_end = max(min(round(max(sources)), length), source_start + 1)
    factor = (target_end - target_start) / (source_end - source_start)
    if scale < 0:
        return _Axis(-factor, target_end + source_start * factor, source_start, source_end, target_start, target_end)
    return _Axis(factor, target_start - source_start * factor, source_start, source_end, target_start, target_end)


def apply_to_image(
    image: NDArray[np.uint8],
    patch: Patch | None,
    window: Window,
    change: Change,
    fill: tuple[float, float, float],
) -> NDArray[np.uint8]:
    """The pixels of the window, [window height, window width, 3]; fill: RGB of the part without a picture.

    The colour change applies to the fill too.
    """
    shown = None if patch is None else change_colour(_stretch(image, patch), change)
    if patch is not None and patch.target == window and shown is not None:
        return shown
    around = change_colour(np.array([[fill]]).round().astype(np.uint8), change)
    painted = np.empty((window.bottom - window.top, window.right - window.left, 3), dtype=np.uint8)
    painted[...] = np.repeat(
        around, window.right - window.left, axis=1
    )  # by whole rows, which is faster than pixel by pixel
    if patch is not None and shown is not None:
        left, top, right, bottom = patch.target
        painted[top - window.top : bottom - window.top, left - window.left : right - window.left] = shown
    return painted


def _stretch(image: NDArray[np.uint8], patch: Patch) -> NDArray[np.uint8]:
    left, top, right, bottom = patch.source
    size = (patch.target.right - patch.target.left, patch.target.bottom - patch.target.top)
    resized = cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.flip(resized, 1) if patch.flip else resized, dtype=np.uint8)


def apply_to_boxes(
    boxes: NDArray[np.floating], placements: NDArray[np.float64], min_visible_share: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes [n, 4] in their pictures' pixels -> (boxes in the network's input, which of them to keep [n]).

    placements: [n, 8], a Placement for each box, or [8] for all. A box is cut to its window. It is not kept if a side
    is then shorter than a pixel, or if less than min_visible_share of its area is left.
    """
    scale_x, offset_x, scale_y, offset_y, left, top, right, bottom = np.asarray(placements, dtype=np.float64).T
    x1, x2 = boxes[:, 0] * scale_x + offset_x, boxes[:, 2] * scale_x + offset_x
    x1, x2 = np.minimum(x1, x2), np.maximum(x1, x2)  # a flip swaps the sides
    y1, y2 = boxes[:, 1] * scale_y + offset_y, boxes[:, 3] * scale_y + offset_y
    whole = (x2 - x1) * (y2 - y1)
    x1, x2 = np.clip(x1, left, right), np.clip(x2, left, right)
    y1, y2 = np.clip(y1, top, bottom), np.clip(y2, top, bottom)
    width, height = x2 - x1, y2 - y1
    keep = (width >= 1) & (height >= 1) & (width * height >= min_visible_share * whole)
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float32), keep


def change_colour(image: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    """Change hue, saturation and brightness in 8 bits each (a full circle of hue is 256, so that it wraps around)."""
    if change.hue == 0 and change.saturation == 1 and change.exposure == 1:
        return image
    hue, saturation, exposure = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))
    hue = np.asarray(hue + np.uint8(round(change.hue * 256) & 255))  # eight bits wrap around
    changed = cv2.merge(
        [
            hue,
            cv2.convertScaleAbs(saturation, alpha=change.saturation),  # saturates at 255
            cv2.convertScaleAbs(exposure, alpha=change.exposure),
        ]
    )
    return np.asarray(cv2.cvtColor(changed, cv2.COLOR_HSV2RGB_FULL), dtype=np.uint8)
