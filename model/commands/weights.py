"""Any file of weights, ready for pictures: a checkpoint of ours, a Darknet file, or an export.

What a file says of itself is read at once, without TensorFlow; the network is made when `load` is called.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.config import Fit
from model.config import DetectorConfig, NmsKind, PostConfig, Variant

if TYPE_CHECKING:
    from model.export.card import Card
    from model.network import Network

LARGEST_NAMES = 1 << 24  # bytes of a file of class names


@dataclass(frozen=True)
class Weights:
    """A detector: its input in pixels, and whether that may change; the NMS that it is used with.

    tuned: its NMS is what a search found best for the detector on validation. post: the score cut and NMS inside the
    file, where it has them. config: of the network, where it can be built.
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

    def size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """(height, width) to run at; ValueError where the file has one size and another is wanted."""
        own = (self.height, self.width)
        if self.fixed_size and wanted not in (None, own):
            raise ValueError(
                f"--size: expected {own[0]}x{own[1]} (height x width), the size that {self.path} was exported for, "
                f"got {wanted[0]}x{wanted[1]}"
            )
        return wanted or own


def find(
    path: Path, *, variant: Variant | None = None, num_classes: int | None = None, names: Path | None = None
) -> Weights:
    """What the file at `path` is. The other arguments are what people say of it: needed for Darknet's files, checked
    for all."""
    said = None if names is None else read_names(names)
    found = _find(path, variant, num_classes, said)
    if variant not in (None, found.variant):
        raise ValueError(f"--variant: expected {found.variant}, which {path} is, got {variant}")
    for option, number in (("--classes", num_classes), ("--names", None if said is None else len(said))):
        if number not in (None, len(found.class_names)):
            raise ValueError(
                f"{option}: expected {len(found.class_names)} classes, as many as {path} has, got {number}"
            )
    return found if said is None else replace(found, class_names=said)


def read_names(path: Path) -> tuple[str, ...]:
    """Class names, one a line, as Darknet's .names files have them."""
    try:
        if path.stat().st_size > LARGEST_NAMES:
            raise ValueError(f"--names {path}: expected a class name a line, got more than {LARGEST_NAMES} bytes")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--names {path}: expected a text file with a class name a line: {error}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise ValueError(f"--names {path}: expected a class name a line, got none")
    return names


def _find(path: Path, variant: Variant | None, num_classes: int | None, names: tuple[str, ...] | None) -> Weights:
    if path.suffix == ".weights":
        from model.commands import darknet_weights

        return darknet_weights.find(path, variant, num_classes, names)
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
        from model.network import KerasNetwork

        model, known = checkpoint.load_detector(path)
        return KerasNetwork(model, known.anchors, known.detector.scale_xy)

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
