"""Anchors: k-means by IoU."""

import json
from pathlib import Path

import numpy as np
import pytest

from data import __main__ as commands
from data import boxes
from data.dataset import Example
from data.sets import anchors


def test_shape_iou_by_hand() -> None:
    # 10x10 and 20x5 share 10x5 = 50; union 100 + 100 - 50
    assert boxes.shape_iou(np.array([[10.0, 10]]), np.array([[20.0, 5]]), np).tolist() == [[50 / 150]]


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
    # 33.3 px wide at any position; its float32 corners make that 33.299999 or 33.300003
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


YOLOV4 = [(12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)]


def test_masks_deal_out_anchors_and_boxes() -> None:
    wh = np.array([[12, 16], [40, 28], [70, 140], [450, 400.0]])
    found = anchors.anchor_masks(YOLOV4, wh)
    assert [mask.stride for mask in found] == [8, 16, 32]
    assert [mask.anchors for mask in found] == [tuple(YOLOV4[i : i + 3]) for i in (0, 3, 6)]
    assert [mask.share for mask in found] == [0.5, 0.25, 0.25]
    assert [mask.warning for mask in found] == [None, None, None]  # the published ones fit their maps


@pytest.mark.parametrize(
    ("scale", "warned"),
    [
        (1.2, []),
        # The root of 80 x 56 is 67 px, 8 cells of stride 8 are 64; that of 144 x 292 is 205, 8 of stride 16 are 128.
        (
            2,
            [
                "stride 8: expected anchors of at most 8 cells, got 80x56",
                "stride 16: expected anchors of at most 8 cells",
            ],
        ),
        # The roots are 3.5, 6.5 and 8.4; 13, 16.2 and 25.6; 31.2 and more.
        (
            0.25,
            [
                "stride 8: expected anchors of at least one cell (8 px), got 3x4, 4.75x9",
                "stride 16: expected anchors of at least one cell (16 px), got 9x18.75",
                "stride 32: expected anchors of at least one cell (32 px), got 35.5x27.5",
            ],
        ),
    ],
)
def test_masks_that_do_not_fit_their_map_are_reported(scale: float, warned: list[str]) -> None:
    scaled = [(width * scale, height * scale) for width, height in YOLOV4]
    found = [mask.warning for mask in anchors.anchor_masks(scaled, np.array(scaled)) if mask.warning]
    assert len(found) == len(warned)
    assert all(sentence.startswith(start) for sentence, start in zip(found, warned, strict=True))


def test_the_command(tmp_path: Path, make_yolo, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(f"0 0.5 0.5 {0.02 * k} {0.03 * k}\n" for k in range(1, 13))
    root = make_yolo(tmp_path, {"train": {"a": lines}, "val": {"b": "0 .5 .5 .9 .9\n"}})
    assert commands.main(["anchors", str(root), "--size", "416", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["size", "fit", "boxes", "anchors", "mean_iou", "masks", "warnings"]
    assert (document["size"], document["fit"], document["boxes"]) == (416, "stretch", 12)  # of train alone
    wh = np.array([[0.02 * k * 416, 0.03 * k * 416] for k in range(1, 13)])
    found = np.array(document["anchors"])
    assert found.shape == (9, 2)
    # the mean over boxes of the best IoU, once more by plain loops
    best = [
        max(min(w, a) * min(h, b) / (w * h + a * b - min(w, a) * min(h, b)) for a, b in found.tolist())
        for w, h in wh.tolist()
    ]
    assert document["mean_iou"] == pytest.approx(sum(best) / 12)
    assert sum(mask["share"] for mask in document["masks"]) == pytest.approx(1)
    assert commands.main(["anchors", str(root)]) == 0
    assert (
        f"12 boxes at 416 pixels (stretch): mean IoU with the best anchor {np.mean(best):.3f}"
        in capsys.readouterr().out
    )
    assert commands.main(["anchors", str(root), "--size", "100"]) == 2
    assert capsys.readouterr().err == "--size: expected a multiple of 32, got 100\n"


def test_boxes_of_one_small_size_are_warned_of(tmp_path: Path, make_yolo, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_yolo(tmp_path, {"train": {"a": "0 .5 .5 .02 .02\n"}})
    assert commands.main(["anchors", str(root), "--size", "416", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"][-1].startswith(
        "stride 32: expected anchors of at least one cell (32 px)"
    )
