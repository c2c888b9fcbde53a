"""Which detector the file at a path is: a checkpoint, Darknet's weights, or an export."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.commands.weights import Weights
from model.config import PostConfig
from model.darknet import importer, neighbours
from model.darknet.importer import NO_OPTIONS, DarknetOptions

if TYPE_CHECKING:
    from model.detection.detector import Network
    from model.export.card import Card


def find(path: Path, said: DarknetOptions = NO_OPTIONS) -> Weights:
    """What the file at `path` is. What people say of it is needed for Darknet's files, and checked for all."""
    if neighbours.is_darknet(path):
        from model.commands import darknet_weights

        return darknet_weights.find(path, said)
    found = _find(path)
    if said.cfg is not None:
        raise ValueError(f"--cfg {said.cfg}: expected beside a Darknet file (.weights) alone, got {path}")
    if said.variant not in (None, found.variant):
        raise ValueError(f"--variant: expected {found.variant}, which {path} is, got {said.variant}")
    given = None if said.names is None else importer.read_names_option(said.names, path, len(found.class_names))
    if said.num_classes not in (None, len(found.class_names)):
        raise ValueError(
            f"--classes: expected {len(found.class_names)} classes, as many as {path} has, got {said.num_classes}"
        )
    return found if given is None else replace(found, class_names=given)


def _find(path: Path) -> Weights:
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
        raise ValueError(f"{path}: expected weights, got a cfg, which holds none; --cfg FILE names it beside them")
    if path.suffix != ".keras" and path.is_file() and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path}: expected a checkpoint (.keras), a Darknet file (.weights) or an export (.onnx, .tflite, the "
            "folder of a SavedModel), got a file of another kind"
        )
    return _checkpoint(path)


def _exported(path: Path, card: "Card", run: Callable[[], Any]) -> Weights:
    from model.export.exported import ExportedNetwork

    return Weights(
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


def _checkpoint(path: Path) -> Weights:
    from model import checkpoint

    info = checkpoint.read_info(path)

    def load() -> "Network":
        from model.detection.detector import KerasNetwork
        from model.network import scales

        model, known = checkpoint.load_detector(path)
        return KerasNetwork(model, known.anchors, known.detector.scale_xy, scales.of_config(known.detector))

    return Weights(
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
