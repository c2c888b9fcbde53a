"""Every format, with and without decoding and NMS, against the Keras model on one picture."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from model.config import YOLOV4_TINY, PostConfig
from model.darknet.importer import ANCHORS
from model.detection import predict
from model.detection.detector import KerasNetwork
from model.export import graph, saved_model, tflite
from model.export import onnx as onnx_format
from model.export.card import KEY, Card, ExportError, Output
from model.export.exported import ExportedNetwork
from model.network import architecture

pytestmark = pytest.mark.medium

FORMATS: dict[str, tuple[Any, str]] = {
    "onnx": (onnx_format, ".onnx"),
    "saved_model": (saved_model, ""),
    "tflite": (tflite, ".tflite"),
}
OF_TINY: dict[str, Any] = {
    "anchors": ANCHORS["yolov4-tiny"],
    "masks": ((1, 2, 3), (3, 4, 5)),
    "scale_xy": (1.05, 1.05),
}
LOOSE = PostConfig(score=0.01, nms_iou=0.4, max_candidates=150, max_detections=40)

Cards = Callable[..., Card]
Images = NDArray[np.float32]


@pytest.fixture(scope="module")
def written(model: keras.Model, card: Cards, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Output], Path]:
    """Writes a file of a format once."""
    folder = tmp_path_factory.mktemp("exports")

    def write(kind: str, output: Output) -> Path:
        writer, suffix = FORMATS[kind]
        path: Path = folder / f"{output}{suffix}" if suffix else folder / f"{output}_{kind}"
        if not path.exists():
            writer.write(path, model, card(output))
        return path

    return write


# A file takes 16 to 30 s to convert: the whole graph in make test, its parts and all of TFLite's in make test-slow.
CASES = [
    pytest.param(kind, output, marks=pytest.mark.slow if kind == "tflite" or output != "detections" else ())
    for kind in FORMATS
    for output in get_args(Output)
]


@pytest.mark.parametrize(("kind", "output"), CASES)
def test_a_file_gives_what_the_model_gives(
    kind: str, output: Output, model: keras.Model, card: Cards, picture: Images, written: Callable[[str, Output], Path]
) -> None:
    path = written(kind, output)
    found, run = FORMATS[kind][0].open_file(path)
    assert found == card(output)  # classes, anchors, sizes and settings are in the file
    network = ExportedNetwork(str(path), found, run)
    keras_network = KerasNetwork(model, found.anchors, found.scale_xy, found.maps)
    if output == "maps":
        expected = keras_network.maps(picture)
        got = network.maps(picture)
        assert list(got) == ["stride_8", "stride_16", "stride_32"]
        for name, raw in got.items():
            np.testing.assert_allclose(raw, expected[name], atol=2e-4)
    # The file with NMS has its own score cut and threshold; the others get the same ones from outside.
    post = found.post or card("detections").post
    (there,) = keras_network.detect(picture, post)
    (here,) = network.detect(picture, LOOSE if output == "detections" else post)
    assert 5 < len(there.scores) <= 40
    np.testing.assert_array_equal(here.classes, there.classes)
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-4)
    np.testing.assert_allclose(here.boxes, there.boxes, atol=1e-2)


@pytest.mark.parametrize("of", ["everything on", "tiny"])
def test_opencv_runs_the_onnx_file(
    of: str,
    card: Cards,
    model: keras.Model,
    fill: Callable[[keras.Model], keras.Model],
    picture: Images,
    written: Callable[[str, Output], Path],
    tmp_path: Path,
) -> None:
    path, told = written("onnx", "maps"), card()
    if of == "tiny":
        path, told = (
            tmp_path / "tiny.onnx",
            card(**OF_TINY),
        )
        model = fill(architecture.build(replace(YOLOV4_TINY, width=0.125), 3))
        onnx_format.write(path, model, told)
    network = cv2.dnn.readNetFromONNX(str(path))
    network.setInput(picture, "images")
    expected = KerasNetwork(model, told.anchors, told.scale_xy, told.maps).maps(picture)
    for name, raw in zip(expected, network.forward(list(expected)), strict=True):
        np.testing.assert_allclose(raw.reshape(expected[name].shape), expected[name], atol=2e-4)


def test_tiny_goes_out_too(
    card: Cards, fill: Callable[[keras.Model], keras.Model], picture: Images, tmp_path: Path
) -> None:
    model = fill(architecture.build(replace(YOLOV4_TINY, width=0.125), 3))
    of_tiny = card(**OF_TINY)
    tflite.write(tmp_path / "tiny.tflite", model, of_tiny)
    network = ExportedNetwork("tiny", *tflite.open_file(tmp_path / "tiny.tflite"))
    expected = KerasNetwork(model, of_tiny.anchors, of_tiny.scale_xy, of_tiny.maps)
    for name, raw in expected.maps(picture).items():
        np.testing.assert_allclose(network.maps(picture)[name], raw, atol=2e-4)
    post = PostConfig(score=0.2)
    (there,), (here,) = expected.detect(picture, post), network.detect(picture, post)
    np.testing.assert_allclose(here.boxes, there.boxes, atol=1e-2)


@pytest.mark.slow
def test_float16_halves_a_tflite_file(
    model: keras.Model, card: Cards, picture: Images, written: Callable[[str, Output], Path], tmp_path: Path
) -> None:
    path = tmp_path / "half.tflite"
    tflite.write(path, model, card(), dtype="float16")
    assert path.stat().st_size < 0.6 * written("tflite", "maps").stat().st_size
    network = ExportedNetwork("half", *tflite.open_file(path))
    expected = KerasNetwork(model, card().anchors, card().scale_xy, card().maps).maps(picture)
    for name, raw in network.maps(picture).items():
        assert 0 < np.abs(raw - expected[name]).max() < 0.03  # outputs are about 1; float16 has 11 bits


def test_a_spelled_network_is_the_same_network(model: keras.Model, picture: Images) -> None:
    for one, other in zip(graph.for_converters(model)(picture), model(picture), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("kind", ["onnx", pytest.param("tflite", marks=pytest.mark.slow)])
@pytest.mark.parametrize("cut", [0, 7, 100, -10, -3000])
def test_files_cut_short_are_refused(
    kind: str, cut: int, written: Callable[[str, Output], Path], tmp_path: Path
) -> None:
    path = written(kind, "maps")
    short = tmp_path / f"short{path.suffix}"
    short.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ExportError, match=f"short{path.suffix}: expected"):
        FORMATS[kind][0].open_file(short)


def test_a_damaged_saved_model_is_refused(written: Callable[[str, Output], Path], tmp_path: Path) -> None:
    source = written("saved_model", "maps")
    folder = tmp_path / "model"
    with pytest.raises(ExportError, match=r"model: expected a SavedModel, got a folder without saved_model.pb"):
        saved_model.open_file(folder)
    folder.mkdir()
    (folder / saved_model.GRAPH).write_bytes((source / saved_model.GRAPH).read_bytes()[:1000])
    with pytest.raises(ExportError, match="expected a SavedModel of this project"):
        saved_model.open_file(folder)
    (folder / saved_model.EXTRA).mkdir()
    told = (source / saved_model.EXTRA / "detector.json").read_text()
    (folder / saved_model.EXTRA / "detector.json").write_text(told)
    with pytest.raises(ExportError, match="one that is damaged"):
        saved_model.open_file(folder)


def test_a_saved_model_is_not_overwritten(model: keras.Model, card: Cards, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="expected no file or folder there"):
        saved_model.write(tmp_path, model, card())


def test_files_of_others_are_told(written: Callable[[str, Output], Path], tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.tflite"
    stranger.write_bytes(written("tflite", "maps").read_bytes().replace(b"detector.json", b"detective.jsn"))
    with pytest.raises(ExportError, match=r"expected a TFLite file of this project, got one without detector.json"):
        tflite.open_file(stranger)
    import onnx

    path = written("onnx", "maps")
    proto = onnx.load(str(path))
    del proto.metadata_props[:]
    onnx.save(proto, str(tmp_path / "stranger.onnx"))
    with pytest.raises(ExportError, match=f"metadata '{KEY}'"):
        onnx_format.open_file(tmp_path / "stranger.onnx")


def test_another_class_count_is_refused_with_both_shapes(
    card: Cards, written: Callable[[str, Output], Path], tmp_path: Path
) -> None:
    from model.export.card import to_json

    path = tmp_path / "wrong.tflite"
    path.write_bytes(written("tflite", "maps").read_bytes())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("detector.json", to_json(card(class_names=("a", "b"))))
    with pytest.raises(ExportError, match=r"stride_8 1x8x12x21.*, got .*stride_8 1x8x12x24"):
        tflite.open_file(path)


def test_pictures_of_another_size_are_refused(written: Callable[[str, Output], Path]) -> None:
    network = ExportedNetwork("file", *saved_model.open_file(written("saved_model", "maps")))
    with pytest.raises(ExportError, match=r"file: expected pictures \(64, 96, 3\), got \(96, 64, 3\)"):
        network.maps(np.zeros((1, 96, 64, 3), np.float32))


def test_raw_maps_of_a_decoding_file_are_refused(picture: Images, written: Callable[[str, Output], Path]) -> None:
    network = ExportedNetwork("file", *saved_model.open_file(written("saved_model", "candidates")))
    with pytest.raises(ExportError, match="expected raw output maps"):
        network.maps(picture)


def test_pictures_of_bytes_are_scaled(card: Cards, model: keras.Model) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (1, 64, 96, 3), np.uint8)
    network = KerasNetwork(model, card().anchors, card().scale_xy, card().maps)
    one, other = network.maps(pixels), network.maps(pixels / np.float32(255))
    np.testing.assert_array_equal(one["stride_8"], other["stride_8"])
    post = PostConfig(score=0.2)
    (a,), (b,) = network.detect(pixels, post), network.detect(predict.to_unit_range(pixels), post)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-4)
