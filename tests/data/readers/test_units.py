"""Boxes in another unit than the format's: reported as what they look like, with what to do, before a search starts."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from data.dataset import DatasetError
from data.sets import check, read

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
    assert "or like percentages: divide by 100" in said
    findings = check.check_dataset(root)
    assert {p.kind for p in findings.problems} == {"pixel_box"}
    if all_of_them:
        assert findings.error is not None
        assert "4 x pixel_box" in findings.error
        assert "which looks like pixels" in findings.error
    else:
        assert findings.boxes == 3


def test_edges_beyond_100_are_no_percentages(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "b": "1 150 20 60 6"}, "val": {"c": GOOD}, "test": {"d": GOOD}})
    said = refused(root)
    assert "which looks like pixels: divide x by" in said
    assert "percent" not in said


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
    findings = check.check_dataset(root)
    assert {p.kind for p in findings.problems} == {"relative_box"}
    assert (findings.error is not None) == all_of_them


def test_voc_boxes_in_shares(tmp_path: Path, make_voc: Make, xml: Callable[..., str]) -> None:
    lists = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}
    root = make_voc(tmp_path, dict.fromkeys("abcd", xml(("dog", *SHARES))), lists)
    said = refused(root)
    assert "Annotations/" in said
    assert "object 1 (dog): expected pixels, got the edges [0.25, 0.4, 0.75, 0.6], which look like shares" in said
    assert {p.kind for p in check.check_dataset(root).problems} == {"relative_box"}


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
    assert "that are all within one pixel and look like shares of the picture (0 to 1): multiply x" in refused(root)


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


def drawn(seed: int = 0, count: int = 24) -> list[tuple[int, int, int, int]]:
    """Edges of boxes anywhere in 40 x 30."""
    rng = np.random.default_rng(seed)
    sides = rng.integers(4, 12, (count, 2))
    firsts = (rng.random((count, 2)) * ([40, 30] - sides)).astype(int)
    return [(int(x), int(y), int(x + w), int(y + h)) for (x, y), (w, h) in zip(firsts, sides, strict=True)]


def write(root: Path, kind: str, boxes: Sequence[tuple[float, ...]], make_picture: Callable[..., None]) -> Path:
    """Two boxes per picture, whose four numbers are written where the format has its own."""
    for stem in range(len(boxes) // 2):
        make_picture(root / f"{stem}.jpg", value=5 * stem)
        pair = boxes[2 * stem : 2 * stem + 2]
        if kind == "voc":
            objects = "".join(
                "<object><name>dog</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>".format(
                    *box
                )
                for box in pair
            )
            (root / f"{stem}.xml").write_text(f"<annotation>{objects}</annotation>")
        elif kind == "yolo":
            (root / f"{stem}.txt").write_text(
                "".join(f"0 {a / 40} {b / 30} {c / 40} {d / 30}\n" for a, b, c, d in pair)
            )
    if kind == "coco":
        document = {
            "images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(len(boxes) // 2)],
            "annotations": [{"image_id": n // 2, "category_id": 1, "bbox": list(box)} for n, box in enumerate(boxes)],
            "categories": [{"id": 1, "name": "dog"}],
        }
        (root / "labels.json").write_text(json.dumps(document))
    return root


def sides(box: tuple[int, int, int, int]) -> tuple[float, ...]:
    x1, y1, x2, y2 = box
    return x1, y1, x2 - x1, y2 - y1


def centre(box: tuple[int, int, int, int]) -> tuple[float, ...]:
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("coco", "bbox looks like [x1, y1, x2, y2], where [x, y, width, height] is expected"),
        ("yolo", "lines look like 'class x1 y1 x2 y2', where 'class x y w h' is expected"),
        ("voc", "xmax and ymax look like a width and a height"),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_boxes_of_another_layout(
    tmp_path: Path, make_picture: Callable[..., None], kind: str, words: str, seed: int
) -> None:
    boxes = [sides(box) for box in drawn(seed)] if kind == "voc" else drawn(seed)
    root = write(tmp_path, kind, boxes, make_picture)
    said = refused(root)
    assert words in said
    assert said.startswith(f"{root}: ")
    assert "other_layout" in [p.kind for p in check.check_dataset(root).problems]


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_of_the_formats_layout_with_slips(
    tmp_path: Path, make_picture: Callable[..., None], kind: str, seed: int
) -> None:
    boxes: list[tuple[float, ...]] = [{"coco": sides, "yolo": centre, "voc": tuple}[kind](box) for box in drawn(seed)]
    for number in range(0, 24, 2):  # half of them over the edge, or the wrong way round
        x, y, third, fourth = boxes[number]
        boxes[number] = (third, fourth, x, y) if kind == "voc" else (x, y, third + 36, fourth)
    dataset = read.load(write(tmp_path, kind, boxes, make_picture))
    assert "other_layout" not in [p.kind for p in dataset.problems]
