"""`predict` on folders, patterns and arrays, its raw output maps, and its drawings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.drawing import class_colour
from model import __main__ as command
from model import checkpoint
from model.commands import images, shared
from model.detection import drawing
from model.detection.predict import Detections

pytestmark = pytest.mark.medium


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one of them in a subfolder, and a file that is not a picture."""
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("b.png", "a.JPG", "deep/ü c.png"):
        content = cv2.imencode(Path(name).suffix.lower(), rng.integers(0, 255, (48, 80, 3), np.uint8))[1]
        (root / name).write_bytes(content.tobytes())
    (root / "notes.txt").write_text("no picture")
    return root


def test_folders_patterns_and_names_once_each_in_order(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in images.expand([str(folder)])]
    assert names == ["a.JPG", "b.png"]  # not what lies deeper, not what is no picture
    everything = images.expand([str(folder / "b.png"), str(folder / "**" / "*"), str(folder)])
    assert [path.name for path in everything] == ["b.png", "a.JPG", "ü c.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "[a].png"
    odd.write_bytes(b"")
    assert images.expand([str(odd)]) == [odd]


def test_a_folder_is_seen_and_drawn(
    weights: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command.main(["predict", str(folder / "**" / "*"), "--weights", str(weights), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(" found") for line in lines) == 3
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "ü c.png"]


def damage(folder: Path) -> dict[str, str]:
    """Files that are not pictures, each for another reason: name -> what the note on it must say."""
    whole = (folder / "b.png").read_bytes()
    (folder / "page.jpg").write_text("<html>not found</html>")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(whole[:60])
    start = whole.index(b"IDAT") + 30
    (folder / "worm.png").write_bytes(
        whole[:start] + bytes(99) + whole[start + 99 :]
    )  # its header and its end are whole
    np.save(folder / "x.npy", np.zeros((5, 5)))
    words = "expected a picture, got"
    return {
        "page.jpg": f"{words} a web page",
        "empty.png": f"{words} an empty file",
        "cut.png": "expected a whole picture, got a file that was cut short",
        "worm.png": "expected a picture",
        "x.npy": "expected an array of float32",
    }


def test_what_is_no_picture_in_a_folder_is_skipped_with_a_word(
    weights: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = damage(folder)
    out = tmp_path / "out"
    arguments = ["--weights", str(weights), "--json", "--out", str(out)]
    assert command.main(["predict", str(folder), str(folder / "deep" / "*"), *arguments]) == 0
    seen, told = capsys.readouterr()
    assert [Path(one["image"]).name for one in json.loads(seen)] == ["a.JPG", "b.png", "ü c.png"]
    lines = told.splitlines()
    assert len(lines) == len(wrong)
    for name, words in wrong.items():
        (line,) = [line for line in lines if line.startswith(f"{folder / name}: ")]
        assert words in line
        assert line.endswith("; skipped")
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "ü c.png"]


@pytest.mark.parametrize("name", ["page.jpg", "empty.png", "cut.png", "worm.png", "x.npy"])
def test_one_that_is_named_is_an_error_still(
    name: str, weights: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = damage(folder)[name]
    path = folder / name
    assert command.main(["predict", str(folder / "b.png"), str(path), "--weights", str(weights), "--json"]) == 2
    out, told = capsys.readouterr()
    assert out == ""
    assert told.startswith(f"{path}: ")
    assert words in told
    assert "skipped" not in told


def test_a_folder_without_any_picture_that_can_be_read(
    weights: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder)
    for name in ("a.JPG", "b.png", "worm.png"):
        (folder / name).unlink()
    assert command.main(["predict", str(folder), "--weights", str(weights)]) == 2
    assert f"{folder}: expected pictures that can be read, got none" in capsys.readouterr().err


def test_an_array_is_what_the_network_sees(
    weights: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = cv2.imread(str(folder / "b.png"))[:, :, ::-1]
    array = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    np.save(tmp_path / "x.npy", array)
    heads = tmp_path / "heads.npz"
    arguments = ["predict", str(tmp_path / "x.npy"), "--weights", str(weights), "--heads", str(heads), "--json"]
    assert command.main(arguments) == 0
    boxes = np.array([one["box"] for one in json.loads(capsys.readouterr().out)[0]["detections"]])
    assert boxes.max() <= 64  # in the array's own pixels
    model, _ = checkpoint.load_detector(weights)
    with np.load(heads) as found:
        assert list(found) == ["stride_8", "stride_16", "stride_32"]
        for name, raw in zip(found, model(array[None], training=False), strict=True):
            np.testing.assert_allclose(found[name], raw, atol=1e-5)
        assert found["stride_8"].shape == (1, 8, 8, 3 * (5 + 2))


def test_an_array_may_have_another_size_than_the_checkpoint(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((32, 96, 3), np.float32))
    arguments = ["predict", str(tmp_path / "x.npy"), "--weights", str(weights)]
    assert command.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert command.main([*arguments, "--size", "64"]) == 2
    expected = "expected an array at the network's size 64x64 (height x width), got 32x96"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((64, 64, 3)),
        np.zeros((64, 64), np.float32),
        np.zeros((64, 60, 3), np.float32),
        np.zeros((0, 64, 3), np.float32),
        np.full((32, 32, 3), 1.5, np.float32),
        np.full((32, 32, 3), np.nan, np.float32),
        np.array([{}], object),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=r"x.npy: expected an array of float32 \[h, w, 3\] in 0..1"):
        images.read_array(tmp_path / "x.npy")


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((32, 32, 3), np.float32))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content.replace(b"(32, 32, 3)", b"(99968, 99968, 3)"))
    with pytest.raises(ValueError, match=r"x.npy: expected an array"):
        images.read_array(tmp_path / "x.npy")


def test_boxes_are_drawn_where_they_are() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    found = Detections(np.array([[20, 40, 120, 90]], np.float32), np.array([1], np.int32), np.array([0.5], np.float32))
    drawn = drawing.draw(picture, found, ("ä", "b"))
    assert not picture.any()  # a copy
    colour = list(class_colour(1))
    for x, y in ((20, 60), (120, 60), (70, 40), (70, 90)):
        assert drawn[y, x].tolist() == colour
    assert not drawn[60:80, 40:100].any()  # the inside is left alone
    assert drawn[28:38, 20:60].any()  # the label above it
    assert class_colour(0) != class_colour(1)


def test_a_box_does_not_cross_out_the_label_of_another() -> None:
    # The better box comes last and its left edge runs down through the other one's label.
    boxes = np.array([[60, 20, 200, 280], [20, 100, 180, 200]], np.float32)
    found = Detections(boxes, np.array([1, 0], np.int32), np.array([0.9, 0.5], np.float32))
    drawn = drawing.draw(np.zeros((300, 300, 3), np.uint8), found, ("long name", "b"))
    line = list(class_colour(1))
    assert drawn[150, 60].tolist() == line
    assert line not in drawn[90:99, 60].tolist()


def test_who_stops_reading_is_told_nothing(weights: Path, folder: Path) -> None:
    command_line = [sys.executable, "-m", "model", "predict", str(folder), "--weights", str(weights)]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(command_line, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_label_without_room_above_lies_inside() -> None:
    found = Detections(np.array([[0, 0, 199, 99]], np.float32), np.array([0], np.int32), np.array([0.5], np.float32))
    drawn = drawing.draw(np.zeros((100, 200, 3), np.uint8), found, ("ä",))
    assert drawn[3:12, 4:40].any()


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(shared.progress(range(3), 3, "label")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
