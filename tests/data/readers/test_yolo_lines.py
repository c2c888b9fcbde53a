"""Polygons, turned boxes and poses in YOLO's label files: the box of each is read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.dataset import DatasetError
from data.sets import read

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"


def boxes_of(tmp_path: Path, make_yolo: Make, text: str, yaml: str = "names: [cat, dog]\n") -> np.ndarray:
    """Boxes of the one training picture, of 40 x 30; the other splits have one line of the same form."""
    first = text.splitlines()[0] + "\n"
    root = make_yolo(tmp_path, {"train": {"a": text}, "val": {"c": first}, "test": {"d": first}}, yaml)
    return read.load(root).splits["train"][0].boxes


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 .25 .2 .5 .2 .5 .6", (10, 6, 20, 18)),
        ("0 .5 .1 .75 .3 .5 .5 .25 .3", (10, 3, 30, 15)),  # four corners of a turned box (OBB)
        ("0 .25 .2 .5 .2 .5 .6 .3 .9 .1 .7", (4, 6, 20, 27)),
        ("0 .25 .2 .5 .2 .5 .6 .25 .2", (10, 6, 20, 18)),  # closed
        ("0 -.01 .2 .5 .2 .5 1.02", (0, 6, 20, 30)),  # a little over the edge
    ],
)
def test_the_box_around_a_polygon(tmp_path: Path, make_yolo: Make, line: str, box: tuple[float, ...]) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD + line + "\n"}, "val": {"c": GOOD}, "test": {"d": GOOD}})
    dataset = read.load(root)
    np.testing.assert_allclose(dataset.splits["train"][0].boxes, [(10, 12, 30, 18), box], atol=1e-4)
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        ("box_from_segmentation", "train/labels/a.txt", "1 of 2 lines are polygons: the box around each is used")
    ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=3, max_size=9))
def test_no_corner_lies_outside_of_its_box(
    tmp_path_factory: pytest.TempPathFactory, make_yolo: Make, corners: list[tuple[float, float]]
) -> None:
    xs, ys = zip(*corners, strict=True)
    line = "0 " + " ".join(f"{x:.9f} {y:.9f}" for x, y in corners) + "\n"
    root = make_yolo(
        tmp_path_factory.mktemp("polygons"), {"train": {"a": GOOD + line}, "val": {"c": GOOD}, "test": {"d": GOOD}}
    )
    boxes = read.load(root, strict=False).splits["train"][0].boxes
    if max(xs) - min(xs) > 1e-3 and max(ys) - min(ys) > 1e-3:
        np.testing.assert_allclose(
            boxes[1], [40 * min(xs), 30 * min(ys), 40 * max(xs), 30 * max(ys)], rtol=1e-5, atol=1e-4
        )


BOX = "0 0.5 0.4 0.5 0.2"  # (10, 9, 30, 15)
POSES = {
    "two of three": " 0.5 0.45 2 0.4 0.4 1",
    "two of three, one not seen": " 0.5 0.45 2 0 0 0",
    "one of three": " 0.5 0.45 2",
    "five of three": " 0.5 0.45 2 0.4 0.4 1 0 0 0 .6 .4 2 .6 .45 2",
    "four of two": " 0.5 0.45 0.4 0.4 0.6 0.35 0.3 0.42",
}
SHAPES = {
    "two of three": "[2, 3]",
    "two of three, one not seen": "[2, 3]",
    "one of three": "[1, 3]",
    "five of three": "[5, 3]",
    "four of two": "[4, 2]",
}


@pytest.mark.parametrize("what", POSES)
@pytest.mark.parametrize("said", [False, True])
def test_the_box_of_a_pose(tmp_path: Path, make_yolo: Make, what: str, said: bool) -> None:
    yaml = f"names: [cat]\nkpt_shape: {SHAPES[what]}\n" if said else "names: [cat]\n"
    text = (BOX + POSES[what] + "\n") * 2
    labels = {"train": {"a": text, "b": ""}, "val": {"c": text}, "test": {"d": text}}
    dataset = read.load(make_yolo(tmp_path, labels, yaml))
    np.testing.assert_allclose(dataset.splits["train"][0].boxes, [(10, 9, 30, 15)], atol=1e-4)
    assert {p.kind for p in dataset.problems} == {"keypoints_left_out", "duplicate_box", "empty_label_file"}
    (reported,) = (p for p in dataset.problems if p.kind == "keypoints_left_out")
    assert reported.file == ("data.yaml" if said else "train/labels/a.txt")
    numbers = SHAPES[what].strip("[]").split(", ")
    assert reported.detail == f"{numbers[0]} keypoints of {numbers[1]} numbers after each box: only the boxes are read"


def test_a_line_of_a_pose_set_may_have_no_keypoints_and_none_has_others(tmp_path: Path, make_yolo: Make) -> None:
    yaml = "names: [cat]\nkpt_shape: [2, 3]\n"
    text = BOX + POSES["two of three"] + "\n0 .2 .2 .1 .1\n"
    labels = {"train": {"a": text, "b": text + BOX + " .1 .1 .2 .2\n"}, "val": {"c": text}, "test": {"d": text}}
    with pytest.raises(DatasetError, match=r"b.txt: line 3: expected 'class x y w h' and 2 keypoints of 3 numbers"):
        read.load(make_yolo(tmp_path, labels, yaml))


@pytest.mark.parametrize("what", ["two of three", "one of three"])
def test_poses_among_boxes_without_keypoints(tmp_path: Path, make_yolo: Make, what: str) -> None:
    boxes = boxes_of(tmp_path, make_yolo, BOX + POSES[what] + "\n0 .5 .5 .5 .2\n")
    np.testing.assert_allclose(boxes, [(10, 9, 30, 15), (10, 12, 30, 18)], atol=1e-4)


def test_polygons_among_boxes_are_no_poses(tmp_path: Path, make_yolo: Make) -> None:
    boxes = boxes_of(tmp_path, make_yolo, "0 .5 .5 .9 .4 .95 .5 1 .7 .6 1\n0 .5 .5 .5 .2\n")
    np.testing.assert_allclose(boxes, [(20, 12, 40, 30), (10, 12, 30, 18)], atol=1e-4)


def test_polygons_that_have_as_many_numbers_as_a_pose_are_polygons(tmp_path: Path, make_yolo: Make) -> None:
    # Five corners, two of them on the picture's edges where a pose has its "visible"; the other lines have no such.
    clipped = "0 .5 .5 .9 .4 .95 .5 1 .7 .6 1\n"
    other = "0 .2 .2 .4 .2 .5 .3 .4 .5 .2 .4\n"
    boxes = boxes_of(tmp_path, make_yolo, clipped + other)
    np.testing.assert_allclose(boxes, [(20, 12, 40, 30), (8, 6, 20, 15)], atol=1e-4)


def test_turned_boxes_alone_are_no_poses(tmp_path: Path, make_yolo: Make) -> None:
    text = "0 .5 .1 .75 .3 .5 .5 .25 .3\n1 .1 .1 .3 .1 .3 .2 .1 .2\n"
    np.testing.assert_allclose(boxes_of(tmp_path, make_yolo, text), [(10, 3, 30, 15), (4, 3, 12, 6)], atol=1e-4)


@pytest.mark.parametrize("shape", ["17", "[17]", "[a, b]", "[0, 3]", "{a: 1}", "[[1], 2]"])
def test_a_shape_that_is_none_is_one_sentence(tmp_path: Path, make_yolo: Make, shape: str) -> None:
    with pytest.raises(DatasetError, match=r"data\.yaml: kpt_shape: expected two counts, such as \[17, 3\], got"):
        boxes_of(tmp_path, make_yolo, BOX + "\n", f"names: [cat]\nkpt_shape: {shape}\n")


def test_six_numbers_are_reported_as_what_they_may_be(tmp_path: Path, make_yolo: Make) -> None:
    with pytest.raises(DatasetError, match=r"the sixth number may be a prediction's confidence, or an angle"):
        boxes_of(tmp_path, make_yolo, BOX + " 0.9\n")
