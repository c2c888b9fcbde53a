"""`python -m model predict`: what saved weights see in pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.commands.shared import add_post, add_weights, finish, load_keras, print_json, say
from model.config import PostConfig

if TYPE_CHECKING:
    from model.predict import Detections

SHOWN_SCORE = 0.25  # Darknet's threshold for what people look at


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    command = subparsers.add_parser("predict", help="what a checkpoint sees in pictures")
    command.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    add_weights(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="draw the boxes on copies of the pictures there")
    add_post(command, SHOWN_SCORE)
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """What saved weights see in pictures."""
    from model import checkpoint

    info = checkpoint.read_info(options.weights)
    post = PostConfig(score=options.score, nms_iou=options.nms_iou, nms=options.nms)
    from data import pictures

    for path in options.images:
        pictures.picture_size(path)  # every picture is opened before TensorFlow is, so that a wrong name shows at once
    targets = drawing_targets(options.images, options.out)
    load_keras()
    from data import letterbox
    from model import predict as room

    model, info = checkpoint.load_detector(options.weights)
    forward = room.compile_forward(model, info.anchors, info.detector.scale_xy)
    documents = []
    for path in options.images:
        picture = pictures.read_picture(path)
        fitted, transform = letterbox.fit_picture(picture, info.size, info.fit)
        height, width = picture.shape[:2]
        found = room.to_picture(room.detect(forward(fitted[None]), post)[0], transform, width, height)
        documents.append({"image": str(path), "detections": _plain(found, info.class_names)})
        if not options.json:
            _print_picture(documents[-1])
        if path in targets:
            _draw(picture, found, info.class_names, targets[path])
    if options.json:
        print_json(documents)
    return 0


def drawing_targets(images: Sequence[Path], folder: Path | None) -> dict[Path, Path]:
    """Where the drawn copy of each picture goes; two of one name, or the folder of the originals, are refused."""
    if folder is None:
        return {}
    targets: dict[Path, Path] = {}
    for path in dict.fromkeys(images):
        target = folder / f"{path.stem}.png"
        if target in targets.values():
            raise ValueError(f"--out {folder}: expected pictures of different names, got two called {path.stem}")
        if target.resolve() == path.resolve():
            raise ValueError(f"--out {folder}: expected another folder than the pictures', {path} would be overwritten")
        targets[path] = target
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {folder}: expected a folder to write to: {error.strerror}") from error
    return targets


def _plain(found: "Detections", class_names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"box": [round(edge, 2) for edge in box], "class": class_names[number], "score": round(score, 6)}
        for box, number, score in zip(found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True)
    ]


def _print_picture(document: dict[str, Any]) -> None:
    say(f"{document['image']}: {len(document['detections'])} found")
    for one in document["detections"]:
        say(f"  {one['class']}  {one['score']:.3f}  " + " ".join(f"{edge:.1f}" for edge in one["box"]))


def _draw(picture: Any, found: "Detections", class_names: Sequence[str], target: Path) -> None:
    """A copy of the picture (RGB) with boxes, classes and scores, as PNG."""
    import cv2

    canvas = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    for box, number, score in zip(found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True):
        left, top, right, bottom = (round(edge) for edge in box)
        # Colours of classes lie a golden angle apart on the circle, so that neighbours differ most.
        hue = cv2.cvtColor(_pixel(int(number * 180 * 0.618) % 180), cv2.COLOR_HSV2BGR)[0, 0].tolist()
        cv2.rectangle(canvas, (left, top), (right, bottom), hue, 2)
        text = f"{class_names[number]} {score:.2f}"
        cv2.putText(canvas, text, (left, max(12, top - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, hue, 1, cv2.LINE_AA)
    if not cv2.imwrite(str(target), canvas):
        raise OSError(f"{target}: could not be written")


def _pixel(hue: int) -> Any:
    import numpy as np

    return np.array([[[hue, 255, 230]]], np.uint8)
