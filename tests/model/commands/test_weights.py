"""Which detector a file holds is found out without TensorFlow."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from model.commands import find_weights, shared, weights
from model.config import YOLOV4_TINY, PostConfig
from model.darknet import topology
from model.darknet.coco_names import NAMES as COCO_NAMES
from model.darknet.importer import DarknetOptions
from model.darknet.weights import WeightsError


@pytest.mark.parametrize(("text", "size"), [("416", (416, 416)), ("320x512", (320, 512)), ("64X96", (64, 96))])
def test_sizes_are_height_by_width(text: str, size: tuple[int, int]) -> None:
    assert shared.read_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-32", "33", "32x33", "32x32x32", "1e3", "100000"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a"):
        shared.read_size(text)


def test_coco_names() -> None:
    assert len(set(COCO_NAMES)) == 80
    assert (COCO_NAMES[0], COCO_NAMES[16], COCO_NAMES[79]) == ("person", "dog", "toothbrush")


def tiny_file(path: Path, num_classes: int, floats: int = 0) -> Path:
    """A sparse .weights file of yolov4-tiny's length, all zeros."""
    sections = topology.sections(YOLOV4_TINY, num_classes)
    count = sum(section.count for section in sections) + floats
    with path.open("wb") as file:
        file.write((0).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(12))
        file.truncate(20 + 4 * count)
    return path


def test_a_darknet_file_tells_variant_and_classes_by_its_length(tmp_path: Path) -> None:
    path = tiny_file(tmp_path / "yolov4-tiny.weights", 80)
    assert path.stat().st_size == 24_251_276  # reference 2: the released file
    found = find_weights.find(path)
    assert (found.variant, found.class_names, found.nms) == ("yolov4-tiny", COCO_NAMES, "plain")
    assert (found.height, found.width, found.fit, found.fixed_size) == (416, 416, "stretch", False)
    three = tiny_file(tmp_path / "three.weights", 3)
    assert find_weights.find(three).class_names == ("class 0", "class 1", "class 2")
    names = tmp_path / "names"
    names.write_text("a\nb\nc\n")
    assert find_weights.find(three, DarknetOptions(names=names)).class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("floats", "options", "words"),
    [
        (0, {"variant": "yolov4"}, "expected"),
        (0, {"num_classes": 80}, "expected"),
        (7, {}, "expected"),
        (-50_000, {}, "expected"),
    ],
)
def test_darknet_files_of_another_length_are_refused_with_counts(
    floats: int, options: dict[str, object], words: str, tmp_path: Path
) -> None:
    path = tiny_file(tmp_path / "a.weights", 3, floats)
    with pytest.raises(WeightsError, match=words) as refused:
        find_weights.find(path, DarknetOptions(**options))  # type: ignore[arg-type]
    assert any(character.isdigit() for character in str(refused.value))


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"score": None, "nms_iou": None, "nms": None, "nms_beta": None, **given})


def found_with(post: PostConfig | None) -> weights.SavedDetector:
    def load() -> object:
        raise AssertionError("not needed")

    return weights.SavedDetector(Path("f"), "yolov4", ("a",), 64, 64, "stretch", load, nms="plain", post=post)  # type: ignore[arg-type]


def test_score_and_nms_come_from_the_options_then_the_file_then_the_defaults() -> None:
    assert shared.post_config(options(), found_with(None), 0.25) == PostConfig(score=0.25, nms="plain")
    given = options(score=0.0, nms="diou", nms_iou=0.6)
    assert shared.post_config(given, found_with(None), 0.25) == PostConfig(score=0.0, nms="diou", nms_iou=0.6)
    inside = PostConfig(score=0.4, nms="diou", nms_iou=0.5)
    assert shared.post_config(options(), found_with(inside), 0.25) == inside
    assert shared.post_config(options(score=0.5), found_with(inside), 0.25).score == 0.5


TUNED = PostConfig(nms="diou", nms_iou=0.55, nms_beta=0.8)


def test_tuned_nms_of_a_file_is_its_default_and_each_option_overrides_its_own() -> None:
    found = replace(found_with(None), tuned=TUNED)
    assert shared.post_config(options(), found, 0.25) == replace(TUNED, score=0.25)
    assert shared.post_config(options(nms_iou=0.3), found, 0.005) == replace(TUNED, nms_iou=0.3)
    assert shared.post_config(options(nms_beta=1.5), found, 0.005) == replace(TUNED, nms_beta=1.5)
    assert shared.post_config(options(nms="plain"), found, 0.005) == replace(TUNED, nms="plain")
    inside = PostConfig(score=0.4, nms="diou", nms_iou=0.5, nms_beta=0.7)
    assert shared.post_config(options(), found_with(inside), 0.25) == inside
    with pytest.raises(ValueError, match=r"--nms-beta: expected 0.7, as NMS is inside f, got 1.0"):
        shared.post_config(options(nms_beta=1.0), found_with(inside), 0.25)
    with pytest.raises(ValueError, match=r"--nms-beta: expected --nms diou with it, as plain NMS has no"):
        shared.post_config(options(nms_beta=1.0), found_with(None), 0.25)


def test_it_is_said_which_nms_is_used() -> None:
    found = found_with(None)
    assert shared.nms_line(PostConfig(nms="plain"), found) == "plain NMS at 0.45"
    assert shared.nms_line(PostConfig(), found) == "diou NMS at 0.45, beta 0.6"
    found = replace(found, tuned=TUNED)
    assert shared.nms_line(TUNED, found) == "diou NMS at 0.55, beta 0.8 (tuned on validation, from the file)"
    assert shared.nms_line(PostConfig(), found) == "diou NMS at 0.45, beta 0.6"


def test_columns() -> None:
    assert shared.table([("class", "AP"), ("a", "0.5")]) == "  class   AP\n  a      0.5"
    # A Chinese sign takes two columns of a terminal; brackets are no markup.
    assert shared.table([("class", "AP"), ("鸟", "0.5"), ("[b]", "1")]) == "  class   AP\n  鸟     0.5\n  [b]      1"
