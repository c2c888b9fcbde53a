"""ONNX graphs that decode and suppress, of both variants: onnxruntime and OpenCV's DNN against the Keras model."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from model.commands.export import usage_notes
from model.config import YOLOV4_TINY
from model.darknet.importer import ANCHORS
from model.detection import predict
from model.detection.detector import KerasNetwork
from model.export import onnx as onnx_format
from model.export.card import Card, Output
from model.export.exported import ExportedNetwork
from model.network import architecture

pytestmark = pytest.mark.medium

Images = NDArray[np.float32]
Case = tuple[keras.Model, Callable[[Output], Card], Callable[[Output], Path]]


@pytest.fixture(scope="module", params=[pytest.param("yolov4", marks=pytest.mark.slow), "yolov4-tiny"])
def case(
    request: pytest.FixtureRequest,
    card: Callable[..., Card],
    model: keras.Model,
    fill: Callable[[keras.Model], keras.Model],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    """A narrow network, its cards, and its files, each written once: with every technique on, or tiny."""
    folder = tmp_path_factory.mktemp(request.param)
    tiny = request.param == "yolov4-tiny"
    network = fill(architecture.build(replace(YOLOV4_TINY, width=0.125), 3)) if tiny else model

    def told(output: Output) -> Card:
        return (
            card(output, anchors=ANCHORS["yolov4-tiny"], masks=((1, 2, 3), (3, 4, 5)), scale_xy=(1.05, 1.05))
            if tiny
            else card(output)
        )

    def written(output: Output) -> Path:
        path: Path = folder / f"{output}.onnx"
        if not path.exists():
            onnx_format.write(path, network, told(output))
        return path

    return network, told, written


def test_onnxruntime_and_opencv_decode_alike(case: Case, picture: Images) -> None:
    model, told, written = case
    path, found = written("candidates"), told("candidates")
    _, run = onnx_format.open_file(path)
    network = cv2.dnn.readNetFromONNX(str(path))
    network.setInput(picture, "images")
    boxes, objectness, class_probs = predict.compile_forward(model, found.anchors, found.scale_xy, found.maps)(picture)
    expected = {"boxes": boxes, "scores": objectness[..., None] * class_probs}
    in_opencv = dict(zip(expected, network.forward(list(expected)), strict=True))
    in_runtime = run(picture)
    for name, tolerance in (("boxes", 1e-2), ("scores", 1e-4)):  # pixels; share of 1
        assert expected[name].shape == found.shapes()[name]
        np.testing.assert_allclose(in_runtime[name], expected[name], atol=tolerance)
        np.testing.assert_allclose(in_opencv[name].reshape(expected[name].shape), expected[name], atol=tolerance)


def test_onnxruntime_suppresses_as_the_product_does(case: Case, picture: Images) -> None:
    model, told, written = case
    found = told("detections")
    assert found.post is not None
    (there,) = KerasNetwork(model, found.anchors, found.scale_xy, found.maps).detect(picture, found.post)
    (here,) = ExportedNetwork("file", *onnx_format.open_file(written("detections"))).detect(picture, found.post)
    assert len(there.scores) > 5
    np.testing.assert_array_equal(here.classes, there.classes)
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-4)
    np.testing.assert_allclose(here.boxes, there.boxes, atol=1e-2)


def test_opencv_runs_no_suppression_as_the_note_says(case: Case, picture: Images) -> None:
    # If this fails OpenCV has learnt it: compare its detections, and take the note away.
    _, told, written = case
    path = written("detections")

    def run() -> None:
        network = cv2.dnn.readNetFromONNX(str(path))
        network.setInput(picture, "images")
        network.forward(["boxes", "classes", "scores"])

    with pytest.raises(cv2.error):
        run()
    (note,) = usage_notes("onnx", told("detections"))
    assert "OpenCV" in note
    assert usage_notes("onnx", told("candidates")) == []
    assert usage_notes("tflite", told("detections")) == []


def test_predict_needs_no_tensorflow_for_an_onnx_file(case: Case, tmp_path: Path) -> None:
    _, _, written = case
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((40, 60, 3), 128, np.uint8))
    program = (
        "import sys; from model.__main__ import main\n"
        f"code = main(['predict', {str(path)!r}, '--weights', {str(written('detections'))!r}, '--json'])\n"
        "sys.exit(code or sorted({'tensorflow', 'keras'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)
