"""Boxes in another unit than the format's: told as what they look like, with what to do, before a search starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data import check, read
from data.example import DatasetError

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
SHARES = (0.25, 0.4, 0.75, 0.6)  # of 40 x 30 pixels: (10, 12, 30, 18)


def refused(root: Path) -> str:
    """The sentence with which a search is refused; `data check` says why, too."""
    with pytest.raises(DatasetError) as caught:
        read.load(root)
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "1 20 15 20 6",  # centre and sides
        "1 10 12 30 18",  # corners
        "1 0 0 30 18",  # corners, from the edge
        "1 10 12 30 12 30 18 10 18",  # a polygon
        "1 50.0 50.0 50.0 20.0",  # per cent
    ],
)
@pytest.mark.parametrize("all_of_them", [False, True])
def test_yolo_lines_in_pixels(tmp_path: Path, make_yolo: Make, line: str, all_of_them: bool) -> None:
    other = line if all_of_them else GOOD
    root = make_yolo(tmp_path, {"train": {"a": other, "b": line}, "val": {"c": other}, "test": {"d": other}})
    said = refused(root)
    assert f"expected shares of the picture (0 to 1), got '{line}', which looks like pixels: divide x" in said
    assert "width (40), y by its height (30)" in said
    findings = check.check(root)
    assert {p.kind for p in findings.problems} == {"pixel_box"}
    if all_of_them:
        assert findings.error is not None
        assert "4 x pixel_box" in findings.error
        assert "which looks like pixels" in findings.error
    else:
        assert findings.boxes == 3


@pytest.mark.parametrize("line", ["1 1.5 0.5 0.2 0.2", "1 2.5 0.5 0.2 0.2", "1 0.5 0.5 1.5 1.9"])
def test_a_box_that_is_only_too_far_out_or_too_large_is_none_in_pixels(
    tmp_path: Path, make_yolo: Make, line: str
) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "b": line}, "val": {"c": GOOD}, "test": {"d": GOOD}})
    assert {p.kind for p in read.load(root).problems} <= {"box_outside_picture", "clipped_box"}


@pytest.mark.parametrize("all_of_them", [False, True])
def test_coco_boxes_in_shares(tmp_path: Path, make_coco: Make, all_of_them: bool) -> None:
    x1, y1, x2, y2 = SHARES
    relative, pixels = (90, x1, y1, x2 - x1, y2 - y1), (90, 10, 12, 20, 6)
    other = relative if all_of_them else pixels
    root = make_coco(
        tmp_path, {"train": {"a": [other], "b": [relative]}, "val": {"c": [other]}, "test": {"d": [other]}}
    )
    said = refused(root)
    assert "train/_annotations.coco.json: " in said
    assert (
        "expected pixels, got the edges [0.25, 0.4, 0.75, 0.6], which look like shares of the picture (0 to 1)" in said
    )
    assert "multiply x by its width (40), y by its height (30), or export pixels" in said
    findings = check.check(root)
    assert {p.kind for p in findings.problems} == {"relative_box"}
    assert (findings.error is not None) == all_of_them


def test_voc_boxes_in_shares(tmp_path: Path, make_voc: Make, xml: Callable[..., str]) -> None:
    lists = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}
    root = make_voc(tmp_path, dict.fromkeys("abcd", xml(("dog", *SHARES))), lists)
    said = refused(root)
    assert "Annotations/" in said
    assert "object 1 (dog): expected pixels, got the edges [0.25, 0.4, 0.75, 0.6], which look like shares" in said
    assert {p.kind for p in check.check(root).problems} == {"relative_box"}


@pytest.mark.parametrize("kind", ["voc", "coco"])
def test_whole_pictures_in_shares(
    tmp_path: Path, make_voc: Make, make_coco: Make, xml: Callable[..., str], kind: str
) -> None:
    # As exporters of classification sets write them: [0, 0, 1, 1] alone is a pixel, all of them are not.
    if kind == "voc":
        lists = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}
        root = make_voc(tmp_path, dict.fromkeys("abcd", xml(("dog", 0, 0, 1, 1))), lists)
    else:
        whole = [(90, 0, 0, 1, 1)]
        root = make_coco(tmp_path, {"train": {"a": whole}, "val": {"c": whole}, "test": {"d": whole}})
    assert "that all lie within one pixel and look like shares of the picture (0 to 1): multiply x" in refused(root)


def test_a_box_of_one_pixel_in_the_corner_is_a_box(tmp_path: Path, make_coco: Make) -> None:
    boxes = [(90, 0, 0, 1, 1), (90, 10, 12, 20, 6)]
    root = make_coco(tmp_path, {"train": {"a": boxes}, "val": {"c": boxes}, "test": {"d": boxes}})
    assert read.load(root).problems == ()


def test_a_sliver_in_the_corner_among_many_boxes_is_one(tmp_path: Path, make_coco: Make) -> None:
    # The public COCO set has objects that the corner cuts to less than a pixel.
    many = [(90, 10, 12, 20, 0.25 * height) for height in range(1, 21)]
    root = make_coco(tmp_path, {"train": {"a": [*many, (90, 0, 0, 0.6, 0.8)]}, "val": {"c": many}, "test": {"d": many}})
    dataset = read.load(root)
    assert dataset.problems == ()
    assert len(dataset.splits["train"][0].boxes) == 21
