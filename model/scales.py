"""Which stride each output map has, and which anchors answer in it; light, as files are read without Keras."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.config import Variant

ANCHORS_PER_SCALE = 3


class Scale(NamedTuple):
    """One output map: pixels a cell, and the places of its anchors among all of them."""

    stride: int
    mask: tuple[int, int, int]

    @property
    def anchors(self) -> slice:
        """Where its anchors stand among all: side by side."""
        return slice(self.mask[0], self.mask[-1] + 1)

    @property
    def name(self) -> str:
        """What its raw map is called in files."""
        return f"stride_{self.stride}"


YOLOV4 = (Scale(8, (0, 1, 2)), Scale(16, (3, 4, 5)), Scale(32, (6, 7, 8)))
# Of six anchors the first answers for nothing and the fourth on both maps: an old quirk of cfg/yolov4-tiny.cfg, and
# what its weights were trained with.
TINY = (Scale(16, (1, 2, 3)), Scale(32, (3, 4, 5)))
BY_VARIANT: Mapping[Variant, tuple[Scale, ...]] = {"yolov4": YOLOV4, "yolov4-tiny": TINY}
# Stands where an anchor answers for nothing: a pixel is the best anchor of no box, in Darknet too.
UNUSED = (1.0, 1.0)


def of_maps(number: int) -> tuple[Scale, ...]:
    """The scales of a network with this many output maps, finest first."""
    known = {len(scales): scales for scales in (YOLOV4, TINY)}
    if number not in known:
        raise ValueError(f"output maps: expected 3 (yolov4) or 2 (yolov4-tiny), got {number}")
    return known[number]


def places(scales: Sequence[Scale]) -> range:
    """Places of the anchors that answer for something, among all: 0 to 8, or 1 to 5 of yolov4-tiny."""
    masks = [place for scale in scales for place in scale.mask]
    return range(min(masks), max(masks) + 1)


def number_of_anchors(scales: Sequence[Scale]) -> int:
    """How many anchors a network of these scales has, those that answer for nothing counted: 9, or 6."""
    return places(scales).stop


def with_unused(anchors: Sequence[tuple[float, float]], scales: Sequence[Scale]) -> tuple[tuple[float, float], ...]:
    """All anchors of the network, given those that answer for something, by area."""
    used = places(scales)
    if len(anchors) != len(used):
        raise ValueError(f"anchors: expected {len(used)}, got {len(anchors)}")
    return (UNUSED,) * used.start + tuple(anchors)
