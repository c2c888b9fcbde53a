"""Crops show the object they are named by."""

import cv2
import numpy as np
import pytest

from data.classification.crops import Crops, square_view
from data.dataset import Example

NAMES = ("dark", "bright")


@pytest.fixture
def crops(tmp_path):
    """On grey a dark object, 20 x 10 at (30, 30), a bright one, 12 x 12, in the corner; and a box without size."""
    image = np.full((100, 120, 3), 128, np.uint8)
    image[30:40, 30:50] = 0
    image[88:100, 108:120] = 255
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), image)
    boxes = np.array([[30, 30, 50, 40], [108, 88, 120, 100], [5, 5, 5, 5]], np.float32)
    return Crops([Example(path, 120, 100, boxes, np.array([0, 1, 0], np.int32))], NAMES)


def test_a_crop_holds_its_object_and_names_its_class(crops):
    assert len(crops) == 2  # the box without size shows nothing
    for number, value in ((0, 0), (1, 255)):
        for seed in range(20):
            view, found = crops.picture(number, 32, np.random.default_rng(seed))
            assert found == number
            assert view.shape == (32, 32, 3)
            # margin 1.9 at most: of 32 px the object's longer side has 16 or more, its area 16 x 8 or more;
            # that in the corner is mirrored beyond the edge, which adds to it
            assert (np.abs(view[..., 0].astype(int) - value) < 40).sum() >= 100


def test_the_plain_view_has_the_object_in_its_middle(crops):
    view, _ = crops.picture(0, 60, None)  # reach 20 * 1.5 = 30 px, so 2 pixels a pixel: 40 x 20 around the middle
    dark = np.argwhere(view[..., 0] < 64)
    np.testing.assert_allclose(dark.mean(axis=0), [29.5, 29.5], atol=1)
    np.testing.assert_allclose(np.ptp(dark, axis=0) + 1, [20, 40], atol=2)
    np.testing.assert_array_equal(view, crops.picture(0, 60, None)[0])


def test_large_objects_are_averaged_and_not_sampled():
    board = (255 * (np.indices((256, 256)).sum(axis=0) % 2)).astype(np.uint8)  # mean 127.5; sampled: black or white
    view = square_view(np.repeat(board[..., None], 3, axis=2), np.array([128.0, 128.0]), 256.0, 64)
    assert np.abs(view[4:-4, 4:-4].astype(int) - 127).max() <= 40


def test_no_usable_box_is_an_error(tmp_path):
    empty = Example(tmp_path / "x.png", 9, 9, np.array([[1, 1, 2, 2]], np.float32), np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="expected at least one box"):
        Crops([empty], NAMES)
