"""Any file of weights, ready for pictures: a checkpoint of ours, a Darknet file, or an export.

What a file says of itself is read at once, without TensorFlow; the network is made when `load` is called.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.config import Fit
from model.config import DetectorConfig, NmsKind, PostConfig, Variant
from model.darknet import beside, source
from model.darknet.source import NOTHING, Said

if TYPE_CHECKING:
    from model.export.card import Card
    from model.network import Network


@dataclass(frozen=True)
class Weights:
    """A detector: its input in pixels, and whether that may change; the NMS that it is used with.

    tuned: its NMS is what a search found best for the detector on validation. post: the score cut and NMS inside the
    file, where it has them. config: of the network, where it can be built. note: a sentence on what was assumed of it,
    open_options: which options would have said it.
    """

    path: Path
    variant: Variant
    class_names: tuple[str, ...]
    height: int
    width: int
    fit: Fit
    load: Callable[[], "Network"]
    fixed_size: bool = False
    nms: NmsKind = PostConfig.nms
    tuned: PostConfig | None = None
    post: PostConfig | None = None
    config: DetectorConfig | None = None
    note: str = ""
    open_options: tuple[str, ...] = ()

    def size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """(height, width) to run at; ValueError where the file has one size and another is wanted."""
        own = (self.height, self.width)
        if self.fixed_size and wanted not in (None, own):
            raise ValueError(
                f"--size: expected {own[0]}x{own[1]} (height x width), the size that {self.path} was exported for, "
                f"got {wanted[0]}x{wanted[1]}"
            )
        return wanted or own


def find(path: Path, said: Said = NOTHING) -> Weights:
    """What the file at `path` is. What people say of it is needed for Darknet's files, and checked for all."""
    if beside.is_darknet(path):
        from model.commands import darknet_weights

        return darknet_weights.find(path, said)
    found = _find(path)
    if said.cfg is not None:
        raise ValueError(f"--cfg {said.cfg}: expected beside a Darknet file (.weights) alone, got {path}")
    if said.variant not in (None, found.variant):
        raise ValueError(f"--variant: expected {found.variant}, which {path} is, got {said.variant}")
    given = None if said.names is None else source.said_names(said.names, path, len(found.class_names))
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
    from model.export.network import ExportedNetwork

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
        from model import scales
        from model.network import KerasNetwork

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
