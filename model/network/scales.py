"""Which stride each output map has, and which anchors answer in it; light, as files are read without Keras."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.config import RELEASED_MASKS, DetectorConfig, Variant


class Scale(NamedTuple):
    """One output map: pixels a cell, and the places of its anchors among all of them."""

    stride: int
    mask: tuple[int, ...]

    @property
    def name(self) -> str:
        """What its raw map is called in files."""
        return f"stride_{self.stride}"


YOLOV4 = (Scale(8, (0, 1, 2)), Scale(16, (3, 4, 5)), Scale(32, (6, 7, 8)))
# Of six anchors the first answers for nothing and the fourth on both maps: an old quirk of cfg/yolov4-tiny.cfg, and
# what its weights were trained with.
TINY = (Scale(16, (1, 2, 3)), Scale(32, (3, 4, 5)))
RELEASED: Mapping[Variant, tuple[Scale, ...]] = {"yolov4": YOLOV4, "yolov4-tiny": TINY}
# Stands where an anchor answers for nothing: a pixel is the best anchor of no box, in Darknet too.
UNUSED = (1.0, 1.0)


def of_config(config: DetectorConfig) -> tuple[Scale, ...]:
    """The output maps of a network, finest first."""
    released = RELEASED[config.variant]
    masks = config.own_masks or masks_of(released)
    return tuple(Scale(scale.stride, mask) for scale, mask in zip(released, masks, strict=True))


def of_masks(masks: Sequence[Sequence[int]]) -> tuple[Scale, ...]:
    """The output maps, finest first, by their masks: three of yolov4, two of yolov4-tiny."""
    for released in RELEASED.values():
        if len(masks) == len(released):
            return tuple(Scale(scale.stride, tuple(mask)) for scale, mask in zip(released, masks, strict=True))
    raise ValueError(f"output maps: expected 3 (yolov4) or 2 (yolov4-tiny), got {len(masks)}")


def masks_of(maps: Sequence[Scale]) -> tuple[tuple[int, ...], ...]:
    """Each output map's mask."""
    return tuple(scale.mask for scale in maps)


def masks_setting(masks: Sequence[Sequence[int]]) -> str:
    """Masks, finest map first, as the setting detector.masks says them."""
    if tuple(map(tuple, masks)) in [masks_of(released) for released in RELEASED.values()]:
        return RELEASED_MASKS
    return "/".join(",".join(map(str, mask)) for mask in masks)


def places(maps: Sequence[Scale]) -> tuple[int, ...]:
    """Places of the anchors that answer for something, among all: 0 to 8, or 1 to 5 of yolov4-tiny as released."""
    return tuple(sorted({place for scale in maps for place in scale.mask}))


def number_of_anchors(maps: Sequence[Scale]) -> int:
    """How many anchors a network of these maps has, those that answer for nothing counted: 9, or 6, as released."""
    return places(maps)[-1] + 1


def with_unused(anchors: Sequence[tuple[float, float]], maps: Sequence[Scale]) -> tuple[tuple[float, float], ...]:
    """All anchors of the network, given those that answer for something, by area."""
    used = places(maps)
    if len(anchors) != len(used):
        raise ValueError(f"anchors: expected {len(used)}, got {len(anchors)}")
    given = dict(zip(used, anchors, strict=True))
    return tuple(given.get(place, UNUSED) for place in range(number_of_anchors(maps)))
