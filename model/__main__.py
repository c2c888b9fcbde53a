"""`python -m model summary|evaluate|predict`: the detector without the search.

Parses and wires. It is the one file of this room that reads data sets and pictures (data.read, data.pipeline,
data.pictures); all others know boxes and letterbox only. What can be wrong is looked at before TensorFlow loads.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.config import DetectorConfig, PostConfig

if TYPE_CHECKING:
    from data.example import Dataset, Example
    from model.average_precision import AveragePrecision
    from model.checkpoint import DetectorInfo
    from model.predict import Detections

VARIANTS = ("yolov4",)
EVALUATION_BATCH = 8
STORE_FACTOR = 1.5  # pictures are kept at up to this many times the network's side, as in training
SHOWN_SCORE = 0.25  # Darknet's threshold for what people look at


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 2 for wrong input, 1 for work that failed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
        return result
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if options.debug:
            raise
        print(f"{_prefix(error)}{error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _prefix(error: Exception) -> str:
    """Errors of ours are whole sentences; any other one needs its kind."""
    return "" if isinstance(error, ValueError) else f"{type(error).__name__}: "


def _load_keras() -> None:
    """Import Keras and its backend, without the lines that TensorFlow writes past every log level.

    They go to file descriptor 2 from C++; if the import fails they are shown after all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def summary(options: argparse.Namespace) -> int:
    """What the network of a variant is."""
    config = DetectorConfig(width=options.width, depth=options.depth)
    size = _checked_size(options.size)
    if options.classes < 1:
        raise ValueError(f"--classes: expected at least 1, got {options.classes}")
    _load_keras()
    from model import detector
    from model.summary import summarize

    found = summarize(detector.build(config, options.classes), size)
    if options.json:
        _print_json(
            {
                "total": found.total,
                "trainable": found.trainable,
                "convolutions": found.convolutions,
                "bflops": round(found.bflops, 3),
                "outputs": [list(shape) for shape in found.outputs],
            }
        )
        return 0
    print(
        f"{options.variant}, {options.classes} classes, {size}x{size}, width {config.width:g}, depth {config.depth:g}"
    )
    print(f"parameters    {found.total:,} ({found.trainable:,} trainable)")
    print(f"convolutions  {found.convolutions}")
    print(f"BFLOPs        {found.bflops:.3f} a picture")
    print("outputs       " + ", ".join("x".join(map(str, shape)) for shape in found.outputs))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Average precision of saved weights on a split of a data set."""
    from model import checkpoint

    info = checkpoint.read_info(options.weights)
    size = _checked_size(options.size or info.size)
    post = PostConfig(score=options.score, nms_iou=options.nms_iou, nms=options.nms)
    from data import read

    dataset = read.load(options.data, strict=False)
    examples = _examples_of(dataset, options.split, info)
    _tell_problems(dataset)
    _load_keras()
    from data.pipeline import Pipeline
    from model import predict
    from model.evaluate import evaluate as run

    model, info = checkpoint.load_detector(options.weights)
    forward = predict.compile_forward(model, info.anchors, info.detector.scale_xy)
    batches = Pipeline(examples, store_side=round(STORE_FACTOR * size)).evaluation(
        size=size, fit=options.fit or info.fit, batch=min(EVALUATION_BATCH, len(examples))
    )
    found = run(forward, batches, examples, info.class_names, post)
    if options.json:
        _print_json(
            {
                "map50": found.map50,
                "map50_95": found.map50_95,
                "map75": found.map75,
                "images": found.images,
                "per_class": dict(found.per_class),
            }
        )
    else:
        _print_table(found, options.split)
    return 0


def _tell_problems(dataset: "Dataset") -> None:
    """What was mended or skipped in the data set, counted by kind, beside the scores: they are not of all of it."""
    from collections import Counter

    counts = Counter(problem.kind for problem in dataset.problems)
    if counts:
        found = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        print(f"{dataset.root}: {found} (`python -m data check` lists them)", file=sys.stderr)


def _examples_of(dataset: "Dataset", split: str, info: "DetectorInfo") -> "list[Example]":
    """The split's examples, their classes numbered as the detector numbers them."""
    from dataclasses import replace

    import numpy as np

    examples = dataset.splits.get(split, ())
    if not examples:
        held = ", ".join(name for name, found in dataset.splits.items() if found)
        raise ValueError(f"{dataset.root}: expected pictures in split '{split}', got none (there are: {held})")
    unknown = [name for name in dataset.class_names if name not in info.class_names]
    if unknown:
        raise ValueError(
            f"{dataset.root}: expected classes that the detector knows ({', '.join(info.class_names)}), "
            f"got {', '.join(unknown)} too"
        )
    number = np.array([info.class_names.index(name) for name in dataset.class_names], np.int32)
    return [replace(example, classes=number[example.classes]) for example in examples]


def _print_table(found: "AveragePrecision", split: str) -> None:
    width = max(len(name) for name in (*found.per_class, "all classes"))
    print(f"COCO average precision on {found.images} pictures of split '{split}'")
    for name, value in found.per_class.items():
        print(f"  {name:<{width}}  AP50:95 {value:.4f}")
    print(f"  {'all classes':<{width}}  AP50:95 {found.map50_95:.4f}  AP50 {found.map50:.4f}  AP75 {found.map75:.4f}")


def predict(options: argparse.Namespace) -> int:
    """What saved weights see in pictures."""
    from model import checkpoint

    info = checkpoint.read_info(options.weights)
    post = PostConfig(score=options.score, nms_iou=options.nms_iou, nms=options.nms)
    from data import pictures

    for path in options.images:
        pictures.picture_size(path)  # every picture is opened before TensorFlow is, so that a wrong name shows at once
    targets = _targets(options.images, options.out)
    _load_keras()
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
        _print_json(documents)
    return 0


def _targets(images: Sequence[Path], folder: Path | None) -> dict[Path, Path]:
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
    print(f"{document['image']}: {len(document['detections'])} found")
    for one in document["detections"]:
        print(f"  {one['class']}  {one['score']:.3f}  " + " ".join(f"{edge:.1f}" for edge in one["box"]))


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


def _checked_size(size: int) -> int:
    if size < 32 or size % 32:
        raise ValueError(f"--size: expected a multiple of 32, got {size}")
    return size


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description="A detector, without the search.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("summary", help="parameters, convolutions, operations and output maps")
    command.add_argument("--variant", choices=VARIANTS, default="yolov4", help="the released network of that name")
    command.add_argument("--size", type=int, default=416, help="side of the input in pixels (default 416)")
    command.add_argument("--classes", type=int, default=80, help="number of classes (default 80)")
    command.add_argument("--width", type=float, default=1.0, help="factor on the channels (default 1)")
    command.add_argument("--depth", type=float, default=1.0, help="factor on the residual units (default 1)")
    _finish(command, summary)

    command = commands.add_parser("evaluate", help="average precision of a checkpoint on a data set")
    _add_weights(command)
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set's folder")
    command.add_argument("--split", choices=("train", "val", "test"), default="val")
    command.add_argument("--size", type=int, help="side of the input in pixels (default: the checkpoint's)")
    command.add_argument("--fit", choices=("stretch", "letterbox"), help="default: the checkpoint's")
    _add_post(command, PostConfig.score)
    _finish(command, evaluate)

    command = commands.add_parser("predict", help="what a checkpoint sees in pictures")
    command.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    _add_weights(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="draw the boxes on copies of the pictures there")
    _add_post(command, SHOWN_SCORE)
    _finish(command, predict)
    return parser


def _add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, required=True, metavar="FILE", help="a checkpoint (.keras) of ours")


def _add_post(command: argparse.ArgumentParser, score: float) -> None:
    command.add_argument("--score", type=float, default=score, help=f"lowest score of a detection (default {score})")
    command.add_argument(
        "--nms-iou", type=float, default=PostConfig.nms_iou, help=f"overlap that NMS allows ({PostConfig.nms_iou})"
    )
    command.add_argument("--nms", choices=("plain", "diou"), default=PostConfig.nms, help="default: diou")


def _finish(command: argparse.ArgumentParser, run: Any) -> None:
    command.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    command.set_defaults(run=run)


if __name__ == "__main__":
    sys.exit(main())
