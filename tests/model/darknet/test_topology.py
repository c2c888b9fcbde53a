"""Our list of layers against Darknet's released cfgs and the byte sizes of the released files."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import topology
from model.darknet.sections import Section
from model.darknet.weights_length import count_floats

HEADER = 20


def size(sections: Sequence[Section]) -> int:
    """Bytes of a .weights file of these sections."""
    return HEADER + 4 * count_floats(sections)


@pytest.mark.parametrize(
    ("classes", "floats", "size_in_bytes"),
    [  # total floats and the sizes of files that Darknet wrote
        (80, 64_429_405, 257_717_640),
        (20, 64_106_305, 256_425_240),
        (3, 64_014_760, 256_059_060),
        (2, 64_009_375, 256_037_520),
        (1, 64_003_990, 256_015_980),
    ],
)
def test_floats_and_bytes_of_yolov4(classes: int, floats: int, size_in_bytes: int) -> None:
    sections = topology.sections(DetectorConfig(), classes)
    assert count_floats(sections) == floats
    assert size(sections) == size_in_bytes


def test_floats_and_bytes_of_the_partial_files() -> None:
    sections = topology.sections(DetectorConfig(), 80)
    assert count_floats(sections[:137]) == 42_509_664
    assert size(sections[:137]) == 170_038_676  # yolov4.conv.137
    assert count_floats(sections[:105]) == 26_652_512
    assert size(sections[:105]) == 106_610_068  # csdarknet53-omega.conv.105
    tiny = topology.sections(YOLOV4_TINY, 80)
    assert size(tiny) == 24_251_276  # yolov4-tiny.weights
    assert count_floats(tiny[:29]) == 4_947_424  # yolov4-tiny.conv.29


def test_kinds_of_sections() -> None:
    kinds = Counter(section.kind for section in topology.sections(DetectorConfig(), 80))
    assert kinds == {"convolutional": 110, "route": 21, "shortcut": 23, "maxpool": 3, "upsample": 2, "yolo": 3}
    tiny = Counter(section.kind for section in topology.sections(YOLOV4_TINY, 80))
    assert tiny["convolutional"] == 21
    assert tiny["yolo"] == 2


def test_sam_and_weighted_shortcuts_add_what_darknet_adds() -> None:
    plain = count_floats(topology.sections(DetectorConfig(), 80))
    sam = topology.sections(DetectorConfig(sam=True), 80)
    assert count_floats(sam) == 65_812_829
    assert size(sam) == 263_251_336  # yolov4-sam-mish
    assert sum(section.kind == "convolutional" for section in sam) == 113
    for kind, more in (("per_feature", 46), ("per_channel", 10_624)):
        weighted = topology.sections(DetectorConfig(shortcut=kind), 80)  # type: ignore[arg-type]
        assert count_floats(weighted) - plain == more


def test_dropblock_moves_later_places_and_stores_nothing() -> None:
    plain = topology.sections(DetectorConfig(), 80)
    dropped = topology.sections(DetectorConfig(dropblock_place="both"), 80)
    assert len(dropped) == len(plain) + 5
    assert count_floats(dropped) == count_floats(plain)
    names = [section.name for section in plain]
    assert [section.name for section in dropped if section.name in names] == names
    # after stage 4 (85) one, so stage 5 begins one later; the neck's tap is what comes out of [dropout]
    assert dropped[86].kind == "dropout"
    tap = next(section for section in dropped if section.name == "neck_down16_tap")
    assert tap.inputs == (86,)


def line(section: Section) -> str:
    """A section in the form of golden/make_released.py."""
    sources = section.inputs[1:] if section.kind == "shortcut" else section.inputs
    keys = {
        "convolutional": ("filters", "size", "stride", "activation", "batch_normalize"),
        "route": ("groups", "group_id"),
        "maxpool": ("size", "stride"),
        "upsample": ("stride",),
        "yolo": ("mask", "classes", "num", "scale_x_y"),
    }.get(section.kind, ())
    values = [section.option(key, "-") for key in keys]
    return " ".join([section.kind, ",".join(map(str, sources)), *values])


def test_every_layer_is_as_in_the_released_cfgs(golden: Path) -> None:
    expected: dict[str, list[str]] = {}
    for text in (golden / "released.txt").read_text(encoding="utf-8").splitlines():
        if text.startswith("# "):
            expected[text[2:]] = []
        else:
            list(expected.values())[-1].append(text)
    assert [line(section) for section in topology.sections(DetectorConfig(), 80)] == expected["yolov4"]
    assert [line(section) for section in topology.sections(YOLOV4_TINY, 80)] == expected["yolov4-tiny"]


def test_no_network_without_classes() -> None:
    for config in (DetectorConfig(), YOLOV4_TINY):
        with pytest.raises(ValueError, match="num_classes: expected at least 1, got 0"):
            topology.sections(config, 0)
