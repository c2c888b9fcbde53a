"""`python -m model predict`: detections in pictures, folders of pictures, or arrays."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command_line import print_json, say
from model.commands.shared import (
    add_post,
    add_size,
    add_weights,
    find_weights,
    finish,
    load_keras,
    post_config,
    print_note,
    progress,
)
from model.config import SHOWN_SCORE

if TYPE_CHECKING:
    from model.commands.weights import SavedDetector
    from model.config import PostConfig
    from model.detection.detector import Network
    from model.detection.predict import Detections


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    command = subparsers.add_parser("predict", help="detect objects in pictures")
    command.add_argument(
        "images", nargs="+", metavar="IMAGE",
        help="a picture, a folder of pictures, a pattern such as 'in/**/*.jpg', or a .npy file of float32 [h, w, 3], "
        "RGB in 0..1, at the network's size",
    )  # fmt: skip
    add_weights(command)
    add_size(command, "the file's")
    command.add_argument("--fit", choices=("stretch", "letterbox"), help="default: the file's; stretch for Darknet's")
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for copies of the pictures with boxes drawn on them"
    )
    command.add_argument(
        "--heads", type=Path, metavar="FILE.npz",
        help="write the raw output maps of one picture, as arrays stride_8, stride_16, stride_32",
    )  # fmt: skip
    add_post(command, SHOWN_SCORE)
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Detect objects in pictures with a saved detector; print them, and draw them with --out."""
    weights = find_weights(options.weights, options)
    size = weights.size(options.size)
    post = post_config(options, weights, SHOWN_SCORE)
    from model.commands import images

    paths = images.expand(options.images)
    # Every picture is opened before TensorFlow is imported, so that a wrong name shows at once.
    named = {Path(name) for name in options.images}
    image_files = images.check(paths, named, size if weights.fixed_size or options.size else None, _skip)
    paths = [image_file.path for image_file in image_files]
    _check_heads(options.heads, paths)
    targets = drawing_targets(paths, options.out)
    if options.weights.suffix != ".onnx":  # onnxruntime needs no TensorFlow, whose import takes seconds
        load_keras()
    network = weights.load()
    documents = []
    for image_file in progress(image_files, len(image_files), "looking at pictures", lines=not options.json):
        try:
            image = image_file.fitted(size, options.fit or weights.fit)
        except ValueError as error:  # damage that the header did not show
            if image_file.named:
                raise
            _skip(error)
            continue
        detections = _detect(network, image, post, options.heads)
        documents.append({"image": str(image_file.path), "detections": _as_json(detections, weights.class_names)})
        if not options.json:
            _print_picture(documents[-1])
        if image_file.path in targets:
            _draw(image.picture, detections, weights, targets[image_file.path])
    if not documents:
        raise ValueError(f"{', '.join(options.images)}: expected pictures that can be read, got none")
    if options.json:
        print_json(documents)
    return 0


def _skip(error: ValueError) -> None:
    """Write a note to stderr on a file of a folder or pattern that is left out."""
    print_note(f"{error}; skipped")


def _detect(network: "Network", image: Any, post: "PostConfig", heads: Path | None) -> "Detections":
    """One picture's detections in its own pixels; writes its raw maps to `heads` if given."""
    from model.detection import predict

    if heads is not None:
        import numpy as np

        np.savez(heads, **network.maps(image.network[None]))  # type: ignore[arg-type]  # its names are any
    height, width = image.picture.shape[:2]
    return predict.to_picture(network.detect(image.network[None], post)[0], image.transform, width, height)


def _check_heads(target: Path | None, paths: Sequence[Path]) -> None:
    if target is None:
        return
    if len(paths) != 1:
        raise ValueError(f"--heads {target}: expected one picture, as the file holds the maps of one, got {len(paths)}")
    if target.suffix != ".npz":
        raise ValueError(f"--heads {target}: expected a name that ends in .npz")
    if not target.parent.is_dir():
        raise ValueError(f"--heads {target}: expected a folder that exists, got {target.parent}")


def drawing_targets(images: Sequence[Path], folder: Path | None) -> dict[Path, Path]:
    """The path of each picture's drawn copy; ValueError if two would be the same, or one would replace an original."""
    if folder is None:
        return {}
    targets: dict[Path, Path] = {}
    taken: set[Path] = set()
    for path in dict.fromkeys(images):
        target = folder / f"{path.stem}.png"
        if target in taken:
            raise ValueError(f"--out {folder}: expected pictures of different names, got two called {path.stem}")
        if target.resolve() == path.resolve():
            raise ValueError(f"--out {folder}: expected another folder than the pictures', {path} would be overwritten")
        targets[path] = target
        taken.add(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {folder}: expected a folder to write to: {error.strerror}") from error
    return targets


def _as_json(detections: "Detections", class_names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"box": [round(edge, 2) for edge in box], "class": class_names[class_id], "score": round(score, 6)}
        for box, class_id, score in zip(
            detections.boxes.tolist(), detections.classes.tolist(), detections.scores.tolist(), strict=True
        )
    ]


def _print_picture(document: dict[str, Any]) -> None:
    say(f"{document['image']}: {len(document['detections'])} found")
    for detection in document["detections"]:
        say(
            f"  {detection['class']}  {detection['score']:.3f}  " + " ".join(f"{edge:.1f}" for edge in detection["box"])
        )


def _draw(picture: Any, detections: "Detections", weights: "SavedDetector", target: Path) -> None:
    """Write a copy of the picture (RGB) with boxes, classes and scores as PNG."""
    import cv2

    from model.detection import drawing

    drawn = drawing.draw(picture, detections, weights.class_names)
    encoded, content = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    if not encoded:
        raise OSError(f"{target}: could not be encoded")
    target.write_bytes(content.tobytes())
