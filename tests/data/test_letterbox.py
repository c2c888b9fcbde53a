"""Fitting a picture to the network, and its inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import letterbox

sides = st.integers(1, 4000)
shares = st.floats(0, 1)


@given(sides, sides, st.sampled_from([32, 64, 416, 608]), st.sampled_from(["stretch", "letterbox"]), shares, shares)
def test_to_network_and_back_changes_nothing(width, height, size, fit, x, y) -> None:
    how = letterbox.transform(width, height, size, fit)
    box = np.array([[0, 0, x * width, y * height], [x * width / 2, y * height / 2, width, height]])
    np.testing.assert_allclose(how.to_picture(how.to_network(box)), box, atol=2e-6 * max(width, height) + 1e-3)
    inside = how.to_network(box)
    assert inside.min() >= -1e-3
    assert inside.max() <= size + 1e-3


def test_letterbox_of_a_wide_picture() -> None:
    # 640 x 480 in 416: scale 0.65 -> 416 x 312, so (416 - 312) / 2 = 52 rows of grey above
    image = np.full((480, 640, 3), 200, dtype=np.uint8)
    fitted, how = letterbox.fit_picture(image, 416, "letterbox")
    assert fitted.shape == (416, 416, 3)
    assert (fitted[:52] == 127).all()
    assert (fitted[52:364] == 200).all()
    assert (fitted[364:] == 127).all()
    assert how.to_network(np.array([0, 0, 640, 480])).tolist() == pytest.approx([0, 52, 416, 364])


def test_stretch_fills_the_input() -> None:
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    image[120:240, 320:480] = 255
    fitted, how = letterbox.fit_picture(image, 64, "stretch")
    # 120/480, 240/480 of 64 rows; 320/640, 480/640 of 64 columns
    assert how.to_network(np.array([320, 120, 480, 240])).tolist() == [32, 16, 48, 32]
    assert (fitted[16:32, 32:48] == 255).all()
    assert fitted.sum() == 16 * 16 * 3 * 255


def test_a_transform_after_shrinking() -> None:
    # 1000 px wide picture stored at 500 (factor 0.5), then stretched to 250 (factor 0.5): 0.25 in all
    how = letterbox.Transform(0.5, 0.5, 10, 0).after(0.5, 0.5)
    assert how.to_network(np.array([0, 0, 1000, 1000])).tolist() == [10, 0, 260, 250]
