"""Anchors and masks in people's cfgs: Darknet's README tells them to edit these, and its custom cfgs differ.

Expected: Darknet's own reading (parser.c, parse_yolo; option_list.c), by hand.
"""

from dataclasses import asdict, replace
from typing import Any

import pytest

from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import cfg, cfg_network, importer, topology, weights_length
from model.darknet.cfg import CfgError
from model.network import scales

TINY_ANCHORS = "10,14,23,27,37,58,81,82,135,169,344,319"
NINE = importer.ANCHORS["yolov4"]


def tiny(classes: int = 2, **changed: Any) -> str:
    """A cfg in the form of Darknet's yolov4-tiny-custom.cfg, without our comment: stride 32 first."""
    config = replace(YOLOV4_TINY, width=0.125, **{"masks": "0,1,2/3,4,5", **changed})
    sections = topology.sections(config, classes)
    text = cfg.render(sections, height=320, width=416, anchors=importer.ANCHORS["yolov4-tiny"])
    return text.replace(", ", ",")


def read(text: str) -> cfg_network.CfgDetector:
    return cfg_network.describe(cfg.parse(text, "mine.cfg"))


def test_the_masks_of_darknets_custom_cfg_are_read() -> None:
    text = tiny()
    # what cfg/yolov4-tiny-custom.cfg has: mask = 3,4,5 in the first [yolo] and mask = 0,1,2 in the second
    assert [line for line in text.splitlines() if line.startswith("mask")] == ["mask=3,4,5", "mask=0,1,2"]
    found = read(text)
    assert found.config.masks == "0,1,2/3,4,5"
    assert [(scale.stride, scale.mask) for scale in scales.of_config(found.config)] == [
        (16, (0, 1, 2)),
        (32, (3, 4, 5)),
    ]
    assert found.anchors == importer.ANCHORS["yolov4-tiny"]
    assert read(text.replace("mask=0,1,2", "mask=1,2,3")).config.masks == "released"


@pytest.mark.parametrize(("masks", "counts"), [("0,1/2,3,4,5", (2, 4)), ("5/0", (1, 1)), ("0,1,2,3,4,5/5", (6, 1))])
def test_a_head_has_as_many_anchors_as_its_mask(masks: str, counts: tuple[int, int]) -> None:
    found = read(tiny(classes=3, masks=masks))
    assert found.config.masks == masks
    outputs = [section for section in found.sections if weights_length.is_output(section)]
    assert [section.channels for section in outputs] == [8 * counts[1], 8 * counts[0]]  # stride 32 first
    again = weights_length.with_classes(found.sections, 7)
    assert [section.channels for section in again if weights_length.is_output(section)] == [
        12 * counts[1],
        12 * counts[0],
    ]


def test_a_length_tells_the_classes_of_any_masks() -> None:
    sections = topology.sections(replace(YOLOV4_TINY, width=0.125, masks="0,1/2,3,4,5"), 5)
    count = weights_length.count_floats(sections)
    found = weights_length.layers_of_length(count, weights_length.with_classes(sections, 1))
    assert not isinstance(found, str)
    assert found.num_classes == 5


def test_other_anchors_masks_and_sizes_of_yolov4() -> None:
    mine = tuple((7.5 * k, 9.0 * k) for k in range(1, 13))
    config = DetectorConfig(width=0.125, depth=0.5, masks="0,1,2,3/4,5,6,7/8,9,10,11")
    found = read(cfg.render(topology.sections(config, 1), height=608, width=352, anchors=mine, fit="letterbox"))
    assert scales.of_config(found.config) == scales.of_config(config)
    assert (found.anchors, found.height, found.width, found.fit) == (mine, 608, 352, "letterbox")


def test_a_section_without_a_mask_has_all_of_its_anchors() -> None:
    text = tiny(masks="0,1,2,3,4,5/0,1,2,3,4,5")
    found = read(text.replace("mask=0,1,2,3,4,5\n", ""))
    assert found.config.masks == "0,1,2,3,4,5/0,1,2,3,4,5"


def test_of_more_pairs_than_num_the_first_count() -> None:
    text = tiny().replace(f"anchors={TINY_ANCHORS}", f"anchors={TINY_ANCHORS},500,500,600,600")
    assert read(text).anchors == importer.ANCHORS["yolov4-tiny"]
    with pytest.raises(CfgError, match=r"mine.cfg: mask=3,4,5: expected indices among its 4 anchors, from 0 on, got 4"):
        read(tiny().replace("num=6", "num=4"))


def test_sections_may_have_anchors_of_their_own() -> None:
    first, second = "81,82,135,169,344,319", "10,14,23,27,37,58"
    head, middle, tail = tiny().split(f"anchors={TINY_ANCHORS}")
    text = f"{head}anchors={first}{middle}anchors={second}{tail}".replace("num=6", "num=3")
    found = read(text.replace("mask=3,4,5", "mask=0,1,2"))
    stride16, stride32 = scales.of_config(found.config)
    assert [found.anchors[place] for place in stride16.mask] == [(10, 14), (23, 27), (37, 58)]
    assert [found.anchors[place] for place in stride32.mask] == [(81, 82), (135, 169), (344, 319)]
    # one list that is longer than the other is one list
    text = f"{head}anchors={TINY_ANCHORS}{middle}anchors={second}{tail}".replace("mask=0,1,2", "mask=0,1,2")
    assert read(text.replace("num=6", "num=3").replace("num=3", "num=6", 1)).anchors == importer.ANCHORS["yolov4-tiny"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mask=0,1,2", "mask=0,1,6", r"mask=0,1,6: expected indices among its 6 anchors, from 0 on, got 6"),
        ("mask=0,1,2", "mask=-1,1,2", r"mask=-1,1,2: expected indices among its 6 anchors, from 0 on, got -1"),
        ("mask=0,1,2", "mask=1,1,2", r"mask=1,1,2: expected each anchor once"),
        ("mask=0,1,2", "mask=a", r"mask: expected indices of anchors such as 0,1,2, got a"),
        (
            "mask=0,1,2",
            "mask=0,1",
            r"\(head16_output\): expected filters=14, as .* 2 anchors .* 2 x \(5 \+ 2\), got 21",
        ),
        (",344,319", ",344", "anchors: expected pairs of numbers above 0, got 10,14"),
        (",344,319", ",344,-1", "anchors: expected pairs of numbers above 0"),
        ("num=6", "num=0", "num: expected a number of anchors, got 0"),
        (f"anchors={TINY_ANCHORS}\n", "", r"expected anchors= in every \[yolo\], got none"),
        ("classes=2\n", "classes=0\n", r"expected one number above 0 as classes= in every \[yolo\], got 0"),
        ("channels=3", "channels=1", r"\[net\] channels=1 is not supported: expected 3"),
    ],
)
def test_what_cannot_be_is_one_sentence(old: str, new: str, words: str) -> None:
    text = tiny()
    assert old in text
    with pytest.raises(CfgError, match=words) as refused:
        read(text.replace(old, new))
    assert str(refused.value).startswith("mine.cfg: ")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # yolov4-tiny-3l.cfg, yolov3-tiny.cfg, yolov4-tiny_contrastive.cfg: other numbers of heads
        (
            lambda t: t + "\n[yolo]\nmask=0\n",
            "its first layer is like yolov4-tiny's, which has 2 .yolo. sections, and it",
        ),
        (lambda t: t.replace("stride=2", "stride=1", 1), "first layer is like yolov4's, which has 3 .*, and it has 2"),
        (lambda t: t.replace("[yolo]", "[region]"), r"expected \[yolo\] sections, got \[region\], YOLOv2's"),
        (lambda t: t.replace("[yolo]", "[Gaussian_yolo]"), r"got \[Gaussian_yolo\], Gaussian YOLOv3's"),
        (lambda t: t.replace("[yolo]", "[softmax]"), r"expected \[yolo\] sections, got none"),
        (lambda t: t.replace("scale_x_y", "new_coords=1\nscale_x_y", 1), r"\(yolo32\): new_coords=1 is not supported"),
        (lambda t: t.replace("activation=leaky", "activation=swish"), "expected 'mish' or 'leaky', got 'swish'"),
    ],
)
def test_other_networks_are_named(change: Any, words: str) -> None:
    with pytest.raises(CfgError, match=f"mine.cfg: .*{words}") as refused:
        read(change(tiny()))
    assert "not supported" in str(refused.value)


def test_blanks_comments_marks_and_repeated_keys_as_darknet_reads_them() -> None:
    text = tiny()
    messy = text.replace("mask=0,1,2", "mask = 0, 1,\t2,").replace("num=6", " num = 6 ; six").replace("=", "  =  ")
    messy = messy.replace("width  =  416", "#width=608\n; width=96\nwidth  =  416 # first\nwidth=608")
    assert read(messy) == read(text)
    assert read("﻿".encode().decode("utf-8-sig") + text.replace("\n", "\r\n")) == read(text)
    short = text.replace("[convolutional]", "[conv]").replace("[maxpool]", "[max]").replace("[net]", "[network]")
    assert read(short) == read(text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_cfg_saved_with_a_mark(encoding: str, tmp_path: Any) -> None:
    path = tmp_path / "mine.cfg"
    path.write_bytes(tiny().encode(encoding))
    assert cfg_network.describe(cfg.read(path)) == read(tiny())


@pytest.mark.parametrize("classes", [200, 600])
def test_many_classes_do_not_widen_the_network(classes: int) -> None:
    # 3 x (5 + 200) = 615 channels of an output map are more than the 512 of yolov4-tiny's widest layer
    text = cfg.render(topology.sections(YOLOV4_TINY, classes), height=416, width=416, anchors=NINE[:6])
    assert read(text).config.width == 1.0


def test_in_a_cfg_of_ours_the_lines_count_where_they_were_edited() -> None:
    config = replace(YOLOV4_TINY, width=0.125, scale_xy_16=1.123456789012)
    sections, anchors = topology.sections(config, 1), importer.ANCHORS["yolov4-tiny"]
    text = cfg.render(sections, height=64, width=64, anchors=anchors, about={"detector": asdict(config)})
    assert read(text).config == config
    edited = text.replace("mask=1,2,3", "mask=0,1,2").replace("scale_x_y=1.05", "scale_x_y=1.2")
    assert read(edited).config == replace(config, masks="0,1,2/3,4,5", scale_xy_32=1.2)


@pytest.mark.parametrize(
    "masks", ["", "0,1,2", "0/1/2", "0,1,2/3,4,x", "0,0/1", "/", "0,1/-1", "01/2", "1/100", " 0/1", 3]
)
def test_masks_that_are_none(masks: Any) -> None:
    with pytest.raises(ValueError, match=r"detector\.masks: expected 'released', or 2 lists of different numbers"):
        replace(YOLOV4_TINY, masks=masks)
