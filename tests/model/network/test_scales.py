"""Output maps and their anchors: the masks of the released cfgs (reference 2), and our own anchors."""

import pytest

from model.config import YOLOV4_TINY, DetectorConfig
from model.network import scales


def test_masks_are_those_of_the_released_cfgs() -> None:
    assert [(scale.stride, scale.mask) for scale in scales.of_config(DetectorConfig())] == [
        (8, (0, 1, 2)),
        (16, (3, 4, 5)),
        (32, (6, 7, 8)),
    ]
    assert [(scale.stride, scale.mask) for scale in scales.of_config(YOLOV4_TINY)] == [(16, (1, 2, 3)), (32, (3, 4, 5))]
    with pytest.raises(ValueError, match=r"output maps: expected 3 \(yolov4\) or 2 \(yolov4-tiny\), got 4"):
        scales.of_masks([(0,), (1,), (2,), (3,)])


def test_anchors_of_our_own_stand_where_one_answers() -> None:
    nine = tuple((float(k), float(k)) for k in range(1, 10))
    assert scales.number_of_anchors(scales.YOLOV4) == 9
    assert scales.with_unused_anchors(nine, scales.YOLOV4) == nine
    assert scales.number_of_anchors(scales.TINY) == 6
    # the cfg's first anchor answers on no map: a pixel stands there, which is no box's best
    assert scales.with_unused_anchors(nine[:5], scales.TINY) == ((1.0, 1.0), *nine[:5])
    with pytest.raises(ValueError, match="anchors: expected 5, got 9"):
        scales.with_unused_anchors(nine, scales.TINY)
