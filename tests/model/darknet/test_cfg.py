"""The .cfg: what we write is read back as the same network, and other networks are refused at the first difference."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import cfg, cfg_network, importer, topology
from model.darknet.cfg import CfgError

ANCHORS = importer.ANCHORS["yolov4"]
ALL_ON = DetectorConfig(
    width=0.3,
    depth=0.5,
    neck_activation="mish",
    sam=True,
    shortcut="per_channel",
    shortcut_normalization="softmax",
    dropblock_place="both",
    dropblock_size=5,
    scale_xy_8=1.37,
)


PLAIN = DetectorConfig()


def rendered(config: DetectorConfig = PLAIN, classes: int = 3, **options: Any) -> str:
    sections = topology.sections(config, classes)
    return cfg.render(sections, **{"height": 320, "width": 512, "anchors": ANCHORS, **options})


def keys_of(text: str, kind: str) -> list[dict[str, str]]:
    return [dict(keys) for found, keys in cfg.parse(text).sections if found == kind]


@pytest.mark.parametrize("config", [DetectorConfig(), ALL_ON, DetectorConfig(width=0.125, depth=0.34)])
def test_what_is_written_is_recognized(config: DetectorConfig) -> None:
    about = {"detector": asdict(config), "class_names": ["ring", "häkchen", "dot # 3"]}
    text = rendered(config, about=about, fit="letterbox")
    assert text.isascii()
    found = cfg_network.describe(cfg.parse(text))
    assert found.config == config
    assert (found.config.variant, found.num_classes, found.height, found.width) == ("yolov4", 3, 320, 512)
    assert found.class_names == ("ring", "häkchen", "dot # 3")
    assert found.anchors == ANCHORS
    assert found.fit == "letterbox"
    assert found.sections == topology.sections(config, 3)


def test_without_our_comment_a_cfg_is_guessed_and_compared() -> None:
    switches = DetectorConfig(
        neck_activation="mish", sam=True, shortcut="per_feature", dropblock_place="backbone", scale_xy_16=1.2
    )
    found = cfg_network.describe(cfg.parse(rendered(switches)))
    assert found.config == switches
    assert found.class_names is None
    half = cfg_network.describe(cfg.parse(rendered(DetectorConfig(width=0.5, depth=0.5))))
    assert half.sections == topology.sections(DetectorConfig(width=0.5, depth=0.5), 3)
    tiny = cfg.render(
        topology.sections(YOLOV4_TINY, 80),
        height=416,
        width=416,
        anchors=importer.ANCHORS["yolov4-tiny"],
    )
    found = cfg_network.describe(cfg.parse(tiny))
    assert (found.config, found.num_classes) == (YOLOV4_TINY, 80)


def test_places_are_counted_from_the_section_itself() -> None:
    text = rendered(classes=80)
    routes = [keys["layers"] for keys in keys_of(text, "route")]
    # as in the released cfg, but for the taps, which it counts from 0: 85 seen from 119 and 54 from 129
    assert routes == [
        *("-2", "-1,-7", "-2", "-1,-10", "-2", "-1,-28", "-2", "-1,-28", "-2", "-1,-16"),
        *("-2", "-4", "-1,-3,-5,-6", str(85 - 119), "-1,-3", str(54 - 129), "-1,-3"),
        *("-4", "-1,-16", "-4", "-1,-37"),
    ]
    assert {keys["from"] for keys in keys_of(text, "shortcut")} == {"-3"}
    assert [keys["mask"] for keys in keys_of(text, "yolo")] == ["0,1,2", "3,4,5", "6,7,8"]
    assert {keys["anchors"] for keys in keys_of(text, "yolo")} == {
        "12,16,19,36,40,28,36,75,76,55,72,146,142,110,192,243,459,401"
    }


def test_techniques_have_darknets_keys() -> None:
    text = rendered(ALL_ON, settings={"regularization.cmbn": True, "regularization.dropblock_rate": 0.1})
    convolutions = keys_of(text, "convolutional")
    # batch_normalize stays 1, which OpenCV takes for batch normalization; cbn=1 makes it Darknet's 2
    assert all(keys.get("cbn") == keys.get("batch_normalize") for keys in convolutions)
    assert sum("cbn" in keys for keys in convolutions) == len(convolutions) - 3
    assert sum(keys["activation"] == "logistic" for keys in convolutions) == 3
    assert keys_of(text, "sam") == [{"from": "-2", "activation": "linear"}] * 3
    assert keys_of(text, "dropout") == [{"dropblock": "1", "dropblock_size_abs": "5", "probability": "0.1"}] * 5
    for keys in keys_of(text, "shortcut"):
        assert (keys["weights_type"], keys["weights_normalization"]) == ("per_channel", "softmax")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("filters=32\n", "filters=36\n", r"section 0 \(backbone_stem\): expected \[convolutional\] filters=32 .*36"),
        (
            "[upsample]\nstride=2",
            "[upsample]\nstride=4",
            r"\(neck_down16_upsample\): expected .*stride=2, got .*stride=4",
        ),
        (
            "activation=mish",
            "activation=swish",
            "their.cfg: the network is not supported.*backbone_activation",
        ),
        ("[shortcut]", "[sam]", r"unit1_shortcut\): expected \[shortcut\]"),
        ("scale_x_y=1.2\n", "scale_x_y=1.2\nnew_coords=1\n", "new_coords=1"),
        ("size=13\n", "size=11\n", r"\(spp_pool13\): expected .*size=13"),
        ("layers=-1,-3\n", "layers=-3,-1\n", r"\(neck_down16_concat\)"),
        ("classes=3\n", "classes=4\n", "expected one number above 0 as classes= in every"),
        ("459,401\n", "459\n", "anchors: expected pairs of numbers above 0"),
        ("width=512\n", "width=500\n", r"\[net\] width: expected a multiple of 32, got 500"),
        ("width=512\n", "", r"\[net\] width: expected a multiple of 32, got nothing"),
    ],
)
def test_the_first_difference_is_named(old: str, new: str, words: str) -> None:
    text = rendered()
    assert old in text
    with pytest.raises(CfgError, match=words):
        cfg_network.describe(cfg.parse(text.replace(old, new, 1), "their.cfg"))


def test_sections_that_are_missing_or_too_many_are_counted() -> None:
    text = rendered()
    with pytest.raises(CfgError, match=r"expected 162 sections after \[net\], got 163"):
        cfg_network.describe(cfg.parse(text + "[route]\nlayers=-1\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"expected \[net\] first, got no section"),
        ("[yolo]\nmask=1\n", r"expected \[net\] first, got \[yolo\]"),
        ("[net]\nwidth\n", "line 2: expected key=value in a section, got 'width'"),
        ("width=3\n[net]\n", "line 1: expected key=value in a section"),
        ("[net]\n[convolutional\n", r"line 2: expected \[section\]"),
        ("# yolov4-evolve {\n[net]\n", "line 1: expected a JSON object"),
        ("# yolov4-evolve [1]\n[net]\n", "line 1: expected a JSON object .*got list"),
    ],
)
def test_text_that_is_no_cfg_is_told_by_line(text: str, words: str) -> None:
    with pytest.raises(CfgError, match=words):
        cfg.parse(text)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"detector": {"width": 1.0, "wings": 2}}, "its configuration is damaged: .*wings"),
        ({"detector": {"width": 99.0}}, "its configuration is damaged: detector.width"),
        ({"detector": {"width": 0.5}}, r"section 0 \(backbone_stem\): expected .*filters=16"),
        ({"detector": 7}, "its configuration is damaged"),
        ({"class_names": ["one"]}, "expected 3 class names, got 1"),
        ({"class_names": "abc"}, "expected 3 class names"),
    ],
)
def test_our_comment_is_not_taken_on_trust(about: dict[str, Any], words: str) -> None:
    with pytest.raises(CfgError, match=words):
        cfg_network.describe(cfg.parse(rendered(about=about)))


def test_files_that_are_no_cfg(tmp_path: Path) -> None:
    with pytest.raises(CfgError, match="got nothing there"):
        cfg.read(tmp_path / "absent.cfg")
    with pytest.raises(CfgError, match="got a folder"):
        cfg.read(tmp_path)
    huge = tmp_path / "huge.cfg"
    with huge.open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(CfgError, match="expected a cfg of a few KB, got 17,179,869,184 bytes"):
        cfg.read(huge)
    binary = tmp_path / "binary.cfg"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(CfgError):
        cfg.read(binary)


def test_sides_are_multiples_of_32() -> None:
    for height, width in ((300, 320), (320, 0), (-32, 32)):
        with pytest.raises(ValueError, match=r"(height|width): expected a multiple of 32, got"):
            rendered(height=height, width=width)


WORDS = st.sampled_from(
    [
        "[net]",
        "[yolo]",
        "[convolutional]",
        "width=",
        "32",
        "=",
        ",",
        "classes=3",
        "anchors=1,2",
        "#",
        "\n",
        "filters=",
        "-",
    ]
)


@given(text=st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=40).map("".join)))
def test_any_text_is_a_cfg_of_ours_or_a_sentence(text: str) -> None:
    try:
        found = cfg_network.describe(cfg.parse(text, "any.cfg"))
    except CfgError as refused:
        told = str(refused)
    else:
        raise AssertionError(found)  # no 200 characters are a network of ours
    assert len(told) < 1000


@given(data=st.data())
def test_a_changed_line_is_harmless_or_a_sentence(data: st.DataObject) -> None:
    lines = rendered(DetectorConfig(width=0.05, depth=0.1)).splitlines()
    place = data.draw(st.integers(0, len(lines) - 1), label="line")
    lines[place] = data.draw(st.text(max_size=30), label="text")
    try:
        found = cfg_network.describe(cfg.parse("\n".join(lines), "changed.cfg"))
    except CfgError as refused:
        assert str(refused)  # noqa: PT017 - either way is right
        return
    assert len(found.sections) == len(cfg.parse("\n".join(lines)).sections)
