"""The grid picture: boxes drawn where the objects are, cells in place, the same pictures with and without changes."""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import drawing
from data.boxes import IgnoredBoxes
from data.commands import preview as preview_command
from data.commands import preview_grid
from data.commands.preview_grid import GridConfig
from data.config import AugmentConfig
from data.dataset import Example
from data.pictures.picture_files import read_picture

STILL = AugmentConfig(jitter=0, flip_prob=0, mosaic_prob=0, hue=0, saturation=1, exposure=1)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Six dark 64 x 64 pictures, each of a grey of its own, with one box."""
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((64, 64, 3), 10 + 5 * number, dtype=np.uint8))
        boxes = np.array([[10, 30, 40, 60]], dtype=np.float32)
        found.append(Example(path, 64, 64, boxes, np.array([number], dtype=np.int32)))
    return found


NAMES = ["a", "b", "c", "d", "é", "f"]


def cells(path: Path, side: int, columns: int) -> list[np.ndarray]:
    grid = read_picture(path)
    rows = (grid.shape[0] + 4) // (side + 4)
    assert grid.shape == (rows * (side + 4) - 4, columns * (side + 4) - 4, 3)
    return [
        grid[row * (side + 4) :, column * (side + 4) :][:side, :side]
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.parametrize("augment", [None, STILL])
def test_boxes_are_drawn_around_their_pixels(
    examples: list[Example], tmp_path: Path, augment: AugmentConfig | None
) -> None:
    out = tmp_path / "new" / "grid.png"
    preview_grid.write_grid(examples, NAMES, out, GridConfig(augment=augment, side=64, columns=3))
    seen = set()
    for cell in cells(out, 64, 3):
        grey = int(cell[2, 60, 0])
        label = (grey - 10) // 5
        seen.add(label)
        colour = drawing.class_colour(label)
        # the outline's corners are inside the box: 10..39 across, 30..59 down
        for row, column in ((59, 10), (59, 39), (30, 39), (45, 10), (45, 39)):
            assert tuple(cell[row, column].tolist()) == colour
        for row, column in ((60, 10), (59, 40), (59, 9), (45, 20)):
            assert cell[row, column].tolist() == [grey] * 3
    assert seen == set(range(6))


def test_the_same_seed_shows_the_same_pictures_with_and_without_changes(
    examples: list[Example], tmp_path: Path
) -> None:
    def greys(augment: AugmentConfig | None, seed: int) -> list[int]:
        preview_grid.write_grid(
            examples, NAMES, tmp_path / "x.png", GridConfig(augment=augment, side=64, pictures=4, seed=seed)
        )
        return [int(cell[2, 60, 0]) for cell in cells(tmp_path / "x.png", 64, 4)]

    assert greys(None, 0) == greys(STILL, 0)
    assert greys(None, 0) != greys(None, 1)


def test_an_incomplete_last_row_is_white(examples: list[Example], tmp_path: Path) -> None:
    preview_grid.write_grid(examples, NAMES, tmp_path / "x.png", GridConfig(side=64, pictures=4, columns=3))
    assert all((cell == 255).all() for cell in cells(tmp_path / "x.png", 64, 3)[4:])


def test_neighbouring_classes_have_other_colours() -> None:
    colours = np.array([drawing.class_colour(label) for label in range(8)], dtype=int)
    gaps = np.abs(colours[:, None] - colours[None]).sum(axis=-1)
    assert gaps[~np.eye(8, dtype=bool)].min() > 60


@pytest.mark.parametrize("wrong", [{"pictures": 0}, {"side": 8}, {"columns": 0}])
def test_wrong_numbers_are_named(examples: list[Example], tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"preview: {next(iter(wrong))}: expected at least"):
        preview_grid.write_grid(examples, NAMES, tmp_path / "x.png", GridConfig(**wrong))


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    preview_command.add_parser(parser.add_subparsers())
    return parser.parse_args(["preview", *arguments])


@pytest.mark.parametrize("flags", [(), ("--augment",), ("--split", "val", "--pictures", "1")])
def test_the_command_writes_a_picture(tmp_path: Path, make_yolo, flags: tuple[str, ...]) -> None:
    line = "0 0.5 0.5 0.4 0.4\n"
    root = make_yolo(tmp_path / "set", {"train": {"a": line, "b": line}, "valid": {"c": line}, "test": {"d": line}})
    options = parsed(str(root), "--out", str(tmp_path / "grid.png"), "--side", "64", *flags)
    assert options.run(options) == 0
    assert read_picture(tmp_path / "grid.png").shape == (64, 64 if "--split" in flags else 132, 3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--out", "grid.jpg"), "--out: expected a name that ends in .png"),
        (("--out", "x.png", "--split", "all"), "--split: expected one of"),
        (("--out", "x.png", "--seed", "-1"), "--seed: expected 0 or more"),
    ],
)
def test_wrong_input_is_named(tmp_path: Path, make_yolo, flags: tuple[str, ...], message: str) -> None:
    line = "0 0.5 0.5 0.4 0.4\n"
    root = make_yolo(tmp_path / "set", {"train": {"a": line}, "valid": {"c": line}, "test": {"d": line}})
    with pytest.raises(ValueError, match=message):
        preview_command.run(parsed(str(root), *flags))


def test_ignored_boxes_are_drawn_in_grey_where_training_does_not_look(examples: list[Example], tmp_path: Path) -> None:
    ignored = IgnoredBoxes(np.array([[44, 40, 60, 60]], np.float32), np.array([1], np.int32), np.array([True]))
    marked = replace(examples[0], ignored=ignored)

    def corner(augment: AugmentConfig | None) -> list[int]:
        config = GridConfig(augment=augment, side=64, pictures=1)
        preview_grid.write_grid([marked], NAMES, tmp_path / "x.png", config)
        pixel: list[int] = cells(tmp_path / "x.png", 64, 1)[0][59, 59].tolist()
        return pixel

    assert corner(None) == [160] * 3
    assert corner(STILL) == [10] * 3  # the picture's grey: what training sees
