"""`python -m model`: the JSON of surface.md, and one sentence with exit code 2 for wrong input."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.command_line import report_problems
from model import __main__ as command
from model import checkpoint
from model.checkpoint import DetectorInfo
from model.commands import evaluate, predict
from model.config import DetectorConfig
from model.network import architecture

SIDE = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO data set of four pictures with classes "red" and "blue", split train/val."""
    root = tmp_path_factory.mktemp("data")
    (root / "data.yaml").write_text("train: train/images\nval: val/images\nnc: 2\nnames: [red, blue]\n")
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (root / split / "images").mkdir(parents=True)
        (root / split / "labels").mkdir()
        for k in range(2):
            picture = rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)
            cv2.imwrite(str(root / split / "images" / f"{split}{k}.png"), picture)
            label = ("0 0.5 0.5 0.25 0.5\n", "1 0.05 0.05 0.02 0.02\n")[k]  # blue is smaller than any anchor
            (root / split / "labels" / f"{split}{k}.txt").write_text(label)
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained detector that detects its anchors everywhere; its classes are in another order than the data's."""
    info = DetectorInfo(
        class_names=("blue", "red"),
        anchors=tuple((8.0 * k, 10.0 * k) for k in range(1, 10)),
        size=64,
        fit="stretch",
        detector=DetectorConfig(width=0.05, depth=0.1),
    )
    model = architecture.build(info.detector, 2)
    for stride in (8, 16, 32):  # objectness .5 and class "red" .73 in each anchor of each cell
        model.get_layer(f"head{stride}_output").bias.assign([0, 0, 0, 0, 0, -9, 1] * 3)
    path = tmp_path_factory.mktemp("weights") / "detector.keras"
    checkpoint.save_detector(path, model, info)
    return path


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["summary", "--width", "0.125", "--depth", "0.1", "--size", "96", "--classes", "3"]
    assert command.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"total", "trainable", "convolutions", "bflops", "outputs"}
    assert found["outputs"] == [[12, 12, 24], [6, 6, 24], [3, 3, 24]]
    assert command.main(arguments) == 0
    assert f"{found['total']:,}" in capsys.readouterr().out


def test_summary_of_variants_and_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["summary", "--variant", "yolov4-tiny", "--json"]) == 0
    tiny = json.loads(capsys.readouterr().out)
    # reference 2: 21 convolutions, 6,056,606 trainable, 6.910 BFLOPs
    assert (tiny["trainable"], tiny["convolutions"], tiny["bflops"]) == (6_056_606, 21, 6.910)
    assert tiny["outputs"] == [[26, 26, 255], [13, 13, 255]]
    assert (
        command.main(["summary", "--preset", "paper", "--width", "0.125", "--size", "320x512", "--classes", "3"]) == 0
    )
    paper = capsys.readouterr().out
    assert "yolov4 (paper), 3 classes, 320x512 (height x width)" in paper
    assert "convolutions  113" in paper  # reference 1.5: SAM in each head adds three to the 110
    assert "40x64x24, 20x32x24, 10x16x24" in paper


def test_evaluate(weights: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--weights", str(weights), "--data", str(folder)]
    assert command.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"map50", "map50_95", "map75", "images", "per_class", "classes", "protocol"}
    assert {row["name"]: row["map50_95"] for row in found["classes"]} == found["per_class"]
    assert found["map50"] == pytest.approx(np.mean([row["map50"] for row in found["classes"]]))
    assert found["images"] == 2
    assert found["per_class"].keys() == {"red", "blue"}
    # Only red is ever shown, and of its anchors one (16 x 20 px, on the cells around the centre) is near the
    # truth of 16 x 32: found, so the classes were joined by name and not by number.
    assert found["per_class"]["red"] > 0
    assert found["per_class"]["blue"] == 0
    assert command.main([*arguments, "--nms", "plain", "--size", "64x96"]) == 0
    table = capsys.readouterr().out
    assert "COCO's protocol" in table
    assert "2 pictures at 64x96 (height x width, stretch), score above 0.005, plain NMS at 0.45" in table
    assert [line.split()[:2] for line in table.splitlines()[-3:]] == [["blue", "1"], ["red", "1"], ["all", "classes"]]


def test_evaluate_as_darknet(weights: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--weights", str(weights), "--data", str(folder), "--protocol", "darknet"]
    assert command.main([*arguments, "--points", "11", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["protocol"], found["points"], found["map50_95"]) == ("darknet", 11, None)
    assert found["map50"] == pytest.approx(np.mean(list(found["per_class"].values())))
    assert found["per_class"]["blue"] == 0
    assert command.main(arguments) == 0
    table = capsys.readouterr().out
    assert "Darknet's protocol (detector map): AP at IoU .5, area under the curve" in table
    assert "F1" in table


def test_predict_says_and_draws(
    weights: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = folder / "val" / "images" / "val0.png"
    arguments = ["predict", str(picture), "--weights", str(weights), "--out", str(tmp_path / "drawn")]
    assert command.main([*arguments, "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)
    assert [document["image"] for document in documents] == [str(picture)]
    first = documents[0]["detections"][0]
    assert first["class"] == "red"
    assert first["score"] == pytest.approx(0.5 / (1 + np.exp(-1)), abs=1e-5)
    boxes = np.array([one["box"] for one in documents[0]["detections"]])
    assert boxes.min() >= 0
    assert boxes.max() <= SIDE  # pixels of the picture, not of the network's 64
    assert boxes.max() > 64
    drawn = cv2.imread(str(tmp_path / "drawn" / "val0.png"))
    assert drawn is not None
    assert drawn.shape == (SIDE, SIDE, 3)
    assert np.any(drawn != cv2.imread(str(picture)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["summary", "--classes", "0"], "--classes: expected at least 1"),
        (["summary", "--width", "0"], "detector.width: expected above 0"),
        (["evaluate", "--weights", "WEIGHTS", "--data", "nowhere"], "nowhere: expected the folder of a data set"),
        (["evaluate", "--weights", "none.keras", "--data", "DATA"], "none.keras: expected a checkpoint file"),
        (["evaluate", "--weights", "WEIGHTS", "--data", "DATA", "--score", "2"], "post.score"),
        (["predict", "none.png", "--weights", "WEIGHTS"], "none.png: expected a picture"),
        (["predict", "WEIGHTS", "--weights", "WEIGHTS"], "expected a picture"),
        (["predict", "EMPTY", "--weights", "WEIGHTS"], "expected pictures in it, got none"),
        (["predict", "none/*.png", "--weights", "WEIGHTS"], "expected a pattern that matches pictures, got none"),
        (["predict", "PICTURE", "--weights", "none.onnx"], "none.onnx: expected a file, got nothing there"),
        (["predict", "PICTURE", "--weights", "EMPTY"], "expected a SavedModel, got a folder without saved_model.pb"),
        (["predict", "PICTURE", "--weights", "WEIGHTS", "--variant", "yolov4-tiny"], "--variant: expected yolov4"),
        (["predict", "PICTURE", "--weights", "WEIGHTS", "--classes", "3"], "--classes: expected 2 classes"),
        (["predict", "PICTURE", "PICTURE2", "--weights", "WEIGHTS", "--heads", "a.npz"], "expected one picture"),
        (["predict", "PICTURE", "--weights", "WEIGHTS", "--heads", "a.txt"], "a name that ends in .npz"),
        (["summary", "--variant", "yolov4-tiny", "--preset", "paper"], "--preset: expected darknet"),
        (["summary", "--variant", "yolov4-tiny", "--depth", "0.5"], "detector.depth"),
        (["evaluate", "--weights", "WEIGHTS", "--data", "DATA", "--points", "11"], "expected --protocol darknet"),
        (["export", "WEIGHTS", "--to", "onnx", "--out", "a.tflite"], "a name that ends in .onnx"),
        (["export", "WEIGHTS", "--to", "saved_model", "--out", "EMPTY"], "expected no file or folder there"),
        (["export", "WEIGHTS", "--to", "tflite", "--out", "a.tflite", "--score", "1"], "--score: expected --nms"),
        (["export", "WEIGHTS", "--to", "saved_model", "--out", "a", "--dtype", "float16"], "expected --to tflite"),
        (["export", "WEIGHTS", "--to", "darknet", "--out", "a.weights", "--decode"], "hold only weights"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], words: str, weights: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = folder / "val" / "images"
    places = {"WEIGHTS": str(weights), "DATA": str(folder), "EMPTY": str(tmp_path)}
    places |= {"PICTURE": str(pictures / "val0.png"), "PICTURE2": str(pictures / "val1.png")}
    assert command.main([places.get(argument, argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("split", "other", "refusal"),
    [
        ("val", "test", "expected a split 'test', or 'train' to cut it from, found only ['val']"),
        ("test", "val", "val: expected a folder, got 'val/images', which does not exist"),
    ],
)
def test_a_folder_with_that_split_alone_is_evaluated(
    weights: Path, folder: Path, tmp_path: Path, split: str, other: str, refusal: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "data.yaml").write_text((folder / "data.yaml").read_text() + "test: test/images\n")
    shutil.copytree(folder / "val", tmp_path / split)  # train/images is named, and lies on another machine
    arguments = ["evaluate", "--weights", str(weights), "--data", str(tmp_path)]
    assert command.main([*arguments, "--split", split, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 2
    assert command.main([*arguments, "--split", other]) == 2
    said = capsys.readouterr().err
    assert refusal in said
    assert said.count("\n") == 1


def test_unknown_class_and_empty_split_are_told(weights: Path, folder: Path, tmp_path: Path) -> None:
    from data.sets import read

    info = checkpoint.read_info(weights)
    dataset = read.load(folder)
    with pytest.raises(ValueError, match="expected pictures in split 'nights'"):
        evaluate.examples_of(dataset, "nights", info.class_names)
    with pytest.raises(ValueError, match=r"expected classes that the detector knows \(blue\), got red too"):
        evaluate.examples_of(dataset, "val", ("blue",))


def test_ignored_boxes_get_the_detectors_classes_and_are_counted(folder: Path) -> None:
    from data.boxes import IgnoredBoxes
    from data.sets import read

    dataset = read.load(folder)  # classes red, blue; the detector's are blue, red
    first = dataset.splits["val"][0]
    boxes, classes = np.array([[1, 1, 9, 9], [2, 2, 8, 8]], np.float32), np.array([0, 1], np.int32)
    marked = replace(first, ignored=IgnoredBoxes(boxes, classes, np.array([False, True])))
    (example,) = evaluate.examples_of(replace(dataset, splits={"val": (marked,)}), "val", ("blue", "red"))
    assert (first.classes.tolist(), example.classes.tolist()) == ([0], [1])
    assert example.ignored.classes.tolist() == [1, 0]
    assert example.ignored.crowd.tolist() == [False, True]


def test_what_was_skipped_is_counted_beside_the_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from data.sets import read

    label = folder / "val" / "labels" / "val0.txt"
    good = label.read_text()
    try:
        label.write_text(good + "7 0.5 0.5 0.1 0.1\n8 0.5 0.5 0.1 0.1\n0 0.5\n")
        report_problems(read.load(folder, strict=False))
    finally:
        label.write_text(good)
    said = capsys.readouterr().err
    counts = "2 class_out_of_range, 1 malformed_line, 1 split_cut"  # the cut: there is no test split
    assert said == f"{folder}: {counts} (`python -m data check` lists them)\n"


def test_pictures_are_never_overwritten(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="would be overwritten"):
        predict.drawing_targets([tmp_path / "a.png"], tmp_path)
    with pytest.raises(ValueError, match="two called a"):
        predict.drawing_targets([tmp_path / "a.png", tmp_path / "other" / "a.jpg"], tmp_path / "out")


@pytest.mark.parametrize("size", ["100", "0", "64x", "64x96x3", "big", "64x100", "9216"])
def test_sizes_that_no_network_has_are_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["summary", "--size", size])
    assert stop.value.code == 2
    assert "argument --size: expected a" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["evaluate", "--weights", "none.keras", "--data", "."]])
def test_help_and_refusals_load_no_tensorflow(arguments: list[str]) -> None:
    script = (
        "import sys; from model.__main__ import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as stop: code = stop.code\n"
        "sys.exit(90 if {'tensorflow', 'keras'} & set(sys.modules) else code)"
    )
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == (0 if arguments == ["--help"] else 2), done.stderr
    assert time.perf_counter() - begun < 20  # a loose bound: only something stuck breaks it
