"""Anchors: k-means by IoU."""

from pathlib import Path

import numpy as np
import pytest

from data import anchors
from data.example import Example


def test_shape_iou_by_hand() -> None:
    # 10x10 and 20x5 share 10x5 = 50; union 100 + 100 - 50
    assert anchors.shape_iou(np.array([[10.0, 10]]), np.array([[20.0, 5]])).tolist() == [[50 / 150]]


def test_clusters_are_found_and_sorted_by_area() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[10, 10], [40, 20], [30, 90.0]])
    wh = np.concatenate([centre * rng.uniform(0.95, 1.05, (50, 2)) for centre in centres[[2, 0, 1]]])
    found = anchors.kmeans(wh, 3, seed=1)
    np.testing.assert_allclose(found, centres, rtol=0.03)
    assert anchors.mean_iou(wh, found) > 0.93


def test_the_seed_decides() -> None:
    wh = np.random.default_rng(0).uniform(5, 100, (200, 2))
    assert anchors.kmeans(wh, 9, seed=4).tolist() == anchors.kmeans(wh, 9, seed=4).tolist()
    assert anchors.kmeans(wh, 9, seed=4).tolist() != anchors.kmeans(wh, 9, seed=5).tolist()


def test_more_anchors_fit_better() -> None:
    wh = np.random.default_rng(0).uniform(5, 100, (200, 2))
    assert anchors.mean_iou(wh, anchors.kmeans(wh, 9)) > anchors.mean_iou(wh, anchors.kmeans(wh, 3))


def test_fewer_sizes_than_anchors() -> None:
    found = anchors.kmeans(np.full((5, 2), 20.0), 9)
    assert found.shape == (9, 2)
    assert len(np.unique(found, axis=0)) == 9
    assert anchors.mean_iou(np.full((5, 2), 20.0), found) == pytest.approx(1)


def test_one_size_at_many_places_is_one_size() -> None:
    # 33.3 px wide wherever it stands; its float32 corners make that 33.299999 or 33.300003
    corners = np.array([[x, x / 2, x + 33.3, x / 2 + 21.1] for x in np.linspace(0, 300, 50)], dtype=np.float32)
    assert len(np.unique(corners[:, 2:] - corners[:, :2], axis=0)) > 9
    example = Example(Path("x"), 416, 416, corners, np.zeros(50, dtype=np.int32))
    found = anchors.for_dataset([example], 416, "stretch")
    assert len(set(found)) == 9
    assert (33.3, 21.1) in found


def test_for_dataset_is_in_network_pixels() -> None:
    box = np.array([[0, 0, 64, 48]], dtype=np.float32)  # a tenth of each side
    example = Example(Path("x"), 640, 480, box, np.zeros(1, dtype=np.int32))
    assert anchors.for_dataset([example], 416, "stretch", k=1) == ((41.6, 41.6),)
    assert anchors.for_dataset([example], 416, "letterbox", k=1) == ((41.6, 31.2),)


def test_no_boxes_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one box"):
        anchors.for_dataset([], 416, "stretch")
