"""Finds out which detector a file holds: a checkpoint, Darknet's weights, or an export."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.commands.weights import SavedDetector
from model.config import PostConfig
from model.darknet import importer, neighbours
from model.darknet.importer import NO_OPTIONS, DarknetOptions

if TYPE_CHECKING:
    from model.detection.detector import Network
    from model.export.card import Card


def find(path: Path, options: DarknetOptions = NO_OPTIONS) -> SavedDetector:
    """Describe the detector at `path`. The options are for Darknet's files; other files must agree with them."""
    if neighbours.is_darknet(path):
        from model.commands import darknet_weights

        return darknet_weights.find(path, options)
    detector = _find(path)
    if options.cfg is not None:
        raise ValueError(f"--cfg {options.cfg}: expected only with a Darknet file (.weights), got {path}")
    if options.variant not in (None, detector.variant):
        raise ValueError(f"--variant: expected {detector.variant}, which {path} is, got {options.variant}")
    class_names = (
        None if options.names is None else importer.read_names_option(options.names, path, len(detector.class_names))
    )
    if options.num_classes not in (None, len(detector.class_names)):
        raise ValueError(
            f"--classes: expected {len(detector.class_names)} classes, as many as {path} has, got {options.num_classes}"
        )
    return detector if class_names is None else replace(detector, class_names=class_names)


def _find(path: Path) -> SavedDetector:
    if path.suffix in (".onnx", ".tflite") and not path.is_file():
        raise ValueError(f"{path}: expected a file, got {'a folder' if path.is_dir() else 'nothing there'}")
    if path.suffix == ".onnx":
        from model.export import onnx

        card, run = onnx.open_file(path)
        return _exported(path, card, lambda: run)
    if path.suffix == ".tflite":
        from model.export import tflite

        return _exported(path, tflite.read_card(path), lambda: tflite.open_file(path)[1])
    if path.is_dir():
        from model.export import saved_model

        return _exported(path, saved_model.read_card(path), lambda: saved_model.open_file(path)[1])
    if path.suffix.lower() == ".cfg":
        raise ValueError(f"{path}: expected weights, got a cfg, which holds none; --cfg FILE is the option for it")
    if path.suffix != ".keras" and path.is_file() and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path}: expected a checkpoint (.keras), a Darknet file (.weights) or an export (.onnx, .tflite, the "
            "folder of a SavedModel), got a file of another kind"
        )
    return _checkpoint(path)


def _exported(path: Path, card: "Card", run: Callable[[], Any]) -> SavedDetector:
    from model.export.exported import ExportedNetwork

    return SavedDetector(
        path,
        "yolov4" if len(card.scale_xy) == 3 else "yolov4-tiny",
        card.class_names,
        card.height,
        card.width,
        card.fit,
        lambda: ExportedNetwork(str(path), card, run()),
        fixed_size=True,
        post=card.post,
    )


def _checkpoint(path: Path) -> SavedDetector:
    from model import checkpoint

    info = checkpoint.read_info(path)

    def load() -> "Network":
        from model.detection.detector import KerasNetwork
        from model.network import scales

        model, known = checkpoint.load_detector(path)
        return KerasNetwork(model, known.anchors, known.detector.scale_xy, scales.of_config(known.detector))

    return SavedDetector(
        path,
        info.detector.variant,
        info.class_names,
        *info.shape,
        info.fit,
        load,
        nms=info.post.nms if info.post else PostConfig.nms,
        tuned=info.post,
        config=info.detector,
    )
