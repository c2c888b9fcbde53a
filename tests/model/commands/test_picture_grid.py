"""The grid that shows pictures with their truth beside the detections."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.dataset import Example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIDE, GAP = 320, 4


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Three black pictures of 64 x 32; the second has no object."""
    made = []
    for k in range(3):
        path = tmp_path / f"{k}.png"
        cv2.imwrite(str(path), np.zeros((32, 64, 3), np.uint8))
        boxes = np.array([[8, 8, 24, 24]] if k != 1 else np.zeros((0, 4)), np.float32)
        made.append(Example(path, 64, 32, boxes, np.zeros(len(boxes), np.int32)))
    return made


def test_truth_is_on_the_left_and_confident_detections_on_the_right(examples: list[Example], tmp_path: Path) -> None:
    from model.commands import picture_grid

    boxes = np.array([[32, 8, 48, 24], [8, 8, 24, 24]], np.float32)
    found = (boxes, np.array([0, 0], np.int32), np.array([0.9, 0.01], np.float32))
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    picture_grid.write(tmp_path / "new" / "grid.png", examples, [found, nothing, nothing], ["cat"])
    grid = cv2.imread(str(tmp_path / "new" / "grid.png"))
    assert grid.shape == (SIDE, 4 * SIDE + 3 * GAP, 3)  # two pictures with objects, side by side with themselves
    # 64 x 32 pixels become 320 x 160, five times as large, below 80 grey rows: the left edge of a box from x 8 and y 8
    # to y 24 is the column at 40, rows 120 to 200
    middle = 160

    def drawn(column: int) -> bool:
        """Whether a line runs through the middle row near this column of the grid."""
        return bool(grid[middle, column - 2 : column + 3].any())

    second = SIDE + GAP
    assert drawn(8 * 5)
    assert not drawn(32 * 5)
    assert drawn(second + 32 * 5)
    assert not drawn(second + 8 * 5)  # its score is too low
    assert drawn(2 * second + 8 * 5)
    assert not drawn(3 * second + 8 * 5)  # nothing was detected


def test_pictures_without_any_object_are_shown_too(examples: list[Example], tmp_path: Path) -> None:
    from model.commands import picture_grid

    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    picture_grid.write(tmp_path / "grid.jpg", examples[1:2], [nothing], ["cat"])
    assert cv2.imread(str(tmp_path / "grid.jpg")).shape == (SIDE, 2 * SIDE + GAP, 3)


def test_another_suffix_is_refused_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    from model.__main__ import main

    words = ["evaluate", "--weights", "nothing.keras", "--data", "nowhere", "--pictures", "grid.gif"]
    assert main(words) == 2
    assert "--pictures grid.gif: expected a name that ends in .jpg or .png" in capsys.readouterr().err
