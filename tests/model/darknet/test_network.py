"""Our networks against what OpenCV's Darknet importer computes from the files that we write (golden/make.py)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import convert, topology
from model.network import architecture, decode, decode_arrays, normalization, scales, tiny
from model.network.summary import summarize


@pytest.mark.parametrize("name", ["small", "small_dropblock", "tiny", "narrow_tiny", "custom_tiny", "uneven_tiny"])
def test_heads_agree_with_opencv(golden: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from agreement import check_against_opencv
    from cases import CASES

    check_against_opencv(golden, next(case for case in CASES if case.name == name), monkeypatch)


@pytest.mark.parametrize("name", ["custom_tiny", "uneven_tiny"])
def test_boxes_of_any_masks_agree_with_opencv(golden: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from agreement import OPENCV_EPSILON, filled
    from cases import ANCHORS, CASES, SEED
    from seeded import picture

    case = next(case for case in CASES if case.name == name)
    (height, width), maps = case.sizes[0], scales.of_config(case.config)
    with np.load(golden / "heads.npz") as stored:
        expected = np.concatenate([stored[f"{name}/{height}x{width}/boxes_{number}"] for number in range(2)])
    with monkeypatch.context() as patched:
        patched.setattr(normalization, "EPSILON", OPENCV_EPSILON)
        raw = [np.asarray(one) for one in filled(case)(picture(height, width, SEED)[None], training=False)]
    for boxes_of in (decode.boxes, decode_arrays.boxes):
        boxes, objectness, _ = (np.asarray(x)[0] for x in boxes_of(raw, ANCHORS["yolov4-tiny"], (1.05, 1.05), maps))
        centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        np.testing.assert_allclose(centres / (width, height), expected[:, :2], atol=1e-4)
        # an edge at 108 px is a float32 of steps of 1e-5 px: of a box thinner than 0.01 px little is left
        np.testing.assert_allclose(sizes / (width, height), expected[:, 2:4], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(objectness, expected[:, 4], atol=1e-3)


CONFIGS = [
    DetectorConfig(width=0.125, depth=0.34),
    DetectorConfig(width=0.25, depth=0.5, sam=True, shortcut="per_channel", dropblock_place="both"),
    DetectorConfig(width=0.3, depth=0.2, shortcut="per_feature", dropblock_place="neck"),
    DetectorConfig(width=0.125, depth=0.1, masks="0,1/2/3,8,4,5"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_names_and_shapes_are_those_of_the_network(config: DetectorConfig) -> None:
    _compare_names(architecture.build(config, 3), topology.sections(config, 3))


@pytest.mark.parametrize("changed", [{}, {"width": 0.3}, {"masks": "0/1,2,3,4"}])
def test_names_and_shapes_are_those_of_yolov4_tiny(changed: dict[str, Any]) -> None:
    config = replace(YOLOV4_TINY, **changed)
    _compare_names(architecture.build(config, 3), topology.sections(config, 3))


def _compare_names(model: keras.Model, sections: Any) -> None:
    ours = {part.name: convert.keras_shape(part) for section in sections for part in section.stored}
    networks = {f"{layer.name}/{v.name}": tuple(v.shape) for layer in model.layers for v in layer.weights}
    assert ours == networks
    dropped = [section.name for section in sections if section.kind == "dropout"]
    assert dropped == [layer.name for layer in model.layers if layer.name.endswith("_dropblock")]


def test_yolov4_tiny_is_the_released_network() -> None:
    found = summarize(architecture.build(YOLOV4_TINY, 80), 416)
    # parameters, convolutions and BFLOPs as Darknet prints them for cfg/yolov4-tiny.cfg
    assert (found.trainable, found.convolutions) == (6_056_606, 21)
    assert found.bflops == pytest.approx(6.910, abs=5e-4)
    assert found.outputs == ((26, 26, 255), (13, 13, 255))
    assert found.total == found.trainable + 2 * 3104  # 18 normalized convolutions, 3104 channels in all


@pytest.mark.parametrize(
    "other",
    [{"depth": 0.5}, {"sam": True}, {"shortcut": "per_feature"}, {"dropblock_place": "neck"}],
)
def test_yolov4_tiny_refuses_what_it_has_no_place_for(other: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=rf"detector\.{next(iter(other))}: expected .*, as yolov4-tiny has no other, got"
    ):
        replace(YOLOV4_TINY, **other)


def test_a_second_half_is_the_second_half() -> None:
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 2, 6)
    half = np.asarray(tiny.SecondHalf()(x))
    np.testing.assert_array_equal(half, x[..., 3:])
    assert tiny.SecondHalf().compute_output_shape((None, 4, 4, 6)) == (None, 4, 4, 3)
