"""Which stride each output map has, and which anchors answer in it; light, as files are read without Keras."""

from typing import NamedTuple

ANCHORS_PER_SCALE = 3


class Scale(NamedTuple):
    """One output map: pixels a cell, and the places of its anchors among all of them."""

    stride: int
    mask: tuple[int, int, int]

    @property
    def name(self) -> str:
        """What its raw map is called in files."""
        return f"stride_{self.stride}"


YOLOV4 = (Scale(8, (0, 1, 2)), Scale(16, (3, 4, 5)), Scale(32, (6, 7, 8)))
TINY = (Scale(16, (1, 2, 3)), Scale(32, (3, 4, 5)))  # of six anchors; the first answers for nothing (model/tiny.py)


def of_maps(number: int) -> tuple[Scale, ...]:
    """The scales of a network with this many output maps, finest first."""
    known = {len(scales): scales for scales in (YOLOV4, TINY)}
    if number not in known:
        raise ValueError(f"output maps: expected 3 (yolov4) or 2 (yolov4-tiny), got {number}")
    return known[number]
