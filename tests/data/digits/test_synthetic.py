"""The embedded data set: the same for a seed, digits disjoint, boxes tight."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from data.dataset import SPLITS
from data.digits import scenes, synthetic
from data.sets import read

FEW = {"train": 4, "val": 2, "test": 2}


def test_digits_of_all_slices_and_splits_are_disjoint_and_all_used() -> None:
    sets = [set(scenes.digit_indices(part, split).tolist()) for part in scenes.SLICES for split in SPLITS]
    for one, other in itertools.combinations(sets, 2):
        assert not one & other
    assert set().union(*sets) == set(range(1797))


def test_scenes_use_the_digits_of_their_split_only() -> None:
    for part, split in itertools.product(scenes.SLICES, SPLITS):
        allowed = set(scenes.digit_indices(part, split).tolist())
        used = {number for i in range(5) for number in scenes.draw_scene(0, split, i, 96, part).sources.tolist()}
        assert used
        assert used <= allowed


def test_a_scene_is_a_function_of_its_key() -> None:
    one, again = (scenes.draw_scene(3, "val", 7, 96, "target") for _ in range(2))
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.boxes, again.boxes)
    others = [(4, "val", 7, "target"), (3, "test", 7, "target"), (3, "val", 8, "target"), (3, "val", 7, "base")]
    for seed, split, number, part in others:
        assert not np.array_equal(one.image, scenes.draw_scene(seed, split, number, 96, part).image)


def test_sizes_places_and_overlaps() -> None:
    sides = []
    for number in range(60):
        scene = scenes.draw_scene(1, "train", number, 96, "target")
        assert 1 <= len(scene.boxes) <= 3
        assert scene.boxes.min() >= 0
        assert scene.boxes.max() <= 96
        sides += (scene.boxes[:, 2:] - scene.boxes[:, :2]).max(axis=1).tolist()
        for a, b in itertools.combinations(scene.boxes, 2):
            common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
            assert common <= 0.06 * min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))
    assert 29 <= min(sides) <= 33
    assert 54 <= max(sides) <= 60


def test_a_written_set_reads_back_with_the_same_boxes(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path / "embedded", seed=5, images=FEW)
    dataset = read.load(root)
    assert dataset.format == "yolo"
    assert dataset.class_names == tuple("0123456789")
    assert {split: len(examples) for split, examples in dataset.splits.items()} == FEW
    assert dataset.problems == ()
    scene = scenes.draw_scene(5, "train", 0, 96, "target")
    np.testing.assert_allclose(dataset.splits["train"][0].boxes, scene.boxes, atol=1e-3)
    assert dataset.splits["train"][0].classes.tolist() == scene.classes.tolist()


def test_a_complete_set_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = synthetic.write(tmp_path / "embedded", seed=5, images=FEW)
    monkeypatch.delattr(scenes, "draw_scene")
    assert synthetic.write(root, seed=5, images=FEW) == root


def test_a_set_that_was_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, "draw_scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthetic.write(tmp_path / "embedded", seed=5, images=FEW)
    assert list(tmp_path.iterdir()) == []


def test_writing_again_touches_nothing_and_other_parameters_write_anew(tmp_path: Path) -> None:
    root = synthetic.write(tmp_path / "embedded", seed=5, images=FEW)
    picture = root / "train" / "images" / "scene_00000.png"
    written, content = picture.stat().st_mtime_ns, picture.read_bytes()
    assert synthetic.write(root, seed=5, images=FEW) == root
    assert picture.stat().st_mtime_ns == written
    synthetic.write(root, seed=6, images=FEW)
    assert picture.read_bytes() != content
    synthetic.write(root, seed=5, images=FEW)
    assert picture.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["embedded"]  # nothing temporary is left


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="other files"):
        synthetic.write(tmp_path, seed=5, images=FEW)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("wrong", "message"), [({"size": 8}, "size"), ({"digits": "all"}, "digits"), ({"images": {"train": 3}}, "images")]
)
def test_wrong_parameters_are_named(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        synthetic.write(tmp_path / "x", **({"seed": 0} | wrong))
