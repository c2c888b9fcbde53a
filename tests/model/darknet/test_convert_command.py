"""`python -m model convert` in both directions, through its own parser."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from model.checkpoint import DetectorInfo
from model.commands import convert
from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import exporter, importer, topology

SMALL = DetectorConfig(width=0.05, depth=0.1, sam=True, shortcut="per_feature", dropblock_place="neck")
NAMES = ("ring", "häkchen", "dot 3")
ANCHORS = tuple((float(k), k + 0.25) for k in range(1, 10))


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    convert.add_parser(parser.add_subparsers())
    options = parser.parse_args(["convert", *map(str, arguments)])
    found: int = options.run(options)
    return found


@pytest.fixture
def files(golden: Path, tmp_path: Path) -> Path:
    """mine.weights with its cfg."""
    from seeded import weights

    path = tmp_path / "mine.weights"
    given = weights(topology.sections(SMALL, 3), 1)
    exporter.write(path, DetectorInfo(NAMES, ANCHORS, 64, "letterbox", SMALL), given)
    return path


def test_there_and_back_is_the_same_file(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, tmp_path / "mine.keras", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    # 162 less three for each of 18 residual units, and with three times two of SAM and three [dropout]
    assert document == {"files": [str(tmp_path / "mine.keras")], "classes": 3, "layers": 117, "fresh": []}
    info = checkpoint.read_info(tmp_path / "mine.keras")
    assert (info.class_names, info.anchors, info.size, info.fit) == (NAMES, ANCHORS, 64, "letterbox")
    assert info.detector == SMALL
    assert info.notes == {"source": "mine.weights", "darknet_seen": "0"}
    assert run(tmp_path / "mine.keras", tmp_path / "back.weights") == 0
    assert capsys.readouterr().out.endswith("back.names: 3 classes\n")
    assert files.read_bytes()[20:] == (tmp_path / "back.weights").read_bytes()[20:]
    found = importer.read(tmp_path / "back.weights")
    assert (found.config, found.class_names, found.anchors, found.fit) == (SMALL, NAMES, ANCHORS, "letterbox")


def test_other_class_names_start_fresh_output_maps(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.txt").write_text("a\n\nb\n", encoding="utf-8")
    for seed in (0, 1):
        assert run(files, tmp_path / f"{seed}.keras", "--names", tmp_path / "two.txt", "--seed", seed) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" (")[0].split()[-1] for line in lines[1:4]] == [
        "head8_output",
        "head16_output",
        "head32_output",
    ]
    assert all(line.startswith("  fresh from the seed: layer ") for line in lines[1:4])
    first, second = (checkpoint.read_weights(tmp_path / f"{seed}.keras") for seed in (0, 1))
    differing = {name for name in first if not np.array_equal(first[name], second[name])}
    assert differing == {f"head{stride}_output/kernel" for stride in (8, 16, 32)}
    assert checkpoint.read_info(tmp_path / "0.keras").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.keras", "b.keras"), "expected a .weights and a .keras file, in either order"),
        (("a.weights", "b.onnx"), "in either order"),
        (("absent.weights", "b.keras"), "got nothing there"),
        (("absent.keras", "b.weights"), "got nothing there"),
        (("a.keras", "b.weights", "--size", "64"), "--size: expected only if SRC is a .weights file"),
        (("a.weights", "b.keras", "--classes", "0"), "--classes: expected at least 1, got 0"),
        (("yolov4.conv.137", "b.keras"), r"yolov4\.conv\.137: expected a Darknet file .*, got nothing there"),
    ],
)
def test_wrong_input_is_told_before_keras_loads(
    tmp_path: Path, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(convert, "load_keras", lambda: pytest.fail("Keras was loaded"))
    with pytest.raises(ValueError, match=words):
        run(*arguments)


def test_an_input_that_is_no_square_stays_so(files: Path, tmp_path: Path) -> None:
    text = files.with_suffix(".cfg").read_text(encoding="utf-8")
    files.with_suffix(".cfg").write_text(text.replace("width=64", "width=96"), encoding="utf-8")
    run(files, tmp_path / "mine.keras")
    assert checkpoint.read_info(tmp_path / "mine.keras").shape == (64, 96)
    run(tmp_path / "mine.keras", tmp_path / "again.weights")
    again = (tmp_path / "again.cfg").read_text(encoding="utf-8").splitlines()
    assert {"height=64", "width=96"} <= set(again)
    run(files, tmp_path / "other.keras", "--size", "32x64")
    assert checkpoint.read_info(tmp_path / "other.keras").shape == (32, 64)


def test_yolov4_tiny_there_and_back_is_the_same_file(golden: Path, tmp_path: Path) -> None:
    from seeded import weights

    config = replace(YOLOV4_TINY, width=0.1)
    exporter.write(
        tmp_path / "tiny.weights",
        DetectorInfo(("one",), importer.ANCHORS["yolov4-tiny"], 64, "stretch", config),
        weights(topology.sections(config, 1), 1),
    )
    assert run(tmp_path / "tiny.weights", tmp_path / "tiny.keras") == 0
    info = checkpoint.read_info(tmp_path / "tiny.keras")
    assert (info.detector, info.anchors) == (config, importer.ANCHORS["yolov4-tiny"])
    run(tmp_path / "tiny.keras", tmp_path / "again.weights")
    # after the header of 20 bytes, which counts the pictures seen
    assert (tmp_path / "again.weights").read_bytes()[20:] == (tmp_path / "tiny.weights").read_bytes()[20:]
