"""`export`, and `predict` on the exported files: the same detections as with the checkpoint."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model import __main__ as command

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("pictures") / "picture.png"
    cv2.imwrite(str(path), np.random.default_rng(5).integers(0, 256, (50, 90, 3), np.uint8))
    return path


def seen(picture: Path, weights: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, Any]]:
    assert command.main(["predict", str(picture), "--weights", str(weights), *more, "--json"]) == 0
    detections: list[dict[str, Any]] = json.loads(capsys.readouterr().out)[0]["detections"]
    return detections


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        pytest.param("saved_model", "folder", [], marks=pytest.mark.slow),
        pytest.param("saved_model", "decoded", ["--decode", "--size", "64x96"], marks=pytest.mark.slow),
        ("saved_model", "detections", ["--nms", "plain", "--score", "0.3", "--nms-iou", "0.4"]),
        pytest.param("tflite", "detector.tflite", ["--dtype", "float16"], marks=pytest.mark.slow),
        ("onnx", "detector.onnx", []),
        ("darknet", "detector.weights", ["--size", "64x96"]),
    ],
)
def test_an_exported_file_sees_what_the_checkpoint_sees(
    kind: str,
    name: str,
    options: list[str],
    weights: Path,
    picture: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / name
    assert command.main(["export", str(weights), "--to", kind, "--out", str(out), *options, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["file"] == str(out)
    assert told["input"] == [1, 64, 96 if "--size" in options else 64, 3]
    assert told["notes"] == []
    assert max(told["largest_difference"].values()) < (0.05 if kind == "tflite" else 1e-3)
    size = ["--size", "64x96"] if "--size" in options else []
    nms = ["--nms", "plain", "--score", "0.3", "--nms-iou", "0.4"]
    here = seen(picture, out, capfd, *nms)
    there = seen(picture, weights, capfd, *nms, *size)
    assert len(there) > 5
    if kind == "tflite":  # float16 weights: boxes of nearly one score may change places
        assert len(here) == pytest.approx(len(there), abs=2)
        return
    assert [one["class"] for one in here] == [one["class"] for one in there]
    np.testing.assert_allclose([one["box"] for one in here], [one["box"] for one in there], atol=0.05)


def test_options_that_contradict_the_file_are_refused(
    weights: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "folder"
    assert command.main(["export", str(weights), "--to", "saved_model", "--out", str(out), "--nms", "diou"]) == 0
    capsys.readouterr()
    for options, words in (
        (["--size", "96"], "--size: expected 64x64 (height x width), the size that"),
        (["--nms", "plain"], "--nms: expected diou, as NMS is inside"),
        (["--nms-iou", "0.3"], "--nms-iou: expected 0.45"),
        (["--score", "0.1"], "--score: expected at least 0.25, where"),
        (["--heads", str(tmp_path / "a.npz")], "expected raw output maps, got a file that decodes them itself"),
    ):
        assert command.main(["predict", str(picture), "--weights", str(out), *options]) == 2
        assert words in capsys.readouterr().err
    assert command.main(["export", str(out), "--to", "tflite", "--out", str(tmp_path / "a.tflite")]) == 2
    assert "expected a checkpoint (.keras) or a Darknet file, got an export" in capsys.readouterr().err


def test_the_extra_is_named_where_it_is_not_installed(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    (tmp_path / "a.onnx").write_bytes(b"something")
    assert command.main(["export", str(weights), "--to", "onnx", "--out", str(tmp_path / "b.onnx")]) == 2
    assert "needs the package onnx, which is not installed: pip install 'yolov4-evolve[export]'" in (
        capsys.readouterr().err
    )
    assert command.main(["predict", "a.png", "--weights", str(tmp_path / "a.onnx")]) == 2
    assert "reading ONNX needs the package onnxruntime" in capsys.readouterr().err
