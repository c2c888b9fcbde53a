"""The strides and anchors of the output maps; imports no Keras, because files are read without it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.config import RELEASED_MASKS, DetectorConfig, Variant


class Scale(NamedTuple):
    """One output map: pixels per cell, and the indices of its anchors."""

    stride: int
    mask: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of its raw map in files."""
        return f"stride_{self.stride}"


YOLOV4 = (Scale(8, (0, 1, 2)), Scale(16, (3, 4, 5)), Scale(32, (6, 7, 8)))
# Of the six anchors the first is on no map and the fourth on both: an old quirk of cfg/yolov4-tiny.cfg, with which its
# released weights were trained.
TINY = (Scale(16, (1, 2, 3)), Scale(32, (3, 4, 5)))
RELEASED_MAPS: Mapping[Variant, tuple[Scale, ...]] = {"yolov4": YOLOV4, "yolov4-tiny": TINY}
# Size of an anchor that is on no map: a pixel is no box's best anchor, nor in Darknet.
UNUSED_ANCHOR = (1.0, 1.0)


def of_config(config: DetectorConfig) -> tuple[Scale, ...]:
    """The output maps of a network, finest first."""
    released = RELEASED_MAPS[config.variant]
    masks = config.own_masks or masks_of(released)
    return tuple(Scale(scale.stride, mask) for scale, mask in zip(released, masks, strict=True))


def of_masks(masks: Sequence[Sequence[int]]) -> tuple[Scale, ...]:
    """The output maps with these masks, finest first: three for yolov4, two for yolov4-tiny."""
    for released in RELEASED_MAPS.values():
        if len(masks) == len(released):
            return tuple(Scale(scale.stride, tuple(mask)) for scale, mask in zip(released, masks, strict=True))
    raise ValueError(f"output maps: expected 3 (yolov4) or 2 (yolov4-tiny), got {len(masks)}")


def masks_of(maps: Sequence[Scale]) -> tuple[tuple[int, ...], ...]:
    """Each output map's mask."""
    return tuple(scale.mask for scale in maps)


def masks_setting(masks: Sequence[Sequence[int]]) -> str:
    """Masks, finest map first, as a value of the setting detector.masks."""
    if tuple(map(tuple, masks)) in [masks_of(released) for released in RELEASED_MAPS.values()]:
        return RELEASED_MASKS
    return "/".join(",".join(map(str, mask)) for mask in masks)


def anchor_indices(maps: Sequence[Scale]) -> tuple[int, ...]:
    """Indices of the anchors that are on some map: 0 to 8, for yolov4-tiny 1 to 5, as released."""
    return tuple(sorted({index for scale in maps for index in scale.mask}))


def number_of_anchors(maps: Sequence[Scale]) -> int:
    """How many anchors a network with these maps has, unused ones included: 9, for yolov4-tiny 6, as released."""
    return anchor_indices(maps)[-1] + 1


def with_unused_anchors(
    anchors: Sequence[tuple[float, float]], maps: Sequence[Scale]
) -> tuple[tuple[float, float], ...]:
    """All anchors of the network, from those that are on some map, sorted by area."""
    used = anchor_indices(maps)
    if len(anchors) != len(used):
        raise ValueError(f"anchors: expected {len(used)}, got {len(anchors)}")
    by_index = dict(zip(used, anchors, strict=True))
    return tuple(by_index.get(index, UNUSED_ANCHOR) for index in range(number_of_anchors(maps)))
