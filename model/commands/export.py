"""`python -m model export`: writes a detector as ONNX, SavedModel, TFLite or Darknet files, and checks the outputs."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command_line import print_json, say
from model.commands.shared import add_darknet, add_size, find_weights, finish, load_keras, post_config
from model.config import SHOWN_SCORE

if TYPE_CHECKING:
    from model.commands.weights import SavedDetector
    from model.config import PostConfig
    from model.export.card import Card, Output

SUFFIXES = {"onnx": ".onnx", "saved_model": "", "tflite": ".tflite", "darknet": ".weights"}
# Largest allowed difference of an output from the network's, as a share of the output's largest absolute value.
TOLERANCE = {"float32": 1e-3, "float16": 5e-2}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    command = subparsers.add_parser("export", help="write a detector as ONNX, SavedModel, TFLite or Darknet files")
    command.add_argument("file", type=Path, metavar="FILE", help="a checkpoint (.keras) or a Darknet file (.weights)")
    command.add_argument("--to", choices=tuple(SUFFIXES), required=True)
    command.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="the file to write; for saved_model a new folder"
    )
    add_size(command, "the file's")
    add_darknet(command)
    command.add_argument("--decode", action="store_true", help="output boxes and scores instead of raw maps")
    command.add_argument(
        "--nms", choices=("plain", "diou"), help="output detections: score cut and NMS become part of the graph"
    )
    command.add_argument("--score", type=float, help=f"with --nms: lowest score (default {SHOWN_SCORE})")
    command.add_argument("--nms-iou", type=float, help="with --nms: overlap allowed (default: as in evaluate)")
    command.add_argument(
        "--nms-beta", type=float, help="with --nms diou: power of the distance term (default: as in evaluate)"
    )
    command.add_argument(
        "--dtype", choices=tuple(TOLERANCE), default="float32", help="of the stored weights; float16 only with tflite"
    )
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Write the file, compare its outputs with the network's on one picture, and print a summary."""
    _check(options)
    weights = find_weights(options.file, options)
    if weights.fixed_size:
        raise ValueError(f"{options.file}: expected a checkpoint (.keras) or a Darknet file, got an export")
    height, width = weights.size(options.size)
    _check_packages(options.to, options.out)
    post = post_config(options, weights, SHOWN_SCORE) if options.nms is not None else None
    load_keras()
    from model.detection.detector import KerasNetwork

    network = weights.load()
    if not isinstance(network, KerasNetwork):
        raise TypeError(f"{options.file}: expected a Keras network, got {type(network).__name__}")
    card = replace(_card(weights, network, _output(options), post), height=height, width=width)
    run_exported = _write(options, network.model, card, weights)
    differences = compare(network.model, card, run_exported, options.dtype)
    size = _bytes(options.out)
    notes = usage_notes(options.to, card)
    if options.json:
        print_json(
            {
                "file": str(options.out),
                "format": options.to,
                "bytes": size,
                "input": [1, height, width, 3],
                "outputs": {name: list(shape) for name, shape in card.shapes().items()},
                "largest_difference": differences,
                "notes": notes,
            }
        )
        return 0
    say(f"{options.out}: {options.to}, {size:,} bytes, {len(card.class_names)} classes")
    say(f"input   images float32 1x{height}x{width}x3, RGB in 0..1 ({card.fit})")
    for name, shape in card.shapes().items():
        agreement = f"differs by at most {differences[name]:.1e} from the network's on one picture"
        say(f"output  {name} {'x'.join(map(str, shape))}  {agreement}")
    for note in notes:
        say(f"note    {note}")
    return 0


def usage_notes(kind: str, card: "Card") -> list[str]:
    """What users need to know to run the file elsewhere."""
    if kind == "onnx" and card.output == "detections":
        return [
            "onnxruntime runs it; OpenCV's DNN does not run a graph with NMS inside (tried: 4.10 and 5.0): "
            "for OpenCV export with --decode or raw maps"
        ]
    return []


def compare(model: Any, card: "Card", run_exported: Any, dtype: str) -> dict[str, float]:
    """The largest difference of each output on a picture of noise; RuntimeError if it exceeds the tolerance.

    Of detections only the scores are compared: two boxes with nearly equal scores may swap.
    """
    import numpy as np

    from model.export import graph

    picture = np.random.default_rng(0).random((1, card.height, card.width, 3), np.float32)
    expected: Mapping[str, Any] = graph.function(model, card)(picture)
    got = run_exported(picture)
    differences = {}
    for name in card.shapes():
        wanted = np.asarray(expected[name], np.float64)
        differences[name] = float(np.max(np.abs(np.asarray(got[name], np.float64) - wanted)))
        bound = TOLERANCE[dtype] * max(1.0, float(np.max(np.abs(wanted))))
        if (card.output != "detections" or name == "scores") and not differences[name] <= bound:
            raise RuntimeError(
                f"the exported file does not agree with the network: {name} differs by {differences[name]:g}, "
                f"expected at most {bound:g}"
            )
    return differences


def _check(options: argparse.Namespace) -> None:
    suffix = SUFFIXES[options.to]
    if suffix and options.out.suffix != suffix:
        raise ValueError(f"--out {options.out}: expected a name that ends in {suffix}")
    if options.to == "saved_model" and options.out.exists():
        raise ValueError(f"--out {options.out}: expected no file or folder there, as a SavedModel is a new folder")
    if options.dtype == "float16" and options.to != "tflite":
        raise ValueError(f"--dtype float16: expected --to tflite, got {options.to}")
    if options.to == "darknet" and (options.decode or options.nms is not None):
        raise ValueError("--to darknet: expected neither --decode nor --nms, as Darknet's files hold only weights")
    for option in ("score", "nms_iou", "nms_beta"):
        if getattr(options, option) is not None and options.nms is None:
            raise ValueError(f"--{option.replace('_', '-')}: expected --nms with it, as it is a setting of NMS")


def _check_packages(kind: str, out: Path) -> None:
    """Raise ExportError if a package that the format needs is missing, before the network is built."""
    if kind == "onnx":
        from model.export import optional_packages

        for package in ("onnx", "tf2onnx", "onnxruntime"):
            optional_packages.require(package, f"{out}: writing ONNX")


def _output(options: argparse.Namespace) -> "Output":
    if options.nms is not None:
        return "detections"
    return "candidates" if options.decode else "maps"


def _card(weights: "SavedDetector", network: Any, output: "Output", post: "PostConfig | None") -> "Card":
    from model.export.card import Card
    from model.network import scales

    return Card(
        class_names=weights.class_names,
        anchors=network.anchors,
        masks=scales.masks_of(network.scales),
        scale_xy=network.scale_xy,
        height=weights.height,
        width=weights.width,
        fit=weights.fit,
        output=output,
        post=post,
        notes={"source": weights.path.name},
    )


def _write(options: argparse.Namespace, model: Any, card: "Card", weights: "SavedDetector") -> Any:
    """Write the file and open it again; returns the function that runs it."""
    if options.to == "darknet":
        return _write_darknet(options.out, model, card, weights)
    from model.export import onnx, saved_model, tflite

    if options.to == "onnx":
        onnx.write(options.out, model, card)
        return onnx.open_file(options.out)[1]
    if options.to == "saved_model":
        saved_model.write(options.out, model, card)
        return saved_model.open_file(options.out)[1]
    tflite.write(options.out, model, card, dtype=options.dtype)
    return tflite.open_file(options.out)[1]


def _write_darknet(path: Path, model: Any, card: "Card", weights: "SavedDetector") -> Any:
    from model.checkpoint import DetectorInfo
    from model.commands.find_weights import find
    from model.darknet import exporter

    if weights.config is None:
        raise ValueError(f"{weights.path}: expected a file that describes its network, got one that does not")
    arrays = {f"{layer.name}/{v.name}": v.numpy() for layer in model.layers for v in layer.weights}
    info = DetectorInfo(card.class_names, card.anchors, (card.height, card.width), card.fit, weights.config)
    exporter.write(path, info, arrays)
    return find(path).load().maps


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
